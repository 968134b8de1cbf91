//! A stage that keeps messages on disk between two others. To the workers around it, it is two
//! ordinary components: this folder knows neither channels nor stages.
//!
//! It consists of two components with one [`Store`]: a sink, the inlet, after the components before
//! it, and a source, the outlet, before the components after it. A message has been delivered to
//! the inlet when it is synced, and is removed when the outlet receives its outcome. A pipeline
//! that was killed continues with the messages that were not removed.
//!
//! On disk a buffer is a log: segments (`record.rs`), which are only appended to. Blocks of
//! messages are added to the newest one, and those that are finished are named there. `index.rs`
//! keeps the index in memory, `store.rs` writes and reads the log, `replay.rs` opens it.
mod arrivals;
mod block;
mod error;
mod index;
mod inlet;
mod outlet;
mod ranges;
mod record;
mod replay;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod varint;

use std::path::Path;

pub(crate) use inlet::inlet;
pub(crate) use outlet::outlet;
pub(crate) use shared::SharedBuffer;

use crate::disk::state;

/// How many messages the buffer in a folder holds, if there is one. `None` if it cannot be read.
/// Nothing is changed.
pub(crate) fn stored_messages(folder: &Path) -> Option<u64> {
    if state::is_in_use(folder) {
        // Another process delivers them.
        return Some(0);
    }
    Some(replay::replay(folder).ok()?.index.messages)
}

/// How much may wait for the inlet: twice the usual, because a commit costs the same for any number
/// of messages.
pub(crate) const CHANNEL_BYTES: usize = 16 << 20;
/// The default limit of a buffer, in bytes.
const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// The policy for messages that a buffer has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// They wait, and so do the components before the buffer.
    #[default]
    Block,
    /// They are dropped and counted.
    DropNewest,
}

/// The operator's options for a buffer.
#[derive(Debug, Clone)]
pub struct BufferOptions {
    /// Its name.
    pub name: Option<String>,
    /// How many bytes of messages it keeps at most. Messages that are under way when the pipeline
    /// stops are kept in any case.
    pub max_bytes: u64,
    /// The policy for further messages.
    pub when_full: WhenFull,
}

impl Default for BufferOptions {
    fn default() -> Self {
        BufferOptions { name: None, max_bytes: DEFAULT_MAX_BYTES, when_full: WhenFull::default() }
    }
}
