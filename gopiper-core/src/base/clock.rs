//! The clock of a pipeline and its components.
//!
//! It is the system's or a [`ManualClock`], which moves only when a test moves it. Retries, limits,
//! lingering, timers and the shutdown all use it.
use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock of a pipeline and its components: the system's unless it is a [`ManualClock`].
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

/// A clock that moves only by hand: for tests that don't wait.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Manual>);

#[derive(Default)]
struct Manual {
    now: AtomicI64,
    /// Wake threads that wait for a moment.
    sleepers: Mutex<Vec<Sender<()>>>,
}

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now.fmt(f)
    }
}

impl ManualClock {
    /// A clock that begins at no particular time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock, for a pipeline's options.
    pub fn clock(&self) -> Clock {
        Clock(Some(self.0.clone()))
    }

    /// Advances it: everything that was due in between is due now.
    pub fn advance(&self, by: Duration) {
        self.0.now.fetch_add(nanoseconds(by), SeqCst);
        for sleeper in &*self.0.sleepers.lock() {
            // One that is full has something to wake up for already.
            let _ = sleeper.try_send(());
        }
    }
}

impl Clock {
    /// Nanoseconds of a clock that never goes back; it starts at 1, so that 0 is always past.
    pub(crate) fn monotonic(&self) -> i64 {
        match &self.0 {
            None => nanoseconds(START.elapsed()).min(i64::MAX - 1) + 1,
            Some(manual) => manual.now.load(SeqCst) + 1,
        }
    }

    /// The moment after a duration; `i64::MAX` for never.
    pub(crate) fn after(&self, wait: Duration) -> i64 {
        self.monotonic().saturating_add(nanoseconds(wait))
    }

    /// Nanoseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        match &self.0 {
            None => nanoseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            Some(manual) => manual.now.load(SeqCst),
        }
    }

    /// How long to wait for a moment: `None` if not by the system's time, but until `sleeper` is
    /// woken.
    pub(crate) fn until(&self, moment: i64) -> Option<Duration> {
        let left = moment.saturating_sub(self.monotonic()).max(0);
        (self.0.is_none() || left == 0).then(|| Duration::from_nanos(left as u64))
    }

    /// Wakes `sleeper` whenever the clock is moved by hand.
    pub(crate) fn add_sleeper(&self, sleeper: &Sender<()>) {
        if let Some(manual) = &self.0 {
            manual.sleepers.lock().push(sleeper.clone());
        }
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
