//! The messages that a test gives to a component and gets back.
use std::fmt;

use crate::{Message, Outcome, Report};

/// A component's report on a message that it received.
#[derive(Clone, PartialEq, Eq)]
pub struct HandledMessage {
    /// The status of its report; 1 if it keeps the message.
    pub status: i32,
    /// The description of its report.
    pub description: String,
    /// The bytes of the message after the component: they go to the next one, a retry, or the dead
    /// letters.
    pub data: Vec<u8>,
}

impl fmt::Debug for HandledMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandledMessage")
            .field("status", &self.status)
            .field("description", &self.description)
            .field("data", &format_args!("\"{}\"", self.data.escape_ascii()))
            .finish()
    }
}

/// Types that a test can give to a component.
pub trait IntoMessage {
    /// The message.
    fn into_message(self) -> Message;
}

impl IntoMessage for Message {
    fn into_message(self) -> Message {
        self
    }
}

impl IntoMessage for &str {
    fn into_message(self) -> Message {
        Message::new(self.to_owned())
    }
}

impl IntoMessage for &[u8] {
    fn into_message(self) -> Message {
        Message::new(self.to_vec())
    }
}

/// The outcome of a message that is not passed on.
pub(super) fn outcome_of(status: i32) -> Outcome {
    if status >= 300 { Outcome::DROPPED } else { Outcome::FAILED }
}

pub(super) fn with_its_report(message: &Message) -> Message {
    let copy = message.duplicate();
    match message.status() {
        0 => copy,
        status => copy.with_report(Report::new(status, message.description().to_owned())),
    }
}
