//! One component of a running pipeline: the state that its workers share, and its way to the next
//! stages. Nothing here calls a component or starts a thread: `worker` and `run` do.
pub(crate) mod component_log;
pub(crate) mod counters;
pub(crate) mod durations;
pub(crate) mod failure_log;
pub(crate) mod inlet;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod origins;
mod outlet;
mod pace;
pub(crate) mod stop;
pub(crate) mod taps;
pub(crate) mod threads;
pub(crate) mod traces;

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use gopiper_abi::{
    Kind, Message,
    raw::{Batch, DEFAULT_CAPACITY, HeldMemory, Outcome, RawError, client::FactoryHandle},
};
use parking_lot::Mutex;

pub(crate) use self::failure_log::Failures;
use self::failure_log::{Attempt, Failure, MessageOrigin};
pub(crate) use self::outlet::{Outlet, Tee, Wait};
use crate::{
    base::{clock::Clock, memory::Blocks, time_spent::TimeSpent},
    channel::{Queued, Ticket, sequencer::Sequencer},
    dead_letters::{Outbox, about},
    disk::state::ComponentState,
    plan::policy::{OnFail, RetryPolicy},
    stage::{
        component_log::ComponentLog,
        counters::{ComponentCounts, Counters},
        durations::Durations,
        inlet::Inlet,
        ledger::Ledger,
        metrics::Metrics,
        origins::Origins,
        stop::{Stop, StopReason},
        taps::{Side, Taps},
        threads::Threads,
        traces::Traces,
    },
};

/// The state that the workers of one component share.
pub(crate) struct Stage {
    pub(crate) pipeline: Arc<str>,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it keeps messages on disk: it drops those for which it has no room.
    pub(crate) is_buffer: bool,
    pub(crate) factory: Mutex<FactoryHandle>,
    pub(crate) counters: Counters,
    /// The input; None for a source.
    pub(crate) inlet: Option<Arc<Inlet>>,
    /// The output; None for a sink.
    pub(crate) outlet: Option<Outlet>,
    pub(crate) retry: RetryPolicy,
    pub(crate) on_fail: OnFail,
    /// The outbox for messages that have failed, if they are kept.
    pub(crate) dead_letters: Option<Arc<Outbox>>,
    /// The outcome of a message after the last stage, if this is the last one.
    pub(crate) delivers: Outcome,
    /// None if the order doesn't matter.
    pub(crate) sequencer: Option<Sequencer<Output>>,
    /// Whether nothing may overtake a message that waits for another attempt. Behind a transform it
    /// is the sequencer that sees to that.
    pub(crate) holds_back: bool,
    /// How long a message may be with the component; None for as long as it likes.
    pub(crate) timeout: Option<Duration>,
    pub(crate) linger: Linger,
    pub(crate) clock: Clock,
    /// The outcomes of the messages that its component created itself.
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) state: ComponentState,
    /// Of the whole pipeline.
    pub(crate) origins: Arc<Origins>,
    pub(crate) metrics: Metrics,
    /// The name of its file's component, or of what gopiper has built in.
    pub(crate) component: String,
    /// The counter of its library's memory, if the library has one.
    pub(crate) held_memory: Option<HeldMemory>,
    /// Where its workers' time goes: all of it, waiting for messages, and waiting for room in what
    /// comes next.
    pub(crate) present: TimeSpent,
    pub(crate) idle: TimeSpent,
    pub(crate) blocked: TimeSpent,
    pub(crate) threads: Threads,
    pub(crate) taps: Taps,
    /// Of the whole pipeline.
    pub(crate) traces: Arc<Traces>,
    /// How long its calls of `handle` took.
    pub(crate) calls: Durations,
    /// The age of messages when the last component was done with them.
    pub(crate) ages: Durations,
    /// Workers that may still send.
    pub(crate) senders: AtomicUsize,
    pub(crate) workers: AtomicUsize,
    /// The ways from the sources to it, one on each line, for dead letters.
    pub(crate) ways: String,
    /// Its place in the pipeline; the source's is 0.
    pub(crate) position: usize,
    pub(crate) failures: Arc<Failures>,
    /// The lines that its component logs.
    pub(crate) log: ComponentLog,
    /// The number of workers that it began with.
    pub(crate) pool_size: usize,
    /// Whether a failure has stopped the pipeline.
    pub(crate) failure_stops: AtomicBool,
}

