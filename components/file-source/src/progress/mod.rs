//! How far each file has gone through: the messages under way, the progress remembered on disk, and
//! the place where a file is begun.
mod beyond;
pub(crate) mod checkpoint;
pub(crate) mod ledger;
pub(crate) mod resume;
pub(crate) mod saving;
pub(crate) mod series;
