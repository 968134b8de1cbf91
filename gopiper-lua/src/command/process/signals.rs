//! The effects of signals on the program.
use std::{
    fs::File,
    io::{self, Read},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use gopiper_core::Control;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ},
    flag,
    iterator::Signals,
};
use tracing::{error, info, warn};

use crate::command::{process::exit, process::shared_process};

/// Equal signals that come within this time are one request: `timeout` signals its command and then
/// the process group, a terminal and a wrapper both pass on the same interrupt.
const ONE_REQUEST: Duration = Duration::from_millis(100);

/// How long a component may still be starting after a signal.
const STUCK_START: Duration = Duration::from_secs(2);

/// Keeps signals from ending the program that mean nothing to it. A write past the limit of file
/// sizes (SIGXFSZ) then fails like one to a full disk.
///
/// # Errors
/// The system refuses a handler.
pub(crate) fn ignore_harmless() -> io::Result<()> {
    for signal in [SIGXFSZ, SIGUSR1, SIGUSR2] {
        flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// The phase of the pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Running,
    Stopping,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Stopping => "stopping",
        }
    }
}

/// The signals that stop pipelines, for as long as the program runs.
#[derive(Clone)]
pub(crate) struct Stops(Arc<Mutex<StopsState>>);

#[derive(Default)]
struct StopsState {
    /// The pipelines that are starting or at work; `None` before the first ones.
    controls: Option<Vec<Control>>,
    /// All of them have started.
    has_started: bool,
    is_stopping: bool,
    /// Called with the pipelines when they have ended, before they are released.
    at_end: Option<ControlsLook>,
    /// Called with the pipelines before they produce anything.
    at_begin: Option<ControlsLook>,
}

type ControlsLook = Arc<dyn Fn(&[Control]) + Send + Sync>;

impl Stops {
    /// Listens from now on, on a thread of its own.
    ///
    /// # Errors
    /// The system refuses a handler, or a thread.
    pub(crate) fn listen() -> io::Result<Self> {
        let stops = Stops(Arc::default());
        let watcher = stops.clone();
        let mut all = vec![SIGINT, SIGTERM, SIGXCPU];
        // An operator who started the program with nohup wants it to outlive the terminal.
        if !is_ignored(SIGHUP) {
            all.push(SIGHUP);
        }
        let signals = Signals::new(all)?;
        shared_process::keep_handlers();
        thread::Builder::new()
            .name("gopiper-signals".into())
            .spawn(move || watcher.watch(signals))?;
        Ok(stops)
    }

    /// These are what signals stop from now on; they are stopped now if a signal has come already.
    pub(crate) fn set(&self, controls: Vec<Control>) {
        let at_begin = self.lock().at_begin.clone();
        if let Some(look) = at_begin {
            look(&controls);
        }
        let mut state = self.lock();
        if state.is_stopping {
            controls.iter().for_each(Control::stop);
        }
        state.has_started = false;
        state.controls = Some(controls);
    }

    /// They have started.
    pub(crate) fn started(&self) {
        self.lock().has_started = true;
    }

    /// Calls `look` with the pipelines each time, before they produce anything.
    pub(crate) fn when_they_begin(&self, look: impl Fn(&[Control]) + Send + Sync + 'static) {
        self.lock().at_begin = Some(Arc::new(look));
    }

    /// Calls `look` with the pipelines each time that they have ended, before they are released.
    pub(crate) fn when_they_end(&self, look: impl Fn(&[Control]) + Send + Sync + 'static) {
        self.lock().at_end = Some(Arc::new(look));
    }

    /// They have ended. Others may follow: a signal until then does not end the program.
    pub(crate) fn clear(&self) {
        let at_end = self.lock().at_end.clone();
        if let Some(look) = at_end {
            look(&self.controls());
        }
        self.set(Vec::new());
    }

    /// All pipelines have ended, and none will follow: signals have nothing to stop any more.
    pub(crate) fn over(&self) {
        let mut state = self.lock();
        (state.has_started, state.is_stopping) = (true, true);
    }

