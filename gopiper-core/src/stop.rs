//! How a pipeline is told to end.
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use gopiper_abi::raw::client::Stopper;
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
            reason: Mutex::new(None),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            on_stop: Mutex::new(Vec::new()),
        })
    }

    /// Has a component stopped when the pipeline is; now, if it is already.
    pub(crate) fn register(&self, stopper: Stopper) {
        self.on_stop(move || stopper.stop());
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

    pub(crate) fn request(&self, reason: StopReason) {
        self.reason.lock().get_or_insert(reason);
        if self.requested.swap(true, SeqCst) {
            return;
        }
        // The counter of an eventfd has room for the one.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        let hooks = std::mem::take(&mut *self.on_stop.lock());
        hooks.iter().for_each(|hook| hook());
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
