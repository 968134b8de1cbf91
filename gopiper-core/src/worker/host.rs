//! The host, as one worker's component sees it.
use std::{
    cell::Cell,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use gopiper_abi::{
    Kind, Level, Message, PayloadMut, SendStatus,
    raw::{
        Batch, DEFAULT_CAPACITY, Fate, Handling, Metric, MetricDescription, Outcome, RawError,
        Settle,
        client::Stopper,
        services::{HostSide, Sending},
    },
};
use parking_lot::Mutex;
use scoped_tls::scoped_thread_local;

use crate::{
    dead_letters::Outbox,
    plan::policy::OnFail,
    stage::{Stage, Wait, component_log, stop::HearsStop},
    worker::deferred::Inbox,
};

/// The host of one worker's component.
pub(crate) struct WorkerHost {
    pub(crate) stage: Arc<Stage>,
    pub(crate) inbox: Arc<Inbox>,
    /// The worker's number in the log.
    number: u64,
    /// The batches sent inside the running call of `handle`, each with the place of the message
    /// that was being handled.
    emitted: Mutex<Vec<(u32, Batch)>>,
    /// The worker continues with another component: calls of this one have no effect any more.
    given_up: AtomicBool,
    /// Outcomes for the source to receive: token, first, count, outcome.
    pub(crate) settled: Mutex<Vec<(u64, u32, u32, Outcome)>>,
    /// Stops the component that is there now.
    stopper: Mutex<Option<Stopper>>,
    /// Itself, for deliveries that settle here.
    me: std::sync::Weak<WorkerHost>,
}

/// A call of `handle`, while it runs.
pub(crate) struct CurrentCall {
    pub(crate) host: *const WorkerHost,
    pub(crate) handling: Handling,
    /// Whether there is something in the host's `emitted`.
    pub(crate) emitted: Cell<bool>,
}

scoped_thread_local!(pub(crate) static CURRENT_CALL: CurrentCall);

impl WorkerHost {
    pub(crate) fn new(stage: Arc<Stage>, inbox: Arc<Inbox>, number: u64) -> Arc<Self> {
        let host = Arc::new_cyclic(|me| WorkerHost {
            stage,
            inbox,
            number,
            emitted: Mutex::default(),
            given_up: AtomicBool::new(false),
            settled: Mutex::default(),
            stopper: Mutex::default(),
            me: me.clone(),
        });
        host.stage.stop.tell(&host);
        host
    }

    /// From here on this one is stopped when the pipeline is; now, if it is already.
    pub(crate) fn set_stopper(&self, stopper: Stopper) {
        *self.stopper.lock() = Some(stopper.clone());
        if self.is_stopping() {
            stopper.stop();
        }
    }

    /// Puts the batch with those emitted in the running call, if this thread is in one of this
    /// worker's.
    fn emit_in_call(&self, batch: Batch) -> Result<(), Batch> {
        if !CURRENT_CALL.is_set() {
            return Err(batch);
        }
        CURRENT_CALL.with(|call| {
            if !std::ptr::eq(call.host, self) {
                return Err(batch);
            }
            let mut emitted = self.emitted.lock();
            if self.given_up.load(SeqCst) {
                // The call was abandoned: its output has no effect any more.
                drop(batch);
                return Ok(());
            }
            call.emitted.set(true);
            emitted.push((call.handling.cursor(), batch));
            Ok(())
        })
    }

    /// The batches sent inside the call that has ended.
    pub(crate) fn take_emitted(&self) -> Vec<(u32, Batch)> {
        std::mem::take(&mut *self.emitted.lock())
    }

    /// Abandons the component, on any thread; returns the batches sent inside the call.
    pub(crate) fn give_up(&self) -> Vec<(u32, Batch)> {
        let mut emitted = self.emitted.lock();
        self.given_up.store(true, SeqCst);
        self.inbox.wake.take_due_back();
        std::mem::take(&mut *emitted)
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Relaxed)
    }

    /// Takes out what a source sent as failed or dropped.
    fn settle_reported(&self, batch: &mut Batch) {
        if batch.is_without_reports() {
            return;
        }
        let counters = &self.stage.counters;
        if let Some(dead_letters) = &self.stage.dead_letters {
            self.bury(batch, dead_letters);
        }
        batch.retain(|message| match message.status() {
            0 => Fate::Keep,
            Message::VACATED => Fate::Settle(Outcome::DELIVERED),
            300.. => {
                counters.dropped.fetch_add(1, Relaxed);
                Fate::Settle(Outcome::DROPPED)
            }
            _ => {
                counters.failed.fetch_add(1, Relaxed);
                self.stage.report_failure(message, None);
                match self.stage.on_fail {
                    OnFail::Stop => {
                        counters.returned.fetch_add(1, Relaxed);
                        self.stage.stop_on_failure();
                        Fate::Settle(Outcome::RETURNED)
                    }
                    OnFail::Discard | OnFail::DeadLetter => Fate::Settle(Outcome::FAILED),
                }
            }
        });
    }

    /// Sends what a source has failed with to the dead letters.
    fn bury(&self, batch: &mut Batch, dead_letters: &Outbox) {
        let failed = |message: &Message| !matches!(message.status(), 0 | 300..);
        let count = batch.messages().iter().filter(|message| failed(message)).count();
        let mut buried = Batch::new(count.max(1) as u32);
        for slot in batch.messages_mut().iter_mut().filter(|message| failed(message)) {
            let mut message = std::mem::replace(slot, Message::vacated());
            self.stage.to_dead_letters(&mut message);
            let full = buried.push(message).is_err();
            debug_assert!(!full, "there is room for all that were counted");
        }
        let counters = &self.stage.counters;
        counters.failed.fetch_add(count as u64, Relaxed);
        if count > 0 {
            counters.dead_letters.fetch_add(count as u64, Relaxed);
            dead_letters.put((&self.stage.name, &self.stage.ways), buried, &self.stage.blocked);
        }
    }
}

