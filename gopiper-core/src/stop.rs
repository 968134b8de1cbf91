//! How a pipeline is told to end.
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicIsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

/// Why a pipeline ends before its sources do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it (a signal, [`Running::stop`](crate::Running::stop)).
    Requested,
    /// A component has no use for more messages (a reader has gone).
    Finished {
        /// The component.
        component: String,
    },
    /// A component has failed.
    Failed {
        /// The component.
        component: String,
        /// What it said.
        error: String,
    },
}

/// The stop of one pipeline: asked for once, the first reason counts.
pub(crate) struct Stop {
    requested: AtomicBool,
    /// The last stage whose component has no use for more: what comes to it or those before it is
    /// returned. -1 for none; stages are counted from the source, 0.
    done_up_to: AtomicIsize,
    /// All but the sources have ended.
    drained: AtomicBool,
    /// It is to end at once: what was left then, by component.
    aborted: Mutex<Option<Vec<(String, u64)>>>,
    reason: Mutex<Option<StopReason>>,
    /// Becomes readable, for sources that wait in `poll`.
    event: OwnedFd,
    on_stop: Mutex<Vec<Hook>>,
}

type Hook = Arc<dyn Fn() + Send + Sync>;

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Stop {
            requested: AtomicBool::new(false),
            done_up_to: AtomicIsize::new(-1),
            drained: AtomicBool::new(false),
            aborted: Mutex::new(None),
            reason: Mutex::new(None),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            on_stop: Mutex::new(Vec::new()),
        })
    }

    /// Has `hook` called whenever a stop is asked for; now, if one was already.
    pub(crate) fn on_stop(&self, hook: impl Fn() + Send + Sync + 'static) {
        let hook: Hook = Arc::new(hook);
        self.on_stop.lock().push(hook.clone());
        if self.is_requested() {
            hook();
        }
    }

    /// Ends the pipeline. The first reason counts, but for a failure: that is worse than all others.
    pub(crate) fn request(&self, reason: StopReason) {
        let mut first = self.reason.lock();
        let failed = |reason: &StopReason| matches!(reason, StopReason::Failed { .. });
        if first.as_ref().is_none_or(|first| failed(&reason) && !failed(first)) {
            *first = Some(reason);
        }
        drop(first);
        if !self.requested.swap(true, SeqCst) {
            // The counter of an eventfd has room for the one.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
        // Also for a later one: that may be the first which has no use for what is left.
        let hooks = self.on_stop.lock().clone();
        hooks.iter().for_each(|hook| hook());
    }

    /// Nobody from stage `position` on, back to the source, has use for more messages.
    pub(crate) fn done_up_to(&self, position: usize) {
        self.done_up_to.fetch_max(position as isize, SeqCst);
    }

    /// Whether what comes to stage `position` is only returned.
    pub(crate) fn is_done_with(&self, position: usize) -> bool {
        self.done_up_to.load(Relaxed) >= position as isize
    }

    pub(crate) fn drained(&self) {
        self.drained.store(true, SeqCst);
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.drained.load(SeqCst)
    }

    /// Ends it at once: what has not been settled goes back to its source.
    pub(crate) fn abort(&self, left: Vec<(String, u64)>) {
        self.aborted.lock().get_or_insert(left);
        self.done_up_to.store(isize::MAX, SeqCst);
        self.request(StopReason::Requested);
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.lock().is_some()
    }

    /// What was left when it was ended at once, by component.
    pub(crate) fn left(&self) -> Vec<(String, u64)> {
        self.aborted.lock().clone().unwrap_or_default()
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(SeqCst)
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.lock().clone()
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.event.as_raw_fd()
    }
}
