//! The process and its pipelines, as all connections see them.
use std::{sync::Arc, time::Instant};

use gopiper_core::observe::{PipelineReport, ProcessorTime};
use hyper::body::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

use super::{readiness::Readiness, replays::Replays, served::Served};
use crate::command::process::signals::Stops;

/// Taps at a time, of all components.
pub(super) const MOST_TAPS: usize = 16;
/// Those who listen to events at a time.
pub(super) const MOST_LISTENERS: usize = 16;

/// What all connections share.
pub(super) struct Shared {
    pub(super) served: Served,
    pub(super) started: Instant,
    pub(super) stops: Stops,
    pub(super) readiness: Mutex<Readiness>,
    /// Places for taps: each keeps a connection.
    pub(super) taps: Arc<Semaphore>,
    pub(super) events: Events,
    /// One request at a time reads dead letters: they may be many.
    pub(super) letters: Arc<Semaphore>,
    pub(super) replays: Replays,
}

impl Shared {
    pub(super) fn new(served: Served, stops: Stops) -> Self {
        Shared {
            served,
            started: Instant::now(),
            stops,
            readiness: Mutex::default(),
            taps: Arc::new(Semaphore::new(MOST_TAPS)),
            events: Events::default(),
            letters: Arc::new(Semaphore::new(1)),
            replays: Replays::default(),
        }
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

/// The latest event, for all who listen.
pub(super) struct Events {
    pub(super) latest: watch::Sender<Bytes>,
    /// Somebody listens.
    pub(super) wanted: Notify,
    pub(super) places: Arc<Semaphore>,
}

impl Default for Events {
    fn default() -> Self {
        Events {
            latest: watch::Sender::new(Bytes::new()),
            wanted: Notify::new(),
            places: Arc::new(Semaphore::new(MOST_LISTENERS)),
        }
    }
}
