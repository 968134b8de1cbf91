//! The state that a component shares with all others of its process, read before and after a test.
//! Nothing is judged here: `suite/process.rs` compares.
pub(crate) mod children;
pub(crate) mod foreign;
mod snapshot;

pub(crate) use snapshot::Snapshot;
