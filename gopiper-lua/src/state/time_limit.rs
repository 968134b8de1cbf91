//! A limit of time for each message of a Lua function, and for the run of a file.
//!
//! One thread of the process, the watch, looks after all of them. A function that is still at the
//! same message when its limit is past gets a hook that raises an error in it: until then this
//! costs nothing but a lock for each batch. LuaJIT is built so that compiled code heeds hooks
//! (`.cargo/config.toml`).
//!
//! LuaJIT allows a hook to be set by a signal handler on the state's own thread, and by no other
//! thread: so the watch sends that thread a signal.
#![allow(unsafe_code)]

use std::{
    cell::Cell,
    ffi::{CStr, c_int},
    fmt::Write,
    io,
    marker::PhantomData,
    mem, ptr,
    sync::{
        Arc, Once, Weak,
        atomic::{
            AtomicI32, AtomicU32,
            Ordering::{Relaxed, SeqCst},
            compiler_fence,
        },
    },
    thread,
    time::{Duration, Instant},
};

use mlua::{
    Lua,
    ffi::{
        LUA_MASKCOUNT, lua_Debug, lua_State, lua_error, lua_getinfo, lua_pushlstring, lua_sethook,
    },
};
use parking_lot::Mutex;
use signal_hook::low_level::register;

/// The text of the errors, after the place.
const FILE_RAN: &str = ": the file ran for more than ";
const FUNCTION_RAN: &str = ": the function ran for more than ";

/// Whether a text says that something was stopped at its limit.
pub(crate) fn says_stopped(text: &str) -> bool {
    text.contains(FILE_RAN) || text.contains(FUNCTION_RAN)
}

/// No place of a batch.
const NONE: u32 = u32::MAX;

/// Lua's name for the prelude, which goes over the messages.
const OWN: &CStr = c"=gopiper";

/// The progress that Lua reports, and the state that it reads.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Progress {
    /// The place of the message of the moment in its batch.
    at: AtomicU32,
    /// The limit is past: no error handler of the operator's may go on.
    stopped: AtomicI32,
    /// The place whose time is over.
    condemned: AtomicU32,
}

impl Progress {
    /// It begins with the message at a place.
    pub(crate) fn begin(&self, at: u32) {
        self.at.store(at, Relaxed);
        self.stopped.store(0, Relaxed);
    }

    /// The place of the message of the moment.
    pub(crate) fn at(&self) -> u32 {
        self.at.load(Relaxed)
    }

    /// Whether what runs was stopped, and must end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed) != 0
    }
}

/// The code under a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitedCode {
    File,
    Function,
}

/// Logs an error about calls that cannot be stopped; on the watch's thread.
pub(crate) type Complain = Box<dyn Fn(&str) + Send + Sync>;

/// The calls of one function, or the run of a file, as the watch sees them.
pub(crate) struct Limit {
    /// The file or the function, in words.
    subject: String,
    runs: LimitedCode,
    time: Duration,
    complain: Complain,
    running: Mutex<Option<RunningCall>>,
}

struct RunningCall {
    thread: libc::pthread_t,
    progress: *const Progress,
    /// The place that was seen last, and when first.
    seen: Option<(u32, Instant)>,
    /// Whether it was said that nothing stops it there.
    said: bool,
}

// SAFETY: the watch reads `progress` only under the lock, and `TimedCall::drop`, on the worker's
// thread, takes it away under it before it can go.
unsafe impl Send for RunningCall {}

/// A call, while it runs. It ends on the thread on which it began.
pub(crate) struct TimedCall<'a>(&'a Limit, PhantomData<*const ()>);

/// The call that runs on a thread: for the signal's handler and the hook, which run on that thread.
struct InterruptibleCall {
    /// Null while there is none. Set last, and cleared first: a handler may interrupt at any
    /// moment.
    lua: Cell<*mut lua_State>,
    progress: Cell<*const Progress>,
    limit: Cell<(LimitedCode, Duration)>,
}

