//! The callbacks that a component wants called when its pipeline stops.
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use crate::raw::{
    Host,
    author::scope::{log_panic, within},
    fence,
};

type Hook = Box<dyn Fn() + Send>;

/// The callbacks that a component wants called when its pipeline stops.
#[derive(Clone, Default)]
pub struct OnStop(Arc<Mutex<Hooks>>);

#[derive(Default)]
struct Hooks {
    stopped: bool,
    waiting: Vec<Hook>,
}

impl OnStop {
    /// Has something called when the pipeline stops, from any thread; now, if it has.
    pub fn call(&self, hook: impl Fn() + Send + 'static) {
        let mut hooks = self.lock();
        if !hooks.stopped {
            return hooks.waiting.push(Box::new(hook));
        }
        drop(hooks);
        hook();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Hooks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls all of them, also after one has panicked; none of them under the lock. What panics is
    /// logged.
    pub(in crate::raw) fn stop(&self, host: &Host) {
        let mut hooks = self.lock();
        hooks.stopped = true;
        let waiting = mem::take(&mut hooks.waiting);
        drop(hooks);
        for hook in waiting {
            if let Err(panicked) = within(host, hook) {
                log_panic(host, "when stopped", &panicked);
            }
        }
    }

    /// Drops the callbacks: they may hold a [`Host`], which holds this list.
    pub(in crate::raw) fn clear(&self) {
        let waiting = mem::take(&mut self.lock().waiting);
        let _ = fence(|| drop(waiting));
    }
}
