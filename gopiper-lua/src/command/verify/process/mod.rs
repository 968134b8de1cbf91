//! What a component shares with all others of its process: read before and after a test.
pub(crate) mod children;
pub(crate) mod foreign;
mod snapshot;

pub(crate) use snapshot::Snapshot;
