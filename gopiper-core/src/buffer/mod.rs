//! A stage that keeps messages on disk between two others.
//!
//! It is two components with one [`Store`]: a sink, the inlet, behind what comes before it, and a
//! source, the outlet, before what comes behind. A message has been delivered to the inlet when it
//! is synced, and is taken out when the outlet hears what has become of it. A pipeline that was
//! killed goes on with what was not taken out.
//!
//! The file is a database (redb) of blocks, one for each batch that came in. Blocks that are done with go out in the commit
//! in which the next one comes in. If the last commit is damaged, the database takes it for one that was interrupted, and
//! goes back to the one before: `buffer.next` beside it tells the two apart. At an orderly end a block keeps only the
//! messages that were not done with.
mod block;
mod inlet;
mod outlet;
mod shared;
mod store;

pub(crate) use inlet::inlet;
pub(crate) use outlet::outlet;
pub(crate) use shared::SharedBuffer;

/// The bytes that a buffer keeps, unless somebody says otherwise.
const DEFAULT_MAX_BYTES: u64 = 1 << 30;

/// What a buffer does with messages for which it has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// They wait, and with them what comes before the buffer.
    #[default]
    Block,
    /// They are dropped, counted.
    DropNewest,
}

/// What the operator wants of a buffer.
#[derive(Debug, Clone)]
pub struct BufferOptions {
    /// What it is called.
    pub name: Option<String>,
    /// How many bytes of messages it keeps at most. What is under way when the pipeline is told to
    /// stop is kept in any case.
    pub max_bytes: u64,
    /// What becomes of more.
    pub when_full: WhenFull,
}

impl Default for BufferOptions {
    fn default() -> Self {
        BufferOptions { name: None, max_bytes: DEFAULT_MAX_BYTES, when_full: WhenFull::default() }
    }
}