thread_local! {
    static CURRENT: InterruptibleCall = const {
        InterruptibleCall {
            lua: Cell::new(ptr::null_mut()),
            progress: Cell::new(ptr::null()),
            limit: Cell::new((LimitedCode::File, Duration::ZERO)),
        }
    };
    /// Whether the signal can reach this thread.
    static HEARS: Cell<bool> = const { Cell::new(false) };
}

static WATCHED: Mutex<Vec<Weak<Limit>>> = Mutex::new(Vec::new());

impl Limit {
    pub(crate) fn new(
        subject: String,
        runs: LimitedCode,
        time: Duration,
        complain: Complain,
    ) -> Arc<Self> {
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            if let Err(error) = start_watch() {
                tracing::warn!(code = "no_time_limit", "Lua functions have no time limit: {error}");
            }
        });
        let running = Mutex::new(None);
        let limit = Arc::new(Limit { subject, runs, time, complain, running });
        let mut watched = WATCHED.lock();
        watched.retain(|one| one.strong_count() > 0);
        watched.push(Arc::downgrade(&limit));
        limit
    }

    /// The file or the function, in words.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// A call begins, on this thread. `progress` is where Lua says how far it is, and stays there.
    pub(crate) fn begin<'a>(&'a self, lua: &'a Lua, progress: &'a Progress) -> TimedCall<'a> {
        let mut state = ptr::null_mut();
        // SAFETY: the function only copies the pointer: it does nothing with Lua's stack.
        let done = unsafe { lua.exec_raw::<()>((), |lua| state = lua) };
        debug_assert!(done.is_ok(), "nothing is done");
        hear();
        progress.condemned.store(NONE, Relaxed);
        CURRENT.with(|current| {
            debug_assert!(current.lua.get().is_null(), "calls of a thread do not nest");
            current.progress.set(progress);
            current.limit.set((self.runs, self.time));
            compiler_fence(SeqCst);
            current.lua.set(state);
        });
        // SAFETY: `pthread_self` has no condition.
        let thread = unsafe { libc::pthread_self() };
        *self.running.lock() = Some(RunningCall { thread, progress, seen: None, said: false });
        TimedCall(self, PhantomData)
    }

    fn look(&self) {
        let mut running = self.running.lock();
        let Some(RunningCall { thread, progress, seen, said }) = &mut *running else { return };
        // SAFETY: while there is a RunningCall, whose lock this thread has, `TimedCall` borrows the
        // progress (`begin`), which is atomic.
        let at = unsafe { (**progress).at.load(Relaxed) };
        match seen {
            Some((place, since)) if *place == at => {
                if since.elapsed() >= 2 * self.time + Duration::from_secs(1) && !*said {
                    *said = true;
                    (self.complain)(&format!(
                        "{} has run for {:.1} s and cannot be interrupted: it is in a single call \
                         of Lua's own library (such as a pattern) or in a finalizer",
                        self.subject,
                        since.elapsed().as_secs_f64()
                    ));
                }
                if since.elapsed() >= self.time {
                    // SAFETY: while there is a RunningCall, whose lock this thread has, `TimedCall`
                    // borrows the progress; and its thread has not ended, for it is dropped there.
                    let error = unsafe {
                        (**progress).condemned.store(at, Relaxed);
                        libc::pthread_kill(*thread, interruption())
                    };
                    if error != 0 && !*said {
                        *said = true;
                        let error = io::Error::from_raw_os_error(error);
                        (self.complain)(&format!(
                            "{} cannot be interrupted yet: {error}",
                            self.subject
                        ));
                    }
                }
            }
            _ => (*seen, *said) = (Some((at, Instant::now())), false),
        }
    }
}

