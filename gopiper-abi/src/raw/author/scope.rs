//! On whose behalf a thread runs a component's code: `log` and `tracing` go to that host.
use std::{cell::Cell, ptr};

use crate::raw::{Host, Panicked, fence};

thread_local! {
    static HOST: Cell<*const Host> = const { Cell::new(ptr::null()) };
}

/// Calls `f`, fenced, with `host` as the one that `log` and `tracing` reach.
#[inline]
pub(in crate::raw) fn within<T>(host: &Host, f: impl FnOnce() -> T) -> Result<T, Panicked> {
    fence(|| host.scope(f))
}

impl Host {
    /// Calls `f` with this host as the one that `log` and `tracing` reach from this thread: for
    /// threads of the author's own. Inside a component's calls it is so anyway.
    ///
    /// ```
    /// # fn example(postponed: gopiper_abi::Postponed) {
    /// let host = postponed.host().clone();
    /// std::thread::spawn(move || host.scope(|| log::info!("listening")));
    /// # }
    /// ```
    #[inline]
    pub fn scope<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Restore(*const Host);
        impl Drop for Restore {
            fn drop(&mut self) {
                HOST.set(self.0);
            }
        }
        let _restore = Restore(HOST.replace(self));
        f()
    }
}

/// The host on whose behalf this thread runs a component's code just now, if it does.
pub(crate) fn with_current_host<T>(f: impl FnOnce(Option<&Host>) -> T) -> T {
    // SAFETY: set by `scope` alone, for as long as its reference lives.
    f(unsafe { HOST.get().as_ref() })
}
