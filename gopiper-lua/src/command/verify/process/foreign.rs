//! The state of the process that belongs to no thread of Rust and to no file of `/proc`: signal
//! handlers, locale, the mode of floating-point arithmetic, and the C library's memory.
//!
//! Neither the standard library nor rustix can read these, so this is a place for unsafe code.
#![allow(unsafe_code)]

use std::{ffi::CStr, mem, ptr};

/// The handler and the flags of a signal; none where there is no such signal.
pub(crate) type Handler = Option<(usize, i32)>;

/// The handlers of all signals, from number 1 on.
pub(crate) fn handlers() -> Vec<Handler> {
    (1..=64).map(handler).collect()
}

fn handler(signal: i32) -> Handler {
    // SAFETY: all zero is a valid `sigaction`: it has integers, a set of bits and a pointer.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: without a new action it only reads, into a variable of ours.
    let read = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    (read == 0).then_some((action.sa_sigaction, action.sa_flags))
}

/// The name of the locale.
pub(crate) fn locale() -> String {
    // SAFETY: without a name it only reads. No other thread changes the locale here: the pipelines
    // of the test have ended, or are not there yet.
    let name = unsafe { libc::setlocale(libc::LC_ALL, ptr::null()) };
    if name.is_null() {
        return String::new();
    }
    // SAFETY: it is a text of the C library's that stays until the locale changes.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The control bits of this thread's floating-point unit: rounding, and the treatment of very small
/// numbers. On x86_64 those of SSE and of the x87.
pub(crate) fn float_mode() -> (u64, u64) {
    #[cfg(target_arch = "x86_64")]
    {
        let (mut sse, mut x87) = (0u32, 0u16);
        // SAFETY: both instructions only store a register into a variable of that size.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut sse, options(nostack));
            std::arch::asm!("fnstcw [{}]", in(reg) &raw mut x87, options(nostack));
        }
        // The lowest six bits record what has happened: they are not part of the mode.
        (u64::from(sse & !0x3f), u64::from(x87))
    }
    #[cfg(target_arch = "aarch64")]
    {
        let mode: u64;
        // SAFETY: it only reads a register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) mode, options(nomem, nostack)) };
        (mode, 0)
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    (0, 0)
}

/// Writes out what C code has left in the buffers of its streams.
pub(crate) fn flush_streams() {
    // SAFETY: without a stream it flushes all, under their locks.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Gives free memory back to the system, so that what remains is in use.
pub(crate) fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's locks, and touches free memory alone.
    unsafe {
        libc::malloc_trim(0);
    }
}
