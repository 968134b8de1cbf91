//! Keeps messages that have failed for good: on disk, or with a component of the operator's choice.
//! Whether a message has failed for good is decided in `worker`: this folder knows no stages.
//!
//! Every failed message of a pipeline goes to an additional sink. Unless the operator names another
//! one, this sink is ours. It writes [`Letter`]s into segments: files that are only appended to,
//! each by the process that created it.
//!
//! All stages share one `Outbox`. So dead letters have the channel, the retries and the
//! backpressure of every sink, and the messages that this sink reports as done are settled as
//! DeadLettered. Ours reports a batch once it is synced. `replay` is a source of letters; it marks
//! in a file beside the segment which of them have ended.
mod letter;
mod marks;
mod outbox;
mod replay;
mod segment;
mod sink;

use std::path::Path;

pub use letter::{Attempted, Letter, about};
pub use marks::done;
pub(crate) use outbox::Outbox;
pub(crate) use replay::replay;
pub use segment::{Damage, SegmentReader, StoredLetter, is_written, remove, segments};
pub(crate) use sink::sink;

/// The folder of the dead letters, in the state directory.
pub const FOLDER: &str = "dead-letters";

/// Checks that no process writes dead letters into a state directory.
///
/// # Errors
/// One does, or it cannot be looked at.
pub fn check_unused(directory: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    let segments = segments(&directory.join(FOLDER)).map_err(failed)?;
    match segments.iter().find(|segment| is_written(segment)) {
        Some(segment) => Err(format!("{} is in use by another process", segment.display())),
        None => Ok(()),
    }
}
