//! The process and its pipelines, as all connections see them.
use std::{path::PathBuf, time::Instant};

use parking_lot::Mutex;

use super::readiness::Readiness;
use crate::command::process::signals::Stops;

/// What all connections share.
pub(super) struct Shared {
    /// The pipelines' file.
    pub(super) file: PathBuf,
    pub(super) started: Instant,
    pub(super) stops: Stops,
    pub(super) readiness: Mutex<Readiness>,
}
