//! Receiving from a stream: messages come in as they were asked for, and answers go out.
use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use async_nats::{Message, Subject};
use futures_util::StreamExt;
use gopiper_abi::Error;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::{JoinHandle, spawn_local},
    time::{sleep, timeout},
};

use super::{
    Line,
    answers::{Answer, Answers, Reply},
    consumer::{Found, missing},
    pulling::{Meaning, Pulling},
};
use crate::arrival::{Arrival, Delivered};

/// How long the last answers may take.
const LAST: Duration = Duration::from_secs(3);
/// The shortest time between two reports that messages are in progress.
const SHORTEST: Duration = Duration::from_millis(50);
/// How often sinks are told which messages do not come again.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Receives until the answers end.
pub(super) async fn run(line: Line, found: Found, mut answers: UnboundedReceiver<Answer>) {
    if let Some(most) = found.max_ack_pending {
        line.shared.state().lower_limit(most);
    }
    let mut sender = Answers::new(&line, found.max_deliver);
    let receiving = Rc::new(Receiving { pulling: Pulling::new(&line, &found), line, found });
    let tasks = [
        spawn_local(receiving.clone().receive()),
        spawn_local(receiving.clone().ask()),
        spawn_local(receiving.clone().say_in_progress()),
        spawn_local(receiving.clone().look_at_connections()),
        spawn_local(receiving.clone().tell_settled()),
    ];
    while let Some(answer) = answers.recv().await {
        sender.send(answer).await;
    }
    tasks.iter().for_each(JoinHandle::abort);
    // Nobody will say any more how these have ended.
    let rest = receiving.line.shared.state().open.take_unanswered();
    for reply in rest {
        sender.publish(reply, Reply::Nak(receiving.line.settings.nak_delay_ms)).await;
    }
    if !receiving.line.connected.is_up() || timeout(LAST, sender.finish()).await.is_err() {
        log::warn!("the last answers did not reach the server: their messages come again");
    }
}

/// A stream at work.
struct Receiving {
    line: Line,
    found: Found,
    pulling: Pulling,
}

impl Receiving {
    /// Asks for messages when there is room.
    async fn ask(self: Rc<Self>) {
        loop {
            if let Some(pause) = self.pulling.take_pause() {
                sleep(pause).await;
            }
            if self.line.shared.state().is_closing {
                return self.give_back().await;
            }
            if self.line.connected.is_up() {
                self.pulling.ask(&self.line).await;
            }
            self.line.shared.changed().await;
        }
    }

    /// Gives back what the worker will not take any more.
    async fn give_back(&self) {
        let rest: Vec<_> = {
            let mut state = self.line.shared.state();
            let queue: Vec<_> = state.queue.drain(..).collect();
            let sequences = queue.iter().filter_map(|arrival| arrival.sequence);
            sequences.filter_map(|sequence| state.open.ended(sequence)).collect()
        };
        for open in rest {
            self.publish(open.reply, Reply::Nak(0)).await;
        }
    }

    async fn publish(&self, to: Subject, reply: Reply) {
        let text = reply.text(self.line.connected.has_version(2, 10, 4));
        if let Err(error) = self.line.connected.client.publish(to, text).await {
            log::warn!("an answer cannot be sent: {error}: the message comes again");
        }
    }

    /// Tells sinks up to where all messages are acknowledged: they may forget these.
    async fn tell_settled(self: Rc<Self>) {
        let Some(origin) = self.line.shared.origin() else { return };
        let subject = format!("CONSUMER.INFO.{}.{}", self.found.stream, self.found.name);
        loop {
            sleep(TELL_EVERY).await;
            if !self.line.connected.is_up() {
                continue;
            }
            let info = self.line.connected.ask(&subject, None).await.ok();
            let floor = info.as_ref().and_then(|info| info["ack_floor"]["stream_seq"].as_u64());
            if let Some(floor) = floor {
                self.line.shared.host().set_settled(origin, floor + 1);
            }
        }
    }

    async fn receive(self: Rc<Self>) {
        let client = &self.line.connected.client;
        let mut subscriber = match client.subscribe(self.pulling.inbox()).await {
            Ok(subscriber) => subscriber,
            Err(error) => {
                return self.line.shared.fail(Error::new(format!("cannot subscribe: {error}")));
            }
        };
        self.pulling.begin();
        self.line.shared.wake_connection();
        loop {
            match timeout(self.pulling.longest_silence(), subscriber.next()).await {
                Ok(Some(message)) => self.take(message).await,
                Ok(None) => {
                    let error = Error::new("the connection to the server has ended for good");
                    return self.line.shared.fail(error);
                }
                Err(_) => self.is_silent().await,
            }
        }
    }

