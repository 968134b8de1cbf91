//! Storage on disk: the state directory, files that are appended to, their entries, values as
//! bytes, digests, locks. This folder does not know the meaning of what is stored.
pub(crate) mod appended;
pub(crate) mod digest;
pub(crate) mod entry;
pub(crate) mod lock;
pub mod state;
pub(crate) mod value;

use gopiper_abi::{
    Gauge,
    raw::{Host, RawError},
};

/// The gauges of buffers and dead letters. Their names are the same, so that an operator can watch
/// both in the same way.
pub(crate) const STORED_BYTES: &str = "stored_bytes";
pub(crate) const STORED_LIMIT_BYTES: &str = "stored_limit_bytes";

/// Registers both gauges. Returns the one for the stored bytes.
pub(crate) fn stored_bytes(host: &Host, limit: u64) -> Result<Gauge, RawError> {
    let gauge = |name, help| host.metric(name, help).unit("bytes").gauge();
    gauge(STORED_LIMIT_BYTES, "The most bytes that may be stored.")?.set(limit as f64);
    gauge(STORED_BYTES, "Bytes that are stored.")
}

/// The most messages that one sync covers.
pub(crate) const MESSAGES_PER_SYNC: usize = 1 << 16;
