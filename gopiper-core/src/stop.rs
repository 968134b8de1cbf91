//! How a pipeline is told to end.
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::{
        AtomicBool, AtomicIsize,
        Ordering::{Relaxed, SeqCst},
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
    /// It is to end at once, whatever is left.
    aborted: AtomicBool,
    reason: Mutex<Option<StopReason>>,
    /// Becomes readable, for sources that wait in `poll`.
    event: OwnedFd,
    on_stop: Mutex<Vec<Hook>>,
}

type Hook = Box<dyn Fn() + Send>;

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Stop {
            requested: AtomicBool::new(false),
            done_up_to: AtomicIsize::new(-1),
            drained: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            reason: Mutex::new(None),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            on_stop: Mutex::new(Vec::new()),
        })
    }

    /// Has `hook` called when the pipeline stops; now, if it does already.
    pub(crate) fn on_stop(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = self.on_stop.lock();
        if self.is_requested() {
            drop(hooks);
            return hook();
        }
        hooks.push(Box::new(hook));
    }

    /// Ends the pipeline. The first reason counts, but for a failure: that is worse than all others.
    pub(crate) fn request(&self, reason: StopReason) {
        let mut first = self.reason.lock();
        let failed = |reason: &StopReason| matches!(reason, StopReason::Failed { .. });
        if first.as_ref().is_none_or(|first| failed(&reason) && !failed(first)) {
            *first = Some(reason);
        }
        drop(first);
        if self.requested.swap(true, SeqCst) {
            return;
        }
        // The counter of an eventfd has room for the one.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        let hooks = std::mem::take(&mut *self.on_stop.lock());
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
    pub(crate) fn abort(&self, reason: StopReason) {
        self.aborted.store(true, SeqCst);
        self.done_up_to.store(isize::MAX, SeqCst);
        self.request(reason);
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(SeqCst)
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
