//! Requests for messages of a stream, and what the server says of them.
use std::{cell::Cell, time::Duration};

use serde_json::json;

use super::{Line, consumer::Found};
use crate::shared::State;

/// How long a request is open.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server shows that it still knows a request.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The time before another request after one that the server did not want.
const PAUSE: Duration = Duration::from_millis(500);

/// What the server says of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is still known.
    Alive,
    /// It is over; so many messages of it have not come, if the server says that.
    Ended(Option<usize>),
    /// Not now.
    Later(String),
    /// Never.
    Wrong(String),
}

impl Meaning {
    /// `None` for a message of the stream.
    pub(super) fn of(status: u16, text: &str, pending: Option<usize>) -> Option<Self> {
        Some(match status {
            200 => return None,
            100 => Meaning::Alive,
            404 | 408 => Meaning::Ended(pending),
            409 if text == "Batch Completed" => Meaning::Ended(pending),
            409 if text.contains("push based") => Meaning::Wrong(text.to_owned()),
            400 => Meaning::Wrong(text.to_owned()),
            _ => Meaning::Later(format!("{text} ({status})")),
        })
    }
}

/// How to ask a consumer for messages.
pub(super) struct Pulling {
    subject: String,
    inbox: String,
    expires: Duration,
    heartbeat: Duration,
    max_batch: usize,
    pause: Cell<Option<Duration>>,
    /// Whether the answers would be received.
    has_begun: Cell<bool>,
}

impl Pulling {
    pub(super) fn new(line: &Line, found: &Found) -> Self {
        let Found { stream, name, .. } = found;
        let expires = found.max_expires.map_or(EXPIRES, |most| most.min(EXPIRES));
        Pulling {
            subject: format!("{}.CONSUMER.MSG.NEXT.{stream}.{name}", line.connected.api),
            inbox: line.connected.client.new_inbox(),
            expires,
            // The server refuses half of the request's time or more.
            heartbeat: HEARTBEAT.min(expires / 4),
            max_batch: found.max_batch.unwrap_or(usize::MAX),
            pause: Cell::new(None),
            has_begun: Cell::new(false),
        }
    }

    /// The subject on which messages come.
    pub(super) fn inbox(&self) -> String {
        self.inbox.clone()
    }

    pub(super) fn begin(&self) {
        self.has_begun.set(true);
    }

    /// Asks for as many messages as there is room for.
    pub(super) async fn ask(&self, line: &Line) {
        if !self.has_begun.get() {
            return;
        }
        let count = {
            let mut state = line.shared.state();
            let count = state.wanted().min(self.max_batch);
            state.asked += count;
            count
        };
        if count == 0 {
            return;
        }
        let nanoseconds = |time: Duration| time.as_nanos() as u64;
        let request = json!({
            "batch": count,
            "expires": nanoseconds(self.expires),
            "idle_heartbeat": nanoseconds(self.heartbeat),
        });
        let request = request.to_string().into();
        let client = &line.connected.client;
        let sent =
            client.publish_with_reply(self.subject.clone(), self.inbox.clone(), request).await;
        if let Err(error) = sent {
            log::warn!("cannot ask for messages: {error}");
            self.ended(&mut line.shared.state(), Some(count));
            self.pause();
        }
    }

    /// A request is over, with so many messages that have not come; `None`: all requests are.
    pub(super) fn ended(&self, state: &mut State, pending: Option<usize>) {
        state.asked = pending.map_or(0, |pending| state.asked.saturating_sub(pending));
    }

    /// Wait before the next request.
    pub(super) fn pause(&self) {
        self.pause.set(Some(PAUSE));
    }

    pub(super) fn take_pause(&self) -> Option<Duration> {
        self.pause.take()
    }

    /// How long nothing may come while a request is open.
    pub(super) fn longest_silence(&self) -> Duration {
        self.heartbeat * 2 + PAUSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says() {
        assert_eq!(Meaning::of(200, "", None), None);
        assert_eq!(Meaning::of(100, "Idle Heartbeat", None), Some(Meaning::Alive));
        let timeout = Meaning::of(408, "Request Timeout", Some(7));
        assert_eq!(timeout, Some(Meaning::Ended(Some(7))));
        for (status, text) in [
            (409, "Leadership Change"),
            (409, "Consumer Deleted"),
            (409, "Exceeded MaxWaiting"),
            (503, ""),
        ] {
            assert!(matches!(Meaning::of(status, text, None), Some(Meaning::Later(_))), "{text}");
        }
        for (status, text) in [(409, "Consumer is push based"), (400, "Bad Request")] {
            assert!(matches!(Meaning::of(status, text, None), Some(Meaning::Wrong(_))), "{text}");
        }
    }
}
