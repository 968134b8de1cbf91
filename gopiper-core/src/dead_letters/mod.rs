//! Messages that have failed for good, kept: on disk, or with a component of the operator's choice.
//!
//! Every failed message of a pipeline goes to one more sink of it. Unless the operator names another
//! one, that is ours, which writes [`Letter`]s into segments: files that are only appended to, each
//! by the process that made it.
mod letter;
mod marks;
mod outbox;
mod replay;
mod segment;
mod sink;

pub use letter::{Letter, about};
pub use marks::done;
pub(crate) use outbox::Outbox;
pub(crate) use replay::replay;
pub use segment::{Damage, Entry, SegmentReader, is_written, remove, segments};
pub(crate) use sink::sink;

/// The folder of the dead letters, in the state directory.
pub const FOLDER: &str = "dead-letters";
