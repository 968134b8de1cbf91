//! The process, which the program shares with its components: a component may end it, by a fatal
//! signal or by `exit`, or take its signal handlers. Each of these is reported.
#![allow(unsafe_code)]

use std::{
    array,
    ffi::c_int,
    fmt::{self, Write as _},
    fs, io, mem,
    path::PathBuf,
    process, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use gopiper_abi::raw::write_position_here;
use gopiper_core::at_work;
use libc::{
    SA_ONSTACK, SA_SIGINFO, SIG_DFL, SIGABRT, SIGBUS, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGPIPE,
    SIGSEGV, SIGTERM, SIGXCPU, SIGXFSZ, c_void, sigaction, siginfo_t,
};
use parking_lot::Mutex;
use rustix::{io::write, process::getpid, stdio::stderr};
use tracing::warn;

use crate::command::process::exit;

type Signal = (c_int, &'static str);

/// The signals that end the process because of a fault.
const FATAL: [Signal; 5] = [
    (SIGSEGV, "SIGSEGV"),
    (SIGBUS, "SIGBUS"),
    (SIGILL, "SIGILL"),
    (SIGFPE, "SIGFPE"),
    (SIGABRT, "SIGABRT"),
];

/// The place of SIGABRT among them.
const ABORT: usize = 4;
const _: () = assert!(FATAL[ABORT].0 == SIGABRT);

/// The signals on whose handling a run depends.
const OURS: [Signal; 6] = [
    (SIGINT, "SIGINT"),
    (SIGTERM, "SIGTERM"),
    (SIGHUP, "SIGHUP"),
    (SIGXCPU, "SIGXCPU"),
    (SIGXFSZ, "SIGXFSZ"),
    (SIGPIPE, "SIGPIPE"),
];

/// The handlers before ours: Rust's standard library has one that reports an overflow of a stack.
static BEFORE: OnceLock<[sigaction; 5]> = OnceLock::new();
static KEPT: OnceLock<[sigaction; 6]> = OnceLock::new();
/// The program itself ends.
static ENDING: AtomicBool = AtomicBool::new(false);
/// The file that [`end`] removes.
static TO_REMOVE: Mutex<Option<PathBuf>> = Mutex::new(None);
/// The number of this process: one that a component forks has another.
static PROCESS: OnceLock<i32> = OnceLock::new();

/// From now on, the end of the process by a component is reported.
///
/// # Errors
/// The system refuses a handler.
pub(crate) fn report_ends() -> io::Result<()> {
    PROCESS.get_or_init(|| getpid().as_raw_pid());
    BEFORE.get_or_init(|| array::from_fn(|at| handler(FATAL[at].0)));
    for (signal, _) in FATAL {
        let on_fatal: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_fatal;
        // An overflow of a stack leaves no room on it: each thread of Rust has another one.
        set(signal, on_fatal as usize, SA_SIGINFO | SA_ONSTACK)?;
    }
    // SAFETY: `at_exit` is a function without arguments that does not unwind.
    match unsafe { libc::atexit(at_exit) } {
        0 => Ok(()),
        _ => Err(io::Error::other("no room for a function at the end of the process")),
    }
}

/// From now on, a component that changes the handlers of signals as it starts has no effect: the
/// present ones are put back.
pub(crate) fn keep_handlers() {
    KEPT.get_or_init(|| array::from_fn(|at| handler(OURS[at].0)));
    at_work::after_first_code(put_back);
}

/// Removes this file when [`end`] ends the program.
pub(crate) fn remove_at_end(file: PathBuf) {
    *TO_REMOVE.lock() = Some(file);
}

/// Ends the program; no component has done so.
pub(crate) fn end(code: u8) -> ! {
    drop(OwnEnd);
    if let Some(Some(file)) = TO_REMOVE.try_lock().as_deref() {
        let _ = fs::remove_file(file);
    }
    process::exit(i32::from(code))
}

/// Dropped when the program is about to end, and no component has ended it.
pub(crate) struct OwnEnd;

impl Drop for OwnEnd {
    fn drop(&mut self) {
        ENDING.store(true, SeqCst);
    }
}

fn put_back(component: &str) {
    let Some(kept) = KEPT.get() else { return };
    let mut changed = Vec::new();
    for ((signal, name), kept) in OURS.iter().zip(kept) {
        let now = handler(*signal);
        if (now.sa_sigaction, now.sa_flags) != (kept.sa_sigaction, kept.sa_flags) {
            changed.push(*name);
            restore(*signal, kept);
        }
    }
    if !changed.is_empty() {
        let changed = changed.join(", ");
        // Others start at the same time: it may have been one of them.
        warn!(
            code = "signal_handler_changed",
            "the handling of {changed} has changed while {component} started: gopiper's is back"
        );
    }
}

extern "C" fn at_exit() {
    if ENDING.load(SeqCst) || PROCESS.get() != Some(&getpid().as_raw_pid()) {
        return;
    }
    say(&["gopiper: ", whose(), " ended the process by exit: messages under way are unprocessed"]);
    say_message();
    // SAFETY: it ends the process without running anything more of it.
    unsafe { libc::_exit(i32::from(exit::ENDED)) }
}

/// Runs on the thread of the fault, anywhere in its code: it takes no lock and no memory.
extern "C" fn on_fatal(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    static SAID: AtomicBool = AtomicBool::new(false);
    let place = FATAL.iter().position(|(fatal, _)| *fatal == signal).unwrap_or(0);
    // SAFETY: the kernel gives a handler with SA_SIGINFO what is known of its signal, of one that
    // was sent also the sender.
    let (was_sent, sender) = unsafe { ((*info).si_code <= 0, (*info).si_pid()) };
    // The handler below may end the process by another signal.
    if !SAID.swap(true, SeqCst) {
        if was_sent && PROCESS.get() != Some(&sender) {
            say_sender(FATAL[place].1, sender);
        } else {
            say(&["gopiper: ", FATAL[place].1, " in ", whose(), ": it ends the process"]);
            // On a line of its own: memory that the component has overwritten may be another fault.
            say_message();
        }
    }
    match BEFORE.get() {
        // The fault happens again as soon as this returns. Rust's handler of an overflow then
        // aborts: its small stack has no room for a second signal's handler.
        Some(before) if !was_sent => {
            restore(signal, &before[place]);
            restore(SIGABRT, &before[ABORT]);
        }
        _ => {
            let _ = set(signal, SIG_DFL, 0);
            // SAFETY: it sends this thread the signal, which comes when this handler has returned.
            unsafe { libc::raise(signal) };
        }
    }
}

fn whose() -> &'static str {
    at_work::current().unwrap_or("a thread that is not a worker's")
}

/// Writes the parts as one line.
fn say(parts: &[&str]) {
    let mut line = FixedLine::EMPTY;
    parts.iter().for_each(|part| line.push(part));
    line.show();
}

/// Writes that another process has sent the signal.
fn say_sender(signal: &str, sender: i32) {
    let mut line = FixedLine::EMPTY;
    let _ = write!(line, "gopiper: {signal}, sent by process {sender}: it ends the process");
    line.show();
}

/// Writes the position of the message at work, if it is known.
fn say_message() {
    let mut line = FixedLine::EMPTY;
    line.push("gopiper: position of the message: ");
    let empty = line.length;
    let _ = write_position_here(&mut line);
    if line.length > empty {
        line.show();
    }
}

/// A line in memory of its own, for a signal handler. Cut off where it is too long.
struct FixedLine {
    bytes: [u8; 512],
    length: usize,
}

impl FixedLine {
    const EMPTY: Self = FixedLine { bytes: [0; 512], length: 0 };

    fn push(&mut self, text: &str) {
        // One byte is for the end of the line.
        for byte in text.bytes().take(self.bytes.len() - 1 - self.length) {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
    }

    fn show(mut self) {
        self.bytes[self.length] = b'\n';
        let _ = write(stderr(), &self.bytes[..=self.length]);
    }
}

impl fmt::Write for FixedLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// The present handling of a signal.
fn handler(signal: c_int) -> sigaction {
    // SAFETY: zeros are a `sigaction`: the default, with an empty mask.
    let mut now: sigaction = unsafe { mem::zeroed() };
    // SAFETY: it writes the handling to `now`, which is alive, and changes nothing.
    unsafe { sigaction(signal, ptr::null(), &raw mut now) };
    now
}

fn set(signal: c_int, handler: usize, flags: c_int) -> io::Result<()> {
    // SAFETY: zeros are a `sigaction`: the default, with an empty mask.
    let mut new: sigaction = unsafe { mem::zeroed() };
    (new.sa_sigaction, new.sa_flags) = (handler, flags);
    // SAFETY: `new` is alive, and its handler is the default or `on_fatal`, which fits its flags.
    match unsafe { sigaction(signal, &raw const new, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn restore(signal: c_int, kept: &sigaction) {
    // SAFETY: `kept` is what the system gave for this signal, and its handler is still there: it is
    // the program's, the standard library's, or that of a library, which is never unloaded.
    unsafe { sigaction(signal, ptr::from_ref(kept), ptr::null_mut()) };
}
