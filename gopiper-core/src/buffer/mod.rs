//! A stage that keeps messages on disk between two others.
//!
//! It consists of two components with one [`Store`]: a sink, the inlet, after the components before
//! it, and a source, the outlet, before the components after it. A message has been delivered to
//! the inlet when it is synced, and is removed when the outlet receives its outcome. A pipeline
//! that was killed continues with the messages that were not removed.
//!
//! The file is a database (redb) of blocks, one for each incoming batch. Finished blocks are
//! removed in the commit that adds the next one. If the last commit is damaged, the database treats
//! it as interrupted, and goes back to the one before: `buffer.next` beside it distinguishes the
//! two cases. At an orderly end a block keeps only its unfinished messages.
mod block;
mod inlet;
mod outlet;
mod shared;
mod store;

pub(crate) use inlet::inlet;
pub(crate) use outlet::outlet;
pub(crate) use shared::SharedBuffer;
pub(crate) use store::{StoredMessages, stored_messages};

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
