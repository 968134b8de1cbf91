//! The component: sends what has arrived, and notes how each message has ended.
use std::{
    ops::Range,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use gopiper_abi::{Error, Outcome, Positions, Postponed, Produced, Source};
use kafka_client::{Asked, Watcher, ask};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{
    group::Group,
    progress::Partitions,
    receiving::Receiving,
    settings::Reading,
    shared::{Departure, Shared, Stage},
};

/// How many messages are sent at once at most.
const BATCH: usize = 512;
/// How long the thread of the consumer may take for its end.
const END: Duration = Duration::from_secs(30);

/// The component of the one worker.
pub struct KafkaSource {
    postponed: Postponed,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The thread has ended when this has.
    ended: mpsc::Receiver<()>,
}

impl KafkaSource {
    pub(crate) fn new(reading: &Reading, postponed: Postponed) -> Result<Self, Error> {
        let host = postponed.host().clone();
        let shared = Shared::new(host.clone(), reading.queue_messages, reading.queue_bytes);
        let shared = Arc::new(shared);
        let consumer = connect(reading, &shared)?;
        let (has_ended, ended) = mpsc::channel();
        let receiving = Receiving::new(consumer, shared.clone(), reading.clone());
        let alarm = Alarm(shared.clone());
        let thread = thread::Builder::new().name("kafka".into()).spawn(move || {
            let _alarm = alarm;
            host.scope(|| receiving.run());
            drop(has_ended);
        })?;
        Ok(KafkaSource { postponed, shared, thread: Some(thread), ended })
    }
}

/// Ends the source if its thread panics.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(Error::new("the thread of the consumer has panicked"));
        }
    }
}

/// A consumer that has joined the group, or is about to.
fn connect(reading: &Reading, shared: &Arc<Shared>) -> Result<BaseConsumer<Group>, Error> {
    let group = Group {
        watcher: Watcher::new(shared.host().clone()),
        shared: shared.clone(),
        commits: reading.commit,
        wait: reading.rebalance_wait,
    };
    let consumer: BaseConsumer<Group> = reading
        .config()?
        .create_with_context(group)
        .map_err(|error| Error::attribute("connection", error.to_string()))?;
    let (client, access) = (consumer.client(), &reading.access);
    let watcher = &consumer.context().watcher;
    let poll = || drop(consumer.poll(Duration::ZERO));
    for topic in reading.topics.iter().filter(|topic| !topic.starts_with('^')) {
        ask(client, poll, watcher, access, Asked { attribute: "topics", topic })?;
    }
    let cluster = match &access.cluster {
        Some(name) => name.clone(),
        None => cluster_id(reading, &consumer)?,
    };
    shared.partitions(|held| *held = Partitions::new(cluster));
    let topics: Vec<_> = reading.topics.iter().map(String::as_str).collect();
    let subscribed = consumer.subscribe(&topics);
    subscribed.map_err(|error| Error::attribute("topics", error.to_string()))?;
    Ok(consumer)
}

fn cluster_id(reading: &Reading, consumer: &BaseConsumer<Group>) -> Result<String, Error> {
    let access = &reading.access;
    let id = consumer.client().fetch_cluster_id(access.timeout());
    let id = id.filter(|id| !id.is_empty()).map(|id| id.replace('/', "_"));
    match id {
        Some(id) => Ok(id),
        // A topic has been asked for: the brokers do answer.
        None if reading.topic().is_some() => Err(Error::attribute(
            "connection.cluster",
            format!("the brokers {} give no id of their cluster: name it here", access.shown()),
        )),
        None => Err(Error::attribute(
            "connection.brokers",
            format!("no connection to {}, or they give no id of their cluster", access.shown()),
        )
        .temporary()),
    }
}

impl Source for KafkaSource {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        let Some(departure) = self.shared.take(BATCH.min(credit.max(1))) else {
            return match self.shared.failure() {
                Some(error) => Err(error),
                None => Ok(Produced::WAITING),
            };
        };
        let Departure { place, token, offsets, messages } = departure;
        let mut batch = self.postponed.batch();
        while batch.room() < messages.len() {
            batch.grow();
        }
        for message in messages {
            let pushed = batch.push(message);
            debug_assert!(pushed.is_ok(), "there is room");
        }
        let positions = Positions::listed(&place.name, "offset", offsets);
        let positions = positions.identified(&place.origin);
        self.postponed.send_located(batch, Some(token), positions)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, token: u64, places: Range<u32>, outcome: Outcome) {
        self.shared.settle(token, places, outcome.is_final());
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        // The thread stays in the group: what has ended is committed until the last outcome.
        self.shared.advance(Stage::Ending);
        Ok(())
    }
}

impl Drop for KafkaSource {
    /// Only now all outcomes are known.
    fn drop(&mut self) {
        self.shared.advance(Stage::Closing);
        let Some(thread) = self.thread.take() else { return };
        if self.ended.recv_timeout(END) == Err(mpsc::RecvTimeoutError::Timeout) {
            log::warn!("the brokers do not answer: the consumer is left as it is");
        } else if thread.join().is_err() {
            log::error!("the thread of the consumer has panicked");
        }
    }
}