/// How long a worker waits for more messages, and for how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linger {
    /// Zero means no waiting.
    pub(crate) time: Duration,
    /// Whether all that waits becomes one batch. Otherwise a batch is handled as it arrived, unless
    /// there is a time.
    pub(crate) gathers: bool,
    /// The most messages in a call, and about the most bytes.
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// A worker's output for one batch: the messages that go on, in order, and the room that the batch
/// took.
#[derive(Default)]
pub(crate) struct Output {
    /// Most batches go on as one: that needs no allocation.
    pub(crate) first: Option<Batch>,
    pub(crate) more: Vec<Batch>,
    pub(crate) ticket: Option<Ticket>,
    /// The failed messages, on their way to the dead letters.
    pub(crate) failed: Option<Batch>,
}

impl Output {
    /// Puts a batch after the others, into the last one of them if both fit into one of the usual
    /// size.
    pub(crate) fn push(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        if let Some(last) = self.more.last_mut().or(self.first.as_mut())
            && last.len() + batch.len() <= DEFAULT_CAPACITY as usize
        {
            while last.room() < batch.len() {
                last.grow();
            }
            let appended = last.append(batch);
            debug_assert!(appended.is_ok(), "there is room for it");
            return;
        }
        match self.first {
            None => self.first = Some(batch),
            Some(_) => self.more.push(batch),
        }
    }
}

impl Stage {
    /// Counts a batch that has come, and shows it to taps.
    pub(crate) fn receive(&self, queued: &mut Queued) {
        self.taps.show(Side::Before, &mut queued.batch, &self.clock);
        self.counters.received.fetch_add(queued.batch.len() as u64, Relaxed);
        self.counters.received_bytes.fetch_add(queued.ticket.payload, Relaxed);
    }

    /// Hands on the output for a batch, in its place.
    pub(crate) fn put(&self, sequence: u64, output: Output) {
        match &self.sequencer {
            Some(sequencer) => sequencer.put(sequence, output, |output| self.emit(output)),
            None => self.emit(output),
        }
    }

    fn emit(&self, output: Output) {
        for batch in output.first.into_iter().chain(output.more) {
            if let Err(batch) = self.pass_on(batch) {
                // The next stage has gone: the messages are returned, as the batch is dropped.
                self.counters.returned.fetch_add(batch.len() as u64, Relaxed);
                drop(batch);
            }
        }
        if let (Some(failed), Some(dead_letters)) = (output.failed, &self.dead_letters) {
            self.counters.dead_letters.fetch_add(failed.len() as u64, Relaxed);
            dead_letters.put((&self.name, &self.ways), failed, &self.blocked);
        }
        if let (Some(ticket), Some(inlet)) = (output.ticket, &self.inlet) {
            inlet.channel.give(ticket);
        }
    }

    /// Sends a batch to the next component; after the last one it has been delivered. Waits for
    /// room.
    pub(crate) fn pass_on(&self, mut batch: Batch) -> Result<(), Batch> {
        self.show_after(&mut batch);
        let messages = batch.len() as u64;
        match &self.outlet {
            Some(outlet) => {
                let bytes = outlet.send(batch, Wait::Room(&self.blocked))?;
                self.counters.sent_bytes.fetch_add(bytes, Relaxed);
            }
            None => {
                if let Some(first) = batch.messages().first() {
                    // All messages are about as old as the first: reading each would cost time.
                    self.ages.record(self.clock.now().saturating_sub(first.time()), messages);
                }
                batch.settle(self.delivers);
            }
        }
        self.counters.sent.fetch_add(messages, Relaxed);
        Ok(())
    }

    /// Shows a batch that leaves the component to taps and traces.
    pub(crate) fn show_after(&self, batch: &mut Batch) {
        self.taps.show(Side::After, batch, &self.clock);
        // After the last component, a message ends and is not passed on.
        if self.traces.is_on() && self.outlet.is_some() {
            self.traces.passed_on(&self.name, batch);
        }
    }

    /// Its counts so far.
    pub(crate) fn counts(&self) -> ComponentCounts {
        self.counters.read(self.inlet.as_ref().map_or(0, |inlet| inlet.channel.missed()))
    }

