//! An answer that goes on: JSON objects on a line each, as they come.
use std::time::Duration;

use http_body_util::channel::Sender;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::{Instant, timeout};

/// How often it is looked for more.
pub(in crate::command::http) const COLLECT: Duration = Duration::from_millis(20);
/// How often an empty line is sent while nothing comes: it shows whether the client still reads.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long a client may take to read a line.
const READ_TIME: Duration = Duration::from_secs(10);

/// The client, as it reads lines.
pub(in crate::command::http) struct LineSender {
    to: Sender<Bytes>,
    last: Instant,
}

impl LineSender {
    pub(in crate::command::http) fn new(to: Sender<Bytes>) -> Self {
        LineSender { to, last: Instant::now() }
    }

    /// Sends an object. Returns whether the client reads. One that is stopped (Ctrl-Z) loses its
    /// answer after a while, because what it looks at costs.
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
