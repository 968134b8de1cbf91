//! The state of the process and its pipelines that all connections share.
use std::{sync::Arc, time::Instant};

use gopiper_core::observe::{PipelineReport, ProcessorTime};
use hyper::body::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore, watch};

use super::{readiness::Readiness, replays::Replays, served::Served};
use crate::command::process::signals::Stops;

/// The most taps and traces at a time, of all components.
pub(in crate::command::http) const MOST_TAPS: usize = 16;
/// The most clients that listen to events at a time.
pub(in crate::command::http) const MOST_LISTENERS: usize = 16;

/// The state that all connections share.
pub(in crate::command::http) struct Shared {
    pub(in crate::command::http) served: Served,
    pub(in crate::command::http) started: Instant,
    pub(in crate::command::http) stops: Stops,
    pub(in crate::command::http) readiness: Mutex<Readiness>,
    /// Places for taps and traces: each takes a connection.
    pub(in crate::command::http) taps: Arc<Semaphore>,
    pub(in crate::command::http) events: Events,
    /// Only one request at a time reads dead letters, because there may be many.
    pub(in crate::command::http) letters: Arc<Semaphore>,
    pub(in crate::command::http) replays: Replays,
}

impl Shared {
    pub(in crate::command::http) fn new(served: Served, stops: Stops) -> Self {
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
    pub(in crate::command::http) fn reports(
        &self,
        processor: &ProcessorTime,
    ) -> Vec<PipelineReport> {
        self.stops.controls().iter().map(|control| control.report(processor)).collect()
    }

    /// Records the progress in these reports. Returns the reasons why the pipelines are not ready,
    /// which are empty if they are ready, and the progress of each component.
    pub(in crate::command::http) fn not_ready(
        &self,
        reports: &[PipelineReport],
        now: Instant,
    ) -> (Vec<String>, MutexGuard<'_, Readiness>) {
        let mut readiness = self.readiness.lock();
        readiness.look(reports, now);
        (readiness.reasons(reports, now), readiness)
    }
}

/// The latest event, for all listening clients.
pub(in crate::command::http) struct Events {
    pub(in crate::command::http) latest: watch::Sender<Bytes>,
    /// Notified when a client begins to listen.
    pub(in crate::command::http) wanted: Notify,
    pub(in crate::command::http) places: Arc<Semaphore>,
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
