//! Which of a pipeline's threads are at work.
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use gopiper_abi::Kind;

use crate::{base::clock::Clock, channel::wake::Wake, stage::stop::HearsStop};

/// Counts the workers of a pipeline. Threads are not joined: one may be stuck forever, while
/// another one works in its place.
pub(crate) struct Attendance {
    sources: AtomicUsize,
    others: AtomicUsize,
    /// Wakes threads that wait for the end.
    pub(crate) wake: Wake,
}

impl HearsStop for Attendance {
    fn stop_requested(&self) {
        self.wake.nudge();
    }
}

impl Attendance {
    pub(crate) fn new(clock: Clock) -> Self {
        let (sources, others) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Attendance { sources, others, wake: Wake::new(clock) }
    }

    fn of(&self, kind: Kind) -> &AtomicUsize {
        if kind == Kind::SOURCE { &self.sources } else { &self.others }
    }

    pub(crate) fn enter(&self, kind: Kind) {
        self.of(kind).fetch_add(1, SeqCst);
    }

    pub(crate) fn leave(&self, kind: Kind) {
        self.of(kind).fetch_sub(1, SeqCst);
        self.wake.nudge();
    }

    /// Whether all workers except those of sources have gone.
    pub(crate) fn others_gone(&self) -> bool {
        self.others.load(SeqCst) == 0
    }

    pub(crate) fn all_gone(&self) -> bool {
        self.others_gone() && self.sources.load(SeqCst) == 0
    }
}
