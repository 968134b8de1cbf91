//! How far each file has gone through: what is under way, what is remembered on disk, and where a
//! file is begun.
mod beyond;
pub(crate) mod checkpoint;
pub(crate) mod ledger;
pub(crate) mod resume;
pub(crate) mod saving;
