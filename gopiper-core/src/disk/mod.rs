//! Storage on disk: the state directory, files that are appended to, their entries, values as
//! bytes, digests, locks. This folder does not know the meaning of what is stored.
pub(crate) mod appended;
pub(crate) mod digest;
pub(crate) mod entry;
pub(crate) mod lock;
pub mod state;
pub(crate) mod value;

/// The gauges of what stores messages: an operator watches both alike.
pub(crate) const STORED_BYTES: &str = "stored_bytes";
pub(crate) const STORED_LIMIT_BYTES: &str = "stored_limit_bytes";

/// The most messages that one sync covers.
pub(crate) const MESSAGES_PER_SYNC: usize = 1 << 16;