    /// When [`Stage::tell_counts`] has something to do; `i64::MAX` for never.
    pub(crate) fn counts_due(&self) -> i64 {
        self.failures.due().min(self.log.due())
    }

    /// Writes the counts of failures and of repeated lines that are due.
    pub(crate) fn tell_counts(&self) {
        self.failures.tell_counts();
        self.log.tell_counts();
    }

    /// Reports a failed message, and gives it the id of the dead letter that it becomes.
    pub(crate) fn to_dead_letters(&self, message: &mut Message) {
        let id = self.dead_letters.as_ref().map(|outbox| outbox.next_id());
        self.report_failure(message, id.as_deref());
        if let Some(id) = id {
            if self.traces.is_on() {
                self.traces.buried(&self.name, message, &id);
            }
            message.set_attribute(about::ID, id);
        }
    }

    /// Reports a failed message; `dead_letter` is its id there.
    pub(crate) fn report_failure(&self, message: &Message, dead_letter: Option<&str>) {
        let (status, description) = (message.status(), message.description());
        let failure = Failure { status, description, attempt: Attempt::Last, dead_letter };
        self.failures.report(&failure, || MessageOrigin::of(message));
    }

    /// Reports messages that failed without a report of their component.
    pub(crate) fn report_loss(&self, description: &str) {
        let failure = Failure { status: 0, description, attempt: Attempt::Last, dead_letter: None };
        self.failures.report(&failure, MessageOrigin::default);
    }

    /// Reports a start of the component that will be tried again.
    pub(crate) fn report_failed_start(&self, error: &RawError) {
        let description = &*error.to_string();
        let failure =
            Failure { status: 0, description, attempt: Attempt::Start, dead_letter: None };
        self.failures.report(&failure, MessageOrigin::default);
    }

    /// Reports a call of the component's timer that has failed, and will be made again.
    pub(crate) fn report_failed_timer(&self, error: &RawError) {
        let description = &*error.to_string();
        let failure =
            Failure { status: 0, description, attempt: Attempt::Timer, dead_letter: None };
        self.failures.report(&failure, MessageOrigin::default);
    }

    /// Reports a message that will be tried again.
    pub(crate) fn report_retry(&self, message: &Message) {
        let (status, description) = (message.status(), message.description());
        let failure = Failure { status, description, attempt: Attempt::Retried, dead_letter: None };
        self.failures.report(&failure, || MessageOrigin::of(message));
    }

    /// A message has failed, and the operator wants the pipeline to stop then.
    pub(crate) fn stop_on_failure(&self) {
        if !self.failure_stops.swap(true, Relaxed) {
            self.fail("a message failed, and on_fail = 'stop'");
        }
    }

    /// Ends the pipeline as failed, and says so at once: a later failure must not go unheard.
    pub(crate) fn fail(&self, error: &str) {
        let error = if error.is_empty() { "it failed, and gave no reason" } else { error };
        tracing::error!(
            pipeline = &*self.pipeline,
            component = self.name,
            code = "component_failed",
            "{error}"
        );
        let component = self.name.clone();
        let reason = StopReason::Failed { component, error: error.to_owned() };
        if self.stop.end(self.position, reason) {
            tracing::error!(
                pipeline = &*self.pipeline,
                component = self.name,
                code = "branch_ended",
                "its detached branch ends; messages that the branch has not handled are not resent"
            );
        }
    }

    /// Ends the pipeline because the component has no use for more.
    pub(crate) fn finish(&self) {
        self.stop.end(self.position, StopReason::Finished { component: self.name.clone() });
    }

    /// Whether messages that come here are only returned to their source.
    pub(crate) fn is_done_with(&self) -> bool {
        self.stop.is_done_with(self.position)
    }

    /// A worker sends nothing any more; after the last one, the next stage's input has ended.
    pub(crate) fn sender_ended(&self) {
        if self.senders.fetch_sub(1, SeqCst) > 1 {
            return;
        }
        if let Some(outlet) = &self.outlet {
            outlet.end();
        }
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.end();
        }
    }

    /// A worker has gone; after the last one, the factory is destroyed.
    pub(crate) fn worker_ended(&self) {
        if self.workers.fetch_sub(1, SeqCst) == 1 {
            self.failures.end();
            self.log.end();
            self.factory.lock().destroy();
        }
    }
}