    /// Whether a signal has come: nothing more is to be started.
    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    fn lock(&self) -> MutexGuard<'_, StopsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The phase of the pipelines.
    pub(crate) fn phase(&self) -> Phase {
        let state = self.lock();
        match (state.is_stopping, state.has_started) {
            (true, _) => Phase::Stopping,
            (false, false) => Phase::Starting,
            (false, true) => Phase::Running,
        }
    }

    /// The pipelines that are starting or at work.
    pub(crate) fn controls(&self) -> Vec<Control> {
        self.lock().controls.clone().unwrap_or_default()
    }

    /// The first signal drains, the second TERM or INT ends the pipelines at once, and a third one
    /// the program.
    fn watch(&self, mut signals: Signals) {
        let mut requests = Requests::default();
        for signal in signals.forever() {
            // These often come with others (a service manager sends TERM and HUP together, in no
            // order), so they do not count as a second request.
            if matches!(signal, SIGHUP | SIGXCPU) {
                self.drain();
                continue;
            }
            match requests.add(signal, Instant::now()) {
                None => {}
                Some(1) => self.drain(),
                Some(2) => {
                    warn!(
                        code = "ending_at_once",
                        "ending at once: the remaining messages are returned to their sources"
                    );
                    let controls = self.controls();
                    on_a_thread(move || controls.iter().for_each(Control::abort));
                }
                _ => shared_process::end(exit::FAILED),
            }
        }
    }

    fn drain(&self) {
        let mut state = self.lock();
        if mem::replace(&mut state.is_stopping, true) {
            return;
        }
        if state.controls.is_none() {
            // The lock is held: nothing starts meanwhile.
            info!("stopped before anything had started");
            shared_process::end(0);
        }
        drop(state);
        warn!(
            code = "stopping",
            "stopping: the sources stop, the rest drains; a second signal ends at once"
        );
        // On a thread of its own: what components do when they are stopped must not keep the second
        // signal from being heard.
        let stops = self.clone();
        on_a_thread(move || {
            stops.controls().iter().for_each(Control::stop);
            stops.end_a_stuck_start();
        });
    }

    /// Ends the program if a component does not come back from its start: nothing was read then.
    fn end_a_stuck_start(&self) {
        let until = Instant::now() + STUCK_START;
        loop {
            let state = self.lock();
            if state.has_started {
                return;
            }
            if Instant::now() >= until {
                error!(code = "stuck_start", "stopped before everything had started");
                shared_process::end(exit::FAILED);
            }
            drop(state);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Counts the requests for an end.
#[derive(Default)]
struct Requests {
    count: u32,
    /// The last signal that was one, and when it came.
    last: Option<(i32, Instant)>,
}

impl Requests {
    /// The number of the request that a signal is; `None` if it repeats the one before.
    fn add(&mut self, signal: i32, now: Instant) -> Option<u32> {
        let repeats = |(same, when)| same == signal && now.duration_since(when) < ONE_REQUEST;
        if self.last.is_some_and(repeats) {
            return None;
        }
        self.count += 1;
        // Repetitions do not move it, so that a key that is held down counts again.
        self.last = Some((signal, now));
        Some(self.count)
    }
}

/// Does this on a thread of its own; on this one if there can be no more (`ulimit -u`).
fn on_a_thread(work: impl Fn() + Send + Sync + 'static) {
    let work = Arc::new(work);
    let on_thread = work.clone();
    if thread::Builder::new().spawn(move || on_thread()).is_err() {
        work();
    }
}

/// Whether the program was started with this signal ignored, by `nohup` for example.
pub(crate) fn is_ignored(signal: i32) -> bool {
    // Mostly read at once: each call of the system is a part of each start.
    let mut status = String::with_capacity(8 << 10);
    let read =
        File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status));
    if read.is_err() {
        return false;
    }
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_signals_at_one_moment_are_one_request() {
        let (mut requests, start) = (Requests::default(), Instant::now());
        let mut add = |signal, after| requests.add(signal, start + Duration::from_millis(after));
        // As `timeout` sends it, and as a key that is held down does.
        assert_eq!([0, 1, 60].map(|after| add(SIGTERM, after)), [Some(1), None, None]);
        assert_eq!(add(SIGTERM, 110), Some(2));
        assert_eq!(add(SIGTERM, 150), None);
        assert_eq!(add(SIGINT, 151), Some(3), "another signal is another request");
    }
}
