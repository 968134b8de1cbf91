//! The log of all pipelines, to a function of the program's.
use std::{
    ffi::{c_char, c_void},
    io::{self, Write},
};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    filter::Targets, fmt, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::text;

/// Is given a line of the log, without its end. `level` is 1 for an error, 2 for a warning, 3, 4
/// and 5 for what matters less and less. `line` is valid for the call. Called on any thread,
/// several at once.
pub type gopiper_log_function =
    Option<unsafe extern "C" fn(context: *mut c_void, level: u32, line: *const c_char)>;

/// Has the log of all pipelines written by `write`, which gets `context`: the messages of the
/// pipelines and their components, beside the errors of the functions here. `filter` selects the
/// messages to write ("warn", "info", "debug", as the environment variable GOPIPER_LOG); NULL is
/// "warn". Once, before the first pipeline; false if it was called before, or the filter cannot be
/// read. Without it nothing is logged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_log_to(
    write: gopiper_log_function,
    context: *mut c_void,
    filter: *const c_char,
) -> bool {
    let Some(write) = write else { return false };
    // SAFETY: `filter` is NULL, or a text that C keeps for the call (the header).
    let filter = unsafe { text::text(filter) };
    let Ok(filter) = filter.as_deref().unwrap_or("warn").parse::<Targets>() else { return false };
    let lines = fmt::layer().without_time().with_level(false).with_target(false).with_ansi(false);
    let lines = lines.with_writer(LogLines { write, context });
    tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok()
}

struct LogLines {
    write: unsafe extern "C" fn(*mut c_void, u32, *const c_char),
    context: *mut c_void,
}

// SAFETY: the program's function may be called on any thread, with its context (the header).
unsafe impl Send for LogLines {}
// SAFETY: the program's function may be called on several threads at once (the header).
unsafe impl Sync for LogLines {}

struct Line<'l>(&'l LogLines, u32);

impl<'l> MakeWriter<'l> for LogLines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line(self, 1)
    }

    fn make_writer_for(&'l self, about: &Metadata<'_>) -> Line<'l> {
        let level = match *about.level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG => 4,
            Level::TRACE => 5,
        };
        Line(self, level)
    }
}

impl Write for Line<'_> {
    /// Is given a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Line(LogLines { write, context }, level) = self;
        let text = text::for_c(String::from_utf8_lossy(line).trim_end());
        // SAFETY: the program gave this function and its context for as long as the process lives,
        // and the text, which ends with a NUL, is there for the call (the header).
        unsafe { write(*context, *level, text.as_ptr()) }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
