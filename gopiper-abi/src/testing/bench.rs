//! The host of the component that a [`Harness`](super::Harness) has.
use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::{
    Batch, Level, Outcome, PayloadMut, SendStatus,
    raw::{
        Completion, DEFAULT_CAPACITY, Metric, MetricDescription, MetricKind, RawError, Settle,
        host::services::{HostSide, Sending},
    },
};

/// The outcomes of messages that a source sent with a token, or that were given to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The token; for messages given by
    /// [`Harness::handle`](super::Harness::handle)(super::Harness::handle), 0 for its first call,
    /// then 1, …
    pub token: u64,
    /// The first message's place.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Their outcome.
    pub outcome: Outcome,
}

/// Keeps values that live as long as the process, so that leak checkers do not report them.
pub(super) fn keep<T: Send + Copy + 'static>(kept: T) -> T {
    static KEPT: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(kept));
    kept
}

/// The host in a test.
pub(super) struct Bench {
    pub(super) state: Mutex<BenchState>,
    pub(super) completed: Condvar,
    pub(super) clock: AtomicI64,
    pub(super) wake_at: AtomicI64,
    pub(super) stopping: AtomicBool,
    pub(super) state_directory: Option<PathBuf>,
}

#[derive(Default)]
pub(super) struct BenchState {
    pub(super) sent: VecDeque<Batch>,
    pub(super) settled: Vec<Settled>,
    pub(super) logged: Vec<(Level, String)>,
    pub(super) stopped: Option<Option<String>>,
    pub(super) completed: Option<Batch>,
    pub(super) calls: u64,
    pub(super) settled_below: BTreeMap<String, u64>,
    pub(super) unsent: u64,
    /// By name; labels follow it, as `name{label=value}`.
    pub(super) metrics: BTreeMap<String, (MetricKind, &'static Metric)>,
}

impl Default for Bench {
    fn default() -> Self {
        Bench {
            state: Mutex::default(),
            completed: Condvar::new(),
            clock: AtomicI64::new(0),
            wake_at: AtomicI64::new(i64::MAX),
            stopping: AtomicBool::new(false),
            state_directory: None,
        }
    }
}

impl Bench {
    pub(super) fn lock(&self) -> MutexGuard<'_, BenchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more messages would fit into a channel after the component.
    pub(super) fn room(&self) -> usize {
        let waiting: usize = self.lock().sent.iter().map(Batch::len).sum();
        (DEFAULT_CAPACITY as usize).saturating_sub(waiting)
    }

    pub(super) fn wait_for_completed(&self) -> Batch {
        let limit = Duration::from_secs(10);
        let waiting = self
            .completed
            .wait_timeout_while(self.lock(), limit, |state| state.completed.is_none());
        let (mut state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        state.completed.take().expect("a deferred message was not reported within ten seconds")
    }
}

impl Settle for Bench {
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome) {
        self.lock().settled.push(Settled { token, first, count, outcome });
    }
}

/// Of messages that were sent without a token.
struct Unheard;

impl Settle for Unheard {
    fn settled(&self, _token: u64, _first: u32, _count: u32, _outcome: Outcome) {}
}

impl Completion for Bench {
    fn completed(&self, batch: Batch) {
        self.lock().completed = Some(batch);
        self.completed.notify_all();
    }
}

/// Lets the harness receive outcomes through an `Arc`, which the trait's method does not have.
pub(super) struct BenchHost(pub(super) Arc<Bench>);

impl HostSide for BenchHost {
    fn log_enabled(&self, _level: Level, _target: &str) -> bool {
        true
    }
    fn log(&self, level: Level, _target: &str, text: &str) {
        self.0.lock().logged.push((level, text.to_owned()));
    }
    fn metric(&self, description: &MetricDescription<'_>) -> Result<&'static Metric, RawError> {
        description.check()?;
        let mut name = description.name.to_string();
        for label in description.labels {
            name += &format!("{{{}={}}}", label.name, label.value);
        }
        let metrics = &mut self.0.lock().metrics;
        let (kind, metric) = metrics.entry(name).or_insert_with(|| {
            let metric = match description.kind {
                MetricKind::HISTOGRAM => Metric::histogram(&description.bounds),
                _ => Metric::number(),
            };
            (description.kind, keep(Box::leak(Box::new(metric))))
        });
        if *kind != description.kind {
            let message = format!("metric '{}': it is registered as {kind:?}", description.name);
            return Err(RawError::new("", message));
        }
        Ok(metric)
    }
    fn now(&self) -> i64 {
        self.0.clock.load(SeqCst)
    }
    fn monotonic(&self) -> i64 {
        self.0.clock.load(SeqCst)
    }
    fn wake_at(&self, moment: i64) {
        self.0.wake_at.store(moment, SeqCst);
    }
    fn stop(&self, error: Option<&str>) {
        self.0.stopping.store(true, SeqCst);
        self.0.lock().stopped = Some(error.map(str::to_owned));
    }
    fn is_stopping(&self) -> bool {
        self.0.stopping.load(SeqCst)
    }
    fn stop_descriptor(&self) -> i32 {
        -1
    }
    fn state_directory(&self) -> Result<PathBuf, RawError> {
        let none = || RawError::new("", "this test has no state directory");
        self.0.state_directory.clone().ok_or_else(none)
    }
    fn origin(&self) -> Result<String, RawError> {
        Ok("test".to_owned())
    }
    fn set_settled(&self, origin: &str, below: u64) {
        self.0.lock().settled_below.insert(origin.to_owned(), below);
    }
    fn settled_below(&self, origin: &str) -> u64 {
        self.0.lock().settled_below.get(origin).copied().unwrap_or(0)
    }
    fn unsent(&self, count: u32) {
        self.0.lock().unsent += u64::from(count);
    }
    fn payload(&self, length: usize) -> PayloadMut {
        PayloadMut::new(length)
    }
    fn batch(&self) -> Batch {
        Batch::new(DEFAULT_CAPACITY)
    }
    fn send(&self, mut batch: Batch, sending: Sending) -> Result<(), (SendStatus, Batch, Sending)> {
        if sending.deliveries.is_empty() {
            let hears: Arc<dyn Settle> = match sending.token {
                Some(_) => self.0.clone(),
                None => Arc::new(Unheard),
            };
            batch.open_delivery_at(sending.token.unwrap_or(0), sending.positions, hears);
        } else {
            batch.derive_delivery(sending.deliveries);
        }
        self.0.lock().sent.push_back(batch);
        Ok(())
    }
}
