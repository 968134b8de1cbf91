//! A streamed answer: JSON objects, one on each line, as they come.
use std::time::Duration;

use http_body_util::channel::Sender;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::{Instant, timeout};

/// How often new objects are collected.
pub(in crate::command::http) const COLLECT: Duration = Duration::from_millis(20);
/// How often an empty line is sent while there is nothing to send. It shows whether the client
/// still reads.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long a client may take to read a line.
const READ_TIME: Duration = Duration::from_secs(10);

/// Sends lines to a client.
pub(in crate::command::http) struct LineSender {
    to: Sender<Bytes>,
    last: Instant,
}

impl LineSender {
    pub(in crate::command::http) fn new(to: Sender<Bytes>) -> Self {
        LineSender { to, last: Instant::now() }
    }

    /// Sends an object. Returns whether the client reads. A client that is stopped (Ctrl-Z) loses
    /// its answer after a while, because a tap or a trace has a cost.
    pub(in crate::command::http) async fn send(&mut self, object: &Value) -> bool {
        self.send_line(format!("{object}\n")).await
    }

    /// Returns whether the client still reads, as far as that is known.
    pub(in crate::command::http) async fn is_read(&mut self) -> bool {
        self.last.elapsed() < SIGN_OF_LIFE || self.send_line("\n".into()).await
    }

    async fn send_line(&mut self, line: String) -> bool {
        self.last = Instant::now();
        matches!(timeout(READ_TIME, self.to.send_data(Bytes::from(line))).await, Ok(Ok(())))
    }
}
