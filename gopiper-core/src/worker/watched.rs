//! A call under a limit of time, and what another thread needs to go on without it.
//!
//! A worker is what it has in hand: queue, retries, what it collects. With a `timeout`, the
//! component gets copies of a batch's messages, whose deliveries belong to a guard
//! (`raw/host/lent.rs`), and the worker itself lies in a [`Watched`] while the call runs. The
//! watchdog sees that a call is still the same, takes the worker out, and starts a thread that goes
//! on as this worker (`take_over.rs`). A call begins without a look at the clock: the watchdog sees
//! it twice. Without a `timeout` none of this costs anything.
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use parking_lot::Mutex;

/// Holds everything that belongs to a call while it runs. The thread that takes it out continues
/// with it: the thread that called, when the call has ended; another one, when it has taken too
/// long.
pub(crate) struct Watched<T> {
    call: Mutex<WatchedCall<T>>,
    /// How many calls there were, to know one again.
    calls: AtomicU64,
}

enum WatchedCall<T> {
    None,
    Running(T),
    /// The call is still running, but no thread waits for it, nor for so many reports.
    GivenUp(u32),
}

impl<T> Watched<T> {
    pub(crate) fn new() -> Self {
        Watched { call: Mutex::new(WatchedCall::None), calls: AtomicU64::new(0) }
    }

    /// A call begins.
    pub(crate) fn begin(&self, with: T) {
        let mut call = self.call.lock();
        self.calls.fetch_add(1, SeqCst);
        *call = WatchedCall::Running(with);
    }

    /// It has ended. Returns everything that belongs to it, or, if it was abandoned, how many
    /// reports no thread waits for.
    pub(crate) fn end(&self) -> Result<T, u32> {
        match std::mem::replace(&mut *self.call.lock(), WatchedCall::None) {
            WatchedCall::Running(with) => Ok(with),
            WatchedCall::GivenUp(at) => Err(at),
            WatchedCall::None => unreachable!("a call ends that has begun"),
        }
    }

    /// The number of the call that is running, if one is.
    pub(crate) fn running(&self) -> Option<u64> {
        let call = self.call.lock();
        matches!(*call, WatchedCall::Running(_)).then(|| self.calls.load(SeqCst))
    }

    /// Continues without call number `number`, if that is still running: `take_over` says how many
    /// reports no thread waits for any more. The call cannot end meanwhile.
    pub(crate) fn give_up<R>(
        &self,
        number: u64,
        take_over: impl FnOnce(T) -> (u32, R),
    ) -> Option<R> {
        let mut call = self.call.lock();
        if self.calls.load(SeqCst) != number || !matches!(*call, WatchedCall::Running(_)) {
            return None;
        }
        let WatchedCall::Running(with) = std::mem::replace(&mut *call, WatchedCall::None) else {
            return None;
        };
        let (at, taken) = take_over(with);
        *call = WatchedCall::GivenUp(at);
        Some(taken)
    }
}
