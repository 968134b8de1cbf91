//! One message's way through a pipeline, as it was seen.
use gopiper_abi::{
    Trace,
    raw::{MessageId, Outcome},
};

/// The most events of one message; later ones are counted.
const MOST_EVENTS: usize = 256;
/// The most bytes of a message that are shown, and of a description.
pub(super) const SHOWN: usize = 256;

/// One message's way through a pipeline, with times.
#[derive(Debug, Clone)]
pub struct Passport {
    /// The pipeline.
    pub pipeline: String,
    /// Its trace, and the id of its own span there.
    pub trace: Trace,
    /// The span that it came from, if its source gave it a trace.
    pub parent: Option<[u8; 8]>,
    /// Its position in its source's input, in words, if the source gives it.
    pub position: Option<String>,
    /// The first bytes of it, as its source sent it.
    pub data: Vec<u8>,
    /// How many bytes it had.
    pub length: usize,
    /// What happened to it and to messages made of it, in order.
    pub events: Vec<TraceEvent>,
    /// How many events more there were.
    pub left_out: u64,
    /// How it ended; `None` while it has not.
    pub outcome: Option<Outcome>,
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// When: nanoseconds since 1970.
    pub time: i64,
    /// The component; empty for the end, which belongs to none.
    pub component: String,
    /// What.
    pub step: TraceStep,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceStep {
    /// A source or a buffer sent it.
    Created,
    /// The component got it. The number of attempts before is 0 for the first.
    Began {
        /// Attempts before this one.
        attempts: u16,
    },
    /// The component reported on it.
    Reported {
        /// The status.
        status: i32,
        /// The description, or the beginning of it.
        description: String,
    },
    /// The component sent messages that were made of it.
    Made {
        /// How many.
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
    /// It, or what was made of it, as components have or keep it: they send others in its name.
    pub(super) kept: Vec<MessageId>,
}
