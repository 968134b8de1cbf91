//! Receiving from subjects without a stream. Nobody keeps these messages: one that finds no room in
//! its subscription is lost, and counted.
use async_nats::Subscriber;
use futures_util::{StreamExt, stream};
use gopiper_abi::Error;
use tokio::{sync::mpsc::UnboundedReceiver, task::spawn_local};

use super::{Line, answers::Answer};
use crate::arrival::Arrival;

pub(super) async fn subscribe(
    line: &Line,
    subjects: &[String],
    queue_group: Option<&str>,
) -> Result<Vec<Subscriber>, Error> {
    let client = &line.connected.client;
    let mut subscribers = Vec::new();
    for subject in subjects {
        let subscribed = match queue_group {
            None => client.subscribe(subject.clone()).await,
            Some(group) => client.queue_subscribe(subject.clone(), group.to_owned()).await,
        };
        subscribers.push(subscribed.map_err(|error| {
            Error::attribute("subjects", format!("cannot subscribe to '{subject}': {error}"))
        })?);
    }
    // What is published from now on comes.
    let flushed = client.flush().await;
    flushed.map_err(|error| Error::new(format!("cannot subscribe: {error}")).temporary())?;
    Ok(subscribers)
}

pub(super) async fn run(
    line: Line,
    subscribers: Vec<Subscriber>,
    mut end: UnboundedReceiver<Answer>,
) {
    let receive = spawn_local(async move {
        let mut messages = stream::select_all(subscribers);
        while let Some(message) = messages.next().await {
            let arrival = Arrival {
                payload: message.payload,
                headers: message.headers,
                subject: message.subject.to_string(),
                time: 0,
                sequence: None,
                more: Vec::new(),
            };
            if !line.take(arrival).await {
                return;
            }
        }
        line.shared.fail(Error::new("the connection to the server has ended for good"));
    });
    while end.recv().await.is_some() {}
    receive.abort();
}

impl Line {
    /// Puts a message into the queue, when there is room. `false` if no more are wanted.
    pub(super) async fn take(&self, arrival: Arrival) -> bool {
        loop {
            {
                let mut state = self.shared.state();
                if state.is_closing {
                    return false;
                }
                if state.has_room() {
                    state.queue.push_back(arrival);
                    break;
                }
            }
            self.shared.changed().await;
        }
        self.shared.wake_worker();
        true
    }
}