    /// Takes a message of the stream, or what the server says of a request.
    async fn take(&self, message: Message) {
        let meaning = message.status.and_then(|status| {
            let pending = message.headers.as_ref().and_then(|it| it.get("Nats-Pending-Messages"));
            let pending = pending.and_then(|pending| pending.as_str().parse().ok());
            let text = message.description.as_deref().unwrap_or_default();
            Meaning::of(status.as_u16(), text, pending)
        });
        let shared = &self.line.shared;
        match meaning {
            None => self.take_arrival(message).await,
            Some(Meaning::Alive) => {}
            Some(Meaning::Ended(pending)) => self.pulling.ended(&mut shared.state(), pending),
            Some(Meaning::Later(text)) => {
                log::debug!("the server ends a request: {text}");
                self.pulling.ended(&mut shared.state(), None);
                self.pulling.pause();
                self.look_after_consumer().await;
            }
            Some(Meaning::Wrong(text)) => {
                let Found { stream, name, .. } = &self.found;
                let text = format!("consumer '{name}' of stream '{stream}': {text}");
                shared.fail(Error::attribute("consumer", text));
            }
        }
        shared.wake_connection();
    }

    async fn take_arrival(&self, message: Message) {
        let Line { shared, metrics, .. } = &self.line;
        let delivered = message.reply.as_ref().and_then(Delivered::of);
        let (Some(delivered), Some(reply)) = (delivered, message.reply) else {
            log::warn!("a message on {} is not of a stream: left out", message.subject);
            return;
        };
        // It is kept until the message has ended. As a part of the client's buffer, it would keep
        // the bytes of the message in memory a second time.
        let reply = Subject::from(reply.as_str());
        if delivered.times > 1 {
            metrics.redelivered.add(1);
        }
        metrics.pending.set(delivered.pending as f64);
        let is_closing = {
            let mut state = shared.state();
            state.asked = state.asked.saturating_sub(1);
            let sequence = delivered.sequence;
            if !state.is_closing {
                let now = Instant::now();
                if state.open.arrived(sequence, reply.clone(), delivered.times, now) {
                    state.queue.push_back(Arrival {
                        payload: message.payload,
                        headers: message.headers,
                        subject: message.subject.to_string(),
                        time: delivered.time,
                        sequence: Some(sequence),
                        more: Vec::new(),
                    });
                }
            }
            state.is_closing
        };
        if is_closing {
            self.publish(reply, Reply::Nak(0)).await;
        } else {
            shared.wake_worker();
        }
    }

    /// Nothing has come for longer than the server should be silent.
    async fn is_silent(&self) {
        let asked = self.line.shared.state().asked;
        if asked == 0 || !self.line.connected.is_up() {
            return;
        }
        log::debug!("the server is silent: asking again");
        self.pulling.ended(&mut self.line.shared.state(), None);
        self.look_after_consumer().await;
        self.line.shared.wake_connection();
    }

    /// Whether the consumer is still there.
    async fn look_after_consumer(&self) {
        let Found { stream, name, .. } = &self.found;
        let subject = format!("CONSUMER.INFO.{stream}.{name}");
        if let Err(failure) = self.line.connected.ask(&subject, None).await
            && (failure.is_no_stream() || failure.is_no_consumer())
        {
            self.line.shared.fail(missing(stream, name, &failure));
        }
    }

    /// Tells the server that messages are still being worked on, before it sends them again.
    async fn say_in_progress(self: Rc<Self>) {
        let interval = (self.found.ack_wait / 4).max(SHORTEST);
        loop {
            sleep(interval).await;
            if !self.line.connected.is_up() {
                continue;
            }
            let Some(moment) = Instant::now().checked_sub(interval) else { continue };
            let open = self.line.shared.state().open.since(moment);
            for reply in open {
                self.publish(reply, Reply::InProgress).await;
            }
        }
    }

    /// A new connection knows no requests of the one before.
    async fn look_at_connections(self: Rc<Self>) {
        let mut times = self.line.connected.times.clone();
        while times.changed().await.is_ok() {
            // The first one may be told late.
            if *times.borrow_and_update() > 1 {
                self.pulling.ended(&mut self.line.shared.state(), None);
                self.line.shared.wake_connection();
            }
        }
    }
}
