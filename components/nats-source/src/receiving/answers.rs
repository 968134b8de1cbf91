//! Answers to the server: how each message of a stream has ended, or that it is in progress.
use std::time::Duration;

use async_nats::{Request, Subject};
use bytes::Bytes;
use gopiper_abi::Outcome;
use nats_client::Connected;
use tokio::{task::JoinSet, time::sleep};

use super::Line;
use crate::shared::Shared;

/// How a message has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) sequence: u64,
    pub(crate) outcome: Outcome,
}

/// The time between two attempts to have an answer confirmed.
const AGAIN: Duration = Duration::from_millis(500);

/// What the server is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// It was processed: not again.
    Ack,
    /// It never will be: not again.
    Term,
    /// Send it again after that many milliseconds.
    Nak(u64),
    /// It is being worked on.
    InProgress,
}

impl Reply {
    pub(super) fn of(outcome: Outcome, nak_delay_ms: u64) -> Self {
        match outcome {
            Outcome::DELIVERED | Outcome::DROPPED | Outcome::DEAD_LETTERED => Reply::Ack,
            Outcome::FAILED => Reply::Term,
            // Outcomes of a later version that are final need no repetition either.
            other if other.is_final() => Reply::Ack,
            _ => Reply::Nak(nak_delay_ms),
        }
    }

    /// As the server wants it. Before 2.10.4 a reason makes the server ignore the answer.
    pub(super) fn text(self, takes_reasons: bool) -> Bytes {
        match self {
            Reply::Ack => "+ACK".into(),
            Reply::Term if takes_reasons => "+TERM failed in gopiper, and discarded".into(),
            Reply::Term => "+TERM".into(),
            Reply::Nak(0) => "-NAK".into(),
            Reply::Nak(delay) => {
                format!(r#"-NAK {{"delay": {}}}"#, delay.saturating_mul(1_000_000)).into()
            }
            Reply::InProgress => "+WPI".into(),
        }
    }
}

/// Sends answers.
pub(super) struct Answers {
    connected: Connected,
    shared: Shared,
    nak_delay_ms: u64,
    double_ack: bool,
    timeout: Duration,
    /// How often a message is sent at most, if that is limited.
    max_deliver: Option<u64>,
    /// Answers that wait for their confirmation.
    waiting: JoinSet<()>,
}

impl Answers {
    pub(super) fn new(line: &Line, max_deliver: Option<u64>) -> Self {
        Answers {
            connected: line.connected.clone(),
            shared: line.shared.clone(),
            nak_delay_ms: line.settings.nak_delay_ms,
            double_ack: line.settings.double_ack,
            timeout: line.settings.connection.timeout(),
            max_deliver,
            waiting: JoinSet::new(),
        }
    }

    fn text(&self, reply: Reply) -> Bytes {
        reply.text(self.connected.has_version(2, 10, 4))
    }

    /// Sends the answer of a message.
    pub(super) async fn send(&mut self, answer: Answer) {
        let reply = Reply::of(answer.outcome, self.nak_delay_ms);
        // An answer that is confirmed must not be a question of time: the message stays open.
        if self.double_ack && matches!(reply, Reply::Ack | Reply::Term) {
            let Some(_) = self.shared.state().open.answered(answer.sequence) else { return };
            let (connected, shared, timeout) =
                (self.connected.clone(), self.shared.clone(), self.timeout);
            let text = self.text(reply);
            self.waiting.spawn_local(async move {
                confirmed(&connected, &shared, answer.sequence, &text, timeout).await;
                shared.state().open.ended(answer.sequence);
                shared.wake_connection();
            });
            while self.waiting.try_join_next().is_some() {}
            return;
        }
        let ended = self.shared.state().open.ended(answer.sequence);
        if let Some(open) = ended {
            let is_last = self.max_deliver.is_some_and(|most| open.times >= most);
            if is_last && matches!(reply, Reply::Nak(_)) {
                log::warn!(
                    "message {} went back for the last time: max_deliver of its consumer is used \
                     up, and the server does not send it again",
                    answer.sequence
                );
            }
            self.publish(open.reply, reply).await;
        }
    }

    /// Sends an answer without waiting for its confirmation. If it is lost, the server sends the
    /// message again.
    pub(super) async fn publish(&self, to: Subject, reply: Reply) {
        let sent = self.connected.client.publish(to, self.text(reply)).await;
        if let Err(error) = sent {
            log::warn!("an answer cannot be sent: {error}: the message comes again");
        }
    }

    /// Waits until all are confirmed or sent.
    pub(super) async fn finish(&mut self) {
        while self.waiting.join_next().await.is_some() {}
        let _ = self.connected.client.flush().await;
    }
}

/// Sends an answer until the server has confirmed it.
async fn confirmed(
    connected: &Connected,
    shared: &Shared,
    sequence: u64,
    text: &Bytes,
    timeout: Duration,
) {
    loop {
        // Where the server wants it now: it may have sent the message again.
        let Some(to) = shared.state().open.reply(sequence) else { return };
        let request = Request::new().payload(text.clone()).timeout(Some(timeout));
        match connected.client.send_request(to, request).await {
            Ok(_) => return,
            Err(error) => log::debug!("message {sequence}: its answer is not confirmed: {error}"),
        }
        sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_answer() {
        for outcome in [Outcome::DELIVERED, Outcome::DROPPED, Outcome::DEAD_LETTERED] {
            assert_eq!(Reply::of(outcome, 5), Reply::Ack);
        }
        assert_eq!(Reply::of(Outcome::FAILED, 5), Reply::Term);
        assert_eq!(Reply::of(Outcome::RETURNED, 5), Reply::Nak(5));
    }

    #[test]
    fn answers_as_the_server_reads_them() {
        assert_eq!(Reply::Nak(1500).text(true), r#"-NAK {"delay": 1500000000}"#);
        assert_eq!(Reply::Nak(0).text(true), "-NAK");
        assert!(Reply::Term.text(true).starts_with(b"+TERM failed"));
        assert_eq!(Reply::Term.text(false), "+TERM");
        assert_eq!(Reply::Ack.text(true), "+ACK");
        assert_eq!(Reply::InProgress.text(true), "+WPI");
    }
}