impl HearsStop for WorkerHost {
    fn stop_requested(&self) {
        self.inbox.wake.nudge();
        let stopper = self.stopper.lock().clone();
        if let Some(stopper) = stopper {
            stopper.stop();
        }
    }

    fn position(&self) -> Option<usize> {
        Some(self.stage.position)
    }
}

impl HostSide for WorkerHost {
    fn log_enabled(&self, level: Level, _target: &str) -> bool {
        component_log::is_wanted(level)
    }

    fn log(&self, level: Level, target: &str, text: &str) {
        let worker = (self.stage.pool_size > 1).then_some(self.number);
        self.stage.log.write(level, target, worker, text);
    }

    fn metric(&self, description: &MetricDescription<'_>) -> Result<&'static Metric, RawError> {
        self.stage.metrics.register(description)
    }

    fn now(&self) -> i64 {
        self.stage.clock.now()
    }

    fn monotonic(&self) -> i64 {
        self.stage.clock.monotonic()
    }

    fn wake_at(&self, moment: i64) {
        if !self.is_given_up() {
            self.inbox.wake.set_due(moment);
        }
    }

    fn stop(&self, error: Option<&str>) {
        if self.is_given_up() {
            return;
        }
        self.stage.stop.done_with(self.stage.position);
        match error {
            Some(error) => self.stage.fail(error),
            None => self.stage.finish(),
        }
    }

    fn is_stopping(&self) -> bool {
        self.stage.stop.is_requested() || self.stage.is_done_with()
    }

    fn stop_descriptor(&self) -> i32 {
        self.stage.stop.descriptor()
    }

    fn state_directory(&self) -> Result<PathBuf, RawError> {
        Ok(self.stage.state.folder()?)
    }

    fn origin(&self) -> Result<String, RawError> {
        Ok(self.stage.state.origin()?)
    }

    fn set_settled(&self, origin: &str, below: u64) {
        self.stage.origins.set_settled(origin, below);
    }

    fn settled_below(&self, origin: &str) -> u64 {
        self.stage.origins.settled_below(origin)
    }

    fn unsent(&self, count: u32) {
        // Messages that a source keeps are not sent yet.
        if self.stage.kind == Kind::SOURCE {
            return;
        }
        // An abandoned component counts, too: messages taken back from it are not among them.
        self.stage.counters.unsent.fetch_add(u64::from(count), Relaxed);
        self.stage.report_loss(&match count {
            1 => "a kept message was dropped, and nothing was sent for it".into(),
            many => format!("{many} kept messages were dropped, and nothing was sent for them"),
        });
    }

    fn payload(&self, length: usize) -> PayloadMut {
        self.stage.blocks.get(length)
    }

    fn batch(&self) -> Batch {
        Batch::new(DEFAULT_CAPACITY)
    }

    fn send(&self, batch: Batch, sending: Sending) -> Result<(), (SendStatus, Batch, Sending)> {
        let stage = &self.stage;
        let Some(outlet) = &stage.outlet else {
            return Err((SendStatus::CLOSED, batch, sending));
        };
        if outlet.is_closed() || self.is_given_up() {
            return Err((SendStatus::CLOSED, batch, sending));
        }
        let room = if sending.wait { None } else { outlet.try_reserve(&batch) };
        if !sending.wait && room.is_none() {
            return Err((SendStatus::FULL, batch, sending));
        }
        let mut batch = batch.into_own();
        if !sending.deliveries.is_empty() {
            if stage.traces.is_on() {
                stage.traces.made(&stage.name, &mut batch, &sending.deliveries);
            }
            batch.derive_delivery(sending.deliveries);
        } else {
            stage.ledger.open(batch.len());
            let mut hears: Arc<dyn Settle> = match (sending.token, self.me.upgrade()) {
                (Some(_), Some(me)) if stage.kind == Kind::SOURCE => me,
                _ => stage.ledger.clone(),
            };
            if stage.traces.is_on() && !batch.is_empty() {
                let positions = sending.positions.as_deref();
                hears = stage.traces.created(&stage.name, &mut batch, positions, hears);
            }
            batch.open_delivery_at(sending.token.unwrap_or(0), sending.positions, hears);
        }
        if stage.kind == Kind::SOURCE {
            self.settle_reported(&mut batch);
        }
        let outside = if batch.is_empty() { None } else { self.emit_in_call(batch).err() };
        // If it has closed meanwhile: the batch has its delivery, which reports its end.
        match (outside, room) {
            (Some(batch), None) => drop(stage.pass_on(batch)),
            (Some(mut batch), Some(room)) => {
                stage.show_after(&mut batch);
                let messages = batch.len() as u64;
                if let Ok(bytes) = outlet.send(batch, Wait::Reserved(room)) {
                    stage.counters.sent.fetch_add(messages, Relaxed);
                    stage.counters.sent_bytes.fetch_add(bytes, Relaxed);
                }
            }
            // Nothing is left of it, or it goes on with the output of the call.
            (None, Some(room)) => outlet.give(room),
            (None, None) => {}
        }
        Ok(())
    }
}

/// Hears the outcomes that a source asked for.
impl Settle for WorkerHost {
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome) {
        self.settled.lock().push((token, first, count, outcome));
        self.stage.ledger.settle(count, outcome);
        self.inbox.wake.nudge();
    }
}

/// Whether nothing that a component made itself is under way any more.
pub(crate) fn all_settled(stage: &Stage) -> bool {
    stage.ledger.open.load(SeqCst) == 0
}
