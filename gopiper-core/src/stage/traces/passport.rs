//! The way of one message through a pipeline, as workers recorded it.
use gopiper_abi::{
    Trace,
    raw::{MessageId, Outcome},
};

/// The most events of one message; later ones are counted.
const MOST_EVENTS: usize = 256;
/// The most bytes of a message that are shown, and of a description.
pub(super) const SHOWN: usize = 256;

/// The way of one message through a pipeline, with times.
#[derive(Debug, Clone)]
pub struct Passport {
    /// The pipeline.
    pub pipeline: String,
    /// Its trace, with the id of the message's own span.
    pub trace: Trace,
    /// The span that it came from, if its source gave it a trace.
    pub parent: Option<[u8; 8]>,
    /// Its position in its source's input, as text, if the source gives it.
    pub position: Option<String>,
    /// Its first bytes, as its source sent them.
    pub data: Vec<u8>,
    /// The number of bytes that it had.
    pub length: usize,
    /// The events of the message and of messages made from it, in order.
    pub events: Vec<TraceEvent>,
    /// The number of further events, which were not kept.
    pub left_out: u64,
    /// How it ended; `None` if it has not ended.
    pub outcome: Option<Outcome>,
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// When: nanoseconds since 1970.
    pub time: i64,
    /// The component; empty for the end, which belongs to no component.
    pub component: String,
    /// What happened.
    pub step: TraceStep,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceStep {
    /// A source or a buffer sent it.
    Created,
    /// The component received it.
    Began {
        /// The number of attempts before this one.
        attempts: u16,
    },
    /// The component reported on it.
    Reported {
        /// The status.
        status: i32,
        /// The description, or the beginning of it.
        description: String,
    },
    /// The component sent messages that were made from it.
    Made {
        /// The number of messages.
        messages: usize,
    },
    /// It left the component for the next one. It may have to wait for room there.
    PassedOn,
    /// It became a dead letter with this id.
    Buried {
        /// The id, as `gopiper dlq list` shows it.
        id: String,
    },
    /// It has ended.
    Settled(Outcome),
}

impl Passport {
    pub(super) fn add(&mut self, event: TraceEvent) {
        if let TraceStep::Settled(outcome) = event.step {
            self.outcome = Some(outcome);
        } else if self.events.len() == MOST_EVENTS {
            self.left_out += 1;
            return;
        }
        self.events.push(event);
    }
}

/// A passport while its message is on its way.
pub(super) struct OpenPassport {
    pub(super) passport: Passport,
    /// The message, or messages made from it, that components have or keep. A component may send
    /// other messages made from these.
    pub(super) kept: Vec<MessageId>,
}
