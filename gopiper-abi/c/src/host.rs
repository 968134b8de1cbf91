//! The functions that a worker's callbacks call: log, clock, stop, and the words for a report.
use std::{
    ffi::c_char,
    ptr,
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};

use gopiper_abi::{HandledCallback, Level, Message, Postponed, Report};

use crate::{metric::KeptMetrics, text};

/// gopiper_log: something went wrong.
pub const GOPIPER_ERROR: u32 = 1;
/// gopiper_log: something looks wrong.
pub const GOPIPER_WARN: u32 = 2;
/// gopiper_log: what an operator may want to know.
pub const GOPIPER_INFO: u32 = 3;
/// gopiper_log: what a developer may want to know.
pub const GOPIPER_DEBUG: u32 = 4;
/// gopiper_log: everything.
pub const GOPIPER_TRACE: u32 = 5;

/// The host as one worker sees it. Valid until the worker's `destroy` has returned. Functions that
/// take it may be called on any thread, also one of your own, unless they say otherwise; end your
/// threads in `destroy` at the latest.
pub struct gopiper_host {
    pub(crate) postponed: Postponed,
    /// The call of `handle` that runs just now, if one does. Changed, and looked at, by the
    /// worker's thread alone; atomic for a thread of the author's that calls what it must not.
    pub(crate) call: AtomicPtr<HandleCall<'static>>,
    pub(crate) metrics: KeptMetrics,
}

/// One call of `handle`, on the stack of the worker's thread. The host leads to it for that time.
pub(crate) struct HandleCall<'b> {
    pub(crate) message: *mut Message,
    /// Taken by gopiper_keep.
    pub(crate) handled: Option<HandledCallback<'b>>,
    /// The text that gopiper_fail or gopiper_retry gave.
    pub(crate) description: Option<String>,
}

impl gopiper_host {
    pub(crate) fn new(postponed: Postponed) -> Self {
        gopiper_host { postponed, call: AtomicPtr::default(), metrics: KeptMetrics::default() }
    }

    /// The pointer for C. The value that it points to changes through shared references alone.
    pub(crate) fn as_c(&self) -> *mut Self {
        ptr::from_ref(self).cast_mut()
    }

    pub(crate) fn log(&self, level: u32, text: &str) {
        self.postponed.host().log(Level(level), text::component(), text);
    }
}

/// The host behind a pointer.
///
/// # Safety
/// C got it from a callback of this worker, and `destroy` has not returned.
pub(crate) unsafe fn host<'a>(host: *const gopiper_host) -> &'a gopiper_host {
    const fn by_threads<T: Sync>() {}
    const { by_threads::<gopiper_host>() }
    // SAFETY: the worker keeps the host in a box until `destroy` has returned, which it has not
    // (`# Safety`); what changes in it is atomic or behind a lock.
    unsafe { &*host }
}

/// Writes a line to the host's log. `level` is GOPIPER_ERROR … GOPIPER_TRACE; NULL is an empty
/// line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_log(host: *mut gopiper_host, level: u32, text: *const c_char) {
    // SAFETY: C got `host` from a callback of this worker, and `text` is NULL or a text that C
    // keeps for the call (the header).
    let (host, text) = unsafe { (self::host(host), text::text(text)) };
    if host.postponed.host().log_enabled(Level(level), text::component()) {
        host.log(level, &text);
    }
}

/// Nanoseconds since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_now(host: &gopiper_host) -> i64 {
    host.postponed.host().now()
}

/// Nanoseconds of a clock that never goes back: that of timers and deadlines.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_monotonic(host: &gopiper_host) -> i64 {
    host.postponed.host().monotonic()
}

/// Calls `timer` (of a source: `produce`) at that moment of gopiper_monotonic, once: 0 for at once.
/// A later call replaces the moment, INT64_MAX takes it back. Calls at other moments may come too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_wake_at(host: *mut gopiper_host, moment: i64) {
    // SAFETY: C got `host` from a callback of this worker, and uses it until `destroy` has returned
    // (the header).
    unsafe { self::host(host) }.postponed.host().wake_at(moment);
}

/// Whether the pipeline is ending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_is_stopping(host: &gopiper_host) -> bool {
    host.postponed.host().is_stopping()
}

/// A descriptor that becomes readable when the pipeline is ending, to be polled beside the
/// descriptors that a source waits for. Never read or close it. -1 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_stop_descriptor(host: &gopiper_host) -> i32 {
    use std::os::fd::AsRawFd;
    host.postponed.host().stop_descriptor().map_or(-1, |descriptor| descriptor.as_raw_fd())
}

/// Ends the pipeline: as failed with `error`; without an error if that is NULL, because no more of
/// its messages are wanted. Messages that this component does not finish from now on are returned
/// to their source.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_stop(host: *mut gopiper_host, error: *const c_char) {
    // SAFETY: C got `host` from a callback of this worker, and `error` is NULL or a text that C
    // keeps for the call (the header).
    let (host, text) = unsafe { (self::host(host).postponed.host(), text::text(error)) };
    if error.is_null() { host.finish() } else { host.fail(&text) }
}

/// `handle` returns what this returns when the same component is to get the message again, later.
/// `code` is your number for the reason, 0 to 99; `text` says why, is copied, and may be NULL. On
/// the worker's thread alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_retry(
    host: *mut gopiper_host,
    code: u8,
    text: *const c_char,
) -> i32 {
    // SAFETY: C got `host` from the call of `handle` that this worker's thread is in, and `text` is
    // NULL or a text that C keeps for the call (the header).
    unsafe { describe(host, text) };
    Report::retry(code, "").status()
}

/// `handle` returns what this returns when the message has failed and trying again would not help.
/// `code` is your number for the reason, 0 to 99; `text` says why, is copied, and may be NULL. On
/// the worker's thread alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_fail(
    host: *mut gopiper_host,
    code: u8,
    text: *const c_char,
) -> i32 {
    // SAFETY: C got `host` from the call of `handle` that this worker's thread is in, and `text` is
    // NULL or a text that C keeps for the call (the header).
    unsafe { describe(host, text) };
    Report::fail(code, "").status()
}

/// Notes why the call of `handle` that runs just now reports something else than Done.
///
/// # Safety
/// C got `host` from a callback of this worker, `text` is NULL or a text, and this is the worker's
/// thread.
unsafe fn describe(host: *const gopiper_host, text: *const c_char) {
    // SAFETY: `host` and `text` are valid for the call (`# Safety`). `call` is NULL, or leads to
    // the call on the stack of this thread, which has it until `handle` returns; nothing else
    // refers to it while C's code runs.
    unsafe {
        if let Some(call) = self::host(host).call.load(Relaxed).as_mut() {
            call.description = Some(text::text(text).into_owned());
        }
    }
}
