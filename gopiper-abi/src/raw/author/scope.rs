//! On whose behalf a thread runs a component's code: `log` and `tracing` go to that host.
use std::ptr;

use crate::raw::{Host, Level, Panicked, delivery::threads_host::ThreadsHost, fence};

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
        struct Restore(ThreadsHost);
        impl Drop for Restore {
            fn drop(&mut self) {
                self.0.enter();
            }
        }
        // SAFETY: `self` outlives the scope, at whose end `Restore` puts the host before in its
        // place, and `self` is the `Host` that `unsent` wants.
        let host = unsafe { ThreadsHost::new(ptr::from_ref(self).cast(), unsent) };
        let _restore = Restore(host.enter());
        f()
    }
}

/// The host on whose behalf this thread runs a component's code just now, if it does.
pub(crate) fn with_current_host<T>(f: impl FnOnce(Option<&Host>) -> T) -> T {
    // SAFETY: the pointer is null or was set by `scope` from a `&Host`, which lives as long as it
    // is set; `f` runs within that time.
    f(unsafe { ThreadsHost::current().host.cast::<Host>().as_ref() })
}

/// Logs a panic that no caller and no report carries. `when`: as in "when dropped".
#[cold]
pub(in crate::raw) fn log_panic(host: &Host, when: &str, panicked: &Panicked) {
    host.log(Level::ERROR, module_path!(), &format!("{when}, it {panicked}"));
}

/// The same, for the host on whose behalf this thread runs.
#[cold]
pub(in crate::raw) fn log_panic_here(when: &str, panicked: &Panicked) {
    with_current_host(|host| {
        if let Some(host) = host {
            log_panic(host, when, panicked);
        }
    });
}

/// # Safety
/// `host` is a `Host`.
unsafe fn unsent(host: *const (), count: u32) {
    // SAFETY: `host` is a `Host` that is alive (`# Safety`).
    unsafe { (*host.cast::<Host>()).unsent(count) }
}
