//! The host on whose behalf a thread runs a component's code. This library has one copy in each
//! component: so a value dropped here belongs to the component whose code drops it.
use std::{cell::Cell, ptr};

/// A host, without its type: what a message is made of lies below it.
#[derive(Clone, Copy)]
pub(in crate::raw) struct ThreadsHost {
    /// Null while the thread runs no component's code.
    pub(in crate::raw) host: *const (),
    /// Takes that host, and how many messages were dropped unsent.
    unsent: unsafe fn(host: *const (), count: u32),
}

thread_local! {
    static HOST: Cell<ThreadsHost> = const { Cell::new(ThreadsHost::NONE) };
}

impl ThreadsHost {
    const NONE: Self = ThreadsHost { host: ptr::null(), unsent: |_, _| {} };

    /// # Safety
    /// `unsent` may be called with `host` for as long as this is the thread's.
    pub(in crate::raw) unsafe fn new(host: *const (), unsent: unsafe fn(*const (), u32)) -> Self {
        ThreadsHost { host, unsent }
    }

    /// The host of this thread.
    pub(in crate::raw) fn current() -> Self {
        HOST.get()
    }

    /// Becomes the host of this thread. Returns the one before.
    #[inline]
    pub(in crate::raw) fn enter(self) -> Self {
        HOST.replace(self)
    }

    /// Tells the host of this thread, if there is one, of messages that were dropped unsent.
    pub(in crate::raw) fn tell_unsent(count: u32) {
        let ThreadsHost { host, unsent } = HOST.get();
        // SAFETY: its maker promises that `unsent` may be called with `host` while this is the
        // thread's (`new`); the one without a host does nothing.
        unsafe { unsent(host, count) }
    }
}
