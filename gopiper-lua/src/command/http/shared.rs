//! The process and its pipelines, as all connections see them.
use std::{path::PathBuf, sync::Arc, time::Instant};

use gopiper_core::observe::{PipelineReport, ProcessorTime};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::readiness::Readiness;
use crate::command::process::signals::Stops;

/// Taps at a time, of all components.
pub(super) const MOST_TAPS: usize = 16;

/// What all connections share.
pub(super) struct Shared {
    /// The pipelines' file.
    pub(super) file: PathBuf,
    pub(super) started: Instant,
    pub(super) stops: Stops,
    pub(super) readiness: Mutex<Readiness>,
    /// Places for taps: each keeps a connection.
    pub(super) taps: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(file: PathBuf, stops: Stops) -> Self {
        let taps = Arc::new(Semaphore::new(MOST_TAPS));
        Shared { file, started: Instant::now(), stops, readiness: Mutex::default(), taps }
    }

    /// The reports of the pipelines that are starting or at work.
    pub(super) fn reports(&self, processor: &ProcessorTime) -> Vec<PipelineReport> {
        self.stops.controls().iter().map(|control| control.report(processor)).collect()
    }

    /// Why the pipelines are not ready, after a look at these reports; empty if they are.
    pub(super) fn not_ready(&self, reports: &[PipelineReport]) -> Vec<String> {
        let (now, mut readiness) = (Instant::now(), self.readiness.lock());
        readiness.look(reports, now);
        readiness.reasons(reports, now)
    }
}
