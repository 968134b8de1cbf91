//! The environment of the program: its standard descriptors, its stack, and how many files it may
//! open.
use std::{
    panic::resume_unwind,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, open},
    io::fcntl_getfd,
    process::{Resource, Rlimit, getrlimit, setrlimit},
    stdio::{dup2_stdin, dup2_stdout, stdin, stdout},
};
use tracing::debug;

use crate::command::process::exit::refuse;

/// Standard input and output were closed when the program began.
static CLOSED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

/// Before `main`: the standard library opens /dev/null in place of a closed standard descriptor, so
/// that no file gets its number. Output to it would be lost silently.
#[ctor::ctor(unsafe)]
fn see_what_is_closed() {
    CLOSED[0].store(fcntl_getfd(stdin()).is_err(), Relaxed);
    CLOSED[1].store(fcntl_getfd(stdout()).is_err(), Relaxed);
}

/// Replaces closed descriptors by ones that can neither be read nor written: using them is an
/// error, and no file gets their numbers. Standard error stays /dev/null.
pub(crate) fn keep_closed() {
    let unusable = || open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let put = [dup2_stdin::<OwnedFd>, dup2_stdout::<OwnedFd>];
    for (closed, put) in CLOSED.iter().zip(put) {
        if closed.load(Relaxed) {
            // If there is none, it stays /dev/null.
            let _ = unusable().and_then(put);
        }
    }
}

/// The stack that a pipeline's file needs (see [`gopiper_lua::load`]), and the default of most
/// systems.
const STACK: u64 = 8 << 20;

/// Runs the program on a stack that is large enough: this thread's, unless `ulimit -s` made it
/// smaller.
pub(crate) fn with_enough_stack(work: impl FnOnce() -> ExitCode + Send) -> ExitCode {
    if getrlimit(Resource::Stack).current.is_none_or(|limit| limit >= STACK) {
        return work();
    }
    let main = thread::Builder::new().name("gopiper-main".into()).stack_size(STACK as usize);
    thread::scope(|scope| match main.spawn_scoped(scope, work) {
        Ok(main) => main.join().unwrap_or_else(|panic| resume_unwind(panic)),
        Err(error) => refuse(&format_args!("cannot start its thread: {error}")),
    })
}

/// Many shells let a program open 1,024 files unless it asks for more: it may as many as the hard
/// limit says.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => debug!(from = limit.current, to = limit.maximum, "more files may be open"),
        Err(error) => debug!(from = limit.current, "cannot raise the limit of open files: {error}"),
    }
}