impl Drop for TimedCall<'_> {
    fn drop(&mut self) {
        // No signal is sent from here on; one may be on its way.
        *self.0.running.lock() = None;
        let lua = CURRENT.with(|current| current.lua.replace(ptr::null_mut()));
        compiler_fence(SeqCst);
        if !lua.is_null() {
            // The hook may have been set just when the call ended.
            // SAFETY: `Limit::begin` borrowed the state until now, and no handler sets a hook any
            // more.
            unsafe { lua_sethook(lua, None, 0, 0) };
        }
    }
}

/// The signal that tells a thread to look at its call: a real-time one, which no system component
/// sends.
fn interruption() -> c_int {
    libc::SIGRTMIN() + 9
}

/// Lets the signal reach this thread, whatever the program was started with.
fn hear() {
    if HEARS.replace(true) {
        return;
    }
    // SAFETY: `signals` is initialised by `sigemptyset` before it is read; nothing else is changed
    // than this thread's mask.
    unsafe {
        let mut signals = mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, interruption());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &signals, ptr::null_mut());
    }
}

/// The signal's handler: the call of this thread has been at one message for too long.
fn interrupt() {
    CURRENT.with(|current| {
        let lua = current.lua.get();
        if !lua.is_null() {
            // SAFETY: the call runs, so its state is there. This is a signal handler on the state's
            // own thread, from which LuaJIT allows this one function to be called.
            unsafe { lua_sethook(lua, Some(stop), LUA_MASKCOUNT, 1) };
        }
    });
}

fn start_watch() -> io::Result<()> {
    // SAFETY: the handler reads cells of this thread and calls `lua_sethook`: it takes no lock, and
    // allocates nothing.
    unsafe { register(interruption(), interrupt)? };
    thread::Builder::new().name("gopiper-limits".into()).spawn(watch)?;
    Ok(())
}

fn watch() {
    loop {
        let limits: Vec<_> = WATCHED.lock().iter().filter_map(Weak::upgrade).collect();
        limits.iter().for_each(|limit| limit.look());
        let shortest = limits.iter().map(|limit| limit.time / 8).min();
        drop(limits);
        let pause = shortest.unwrap_or(Duration::from_secs(1));
        thread::sleep(pause.clamp(Duration::from_millis(1), Duration::from_millis(250)));
    }
}

/// Raises the error, in the operator's code.
unsafe extern "C-unwind" fn stop(lua: *mut lua_State, at: *mut lua_Debug) {
    // Nothing that is to be dropped may live when `lua_error` leaves.
    let mut text = Text { bytes: [0; 256], len: 0 };
    // SAFETY: Lua calls it on the worker's thread, with what it wants a hook to have.
    unsafe {
        let (progress, (runs, limit)) =
            CURRENT.with(|current| (current.progress.get(), current.limit.get()));
        let late = progress
            .as_ref()
            .filter(|progress| progress.at.load(Relaxed) == progress.condemned.load(Relaxed));
        let Some(progress) = late else {
            // It was just in time.
            lua_sethook(lua, None, 0, 0);
            return;
        };
        lua_getinfo(lua, c"Sl".as_ptr(), at);
        if CStr::from_ptr((*at).source) == OWN {
            // There may be no caller that catches the error: the hook stays until something else
            // runs.
            return;
        }
        lua_sethook(lua, None, 0, 0);
        progress.stopped.store(1, Relaxed);
        let source = CStr::from_ptr((*at).short_src.as_ptr()).to_str().unwrap_or("?");
        let line = (*at).currentline as c_int;
        let seconds = limit.as_secs_f64();
        let _ = match runs {
            LimitedCode::File => {
                write!(text, "{source}:{line}{FILE_RAN}{seconds} s (an endless loop?)")
            }
            LimitedCode::Function => {
                write!(text, "{source}:{line}{FUNCTION_RAN}{seconds} s (timeout)")
            }
        };
        lua_pushlstring(lua, text.bytes.as_ptr().cast(), text.len);
        lua_error(lua);
    }
}

struct Text {
    bytes: [u8; 256],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = &mut self.bytes[self.len..];
        let len = text.len().min(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}
