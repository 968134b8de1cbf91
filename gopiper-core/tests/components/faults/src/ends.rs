//! Faults that end the process, or change it for all that share it.
#![allow(unsafe_code)]
use std::ffi::c_int;

use crate::breaks;

unsafe extern "C" {
    fn raise(signal: c_int) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
}

const SIGINT: c_int = 2;
const SIGILL: c_int = 4;
const SIGTERM: c_int = 15;
const IGNORED: usize = 1;

/// Reads where no memory is.
pub(crate) fn fault() {
    // SAFETY: none: the kernel answers with SIGSEGV, which is the purpose.
    std::hint::black_box(unsafe { std::ptr::without_provenance::<u64>(8).read_volatile() });
}

/// Makes signals that stop a program useless.
pub(crate) fn ignore_signals() {
    for number in [SIGINT, SIGTERM] {
        // SAFETY: it takes no function, only the number that means 'ignored'.
        unsafe { signal(number, IGNORED) };
    }
}

/// Runs when the file is opened.
extern "C" fn at_open() {
    if breaks::is("opening") {
        // SAFETY: it sends this thread a signal.
        unsafe { raise(SIGILL) };
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static AT_OPEN: extern "C" fn() = at_open;
