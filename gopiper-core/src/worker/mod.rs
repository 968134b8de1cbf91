//! The worker of a transform or a sink: its batches, and the loop that hands them to the component.
//! All workers of a stage share what is in `stage`; only `run` starts threads.
//!
//! A worker runs on one thread, with one [`Instance`]. While that has a batch under a limit of
//! time, the worker itself lies in a [`Watched`]: if the call does not return, another thread
//! continues as this worker; the first then ends.
pub(crate) mod attempts;
pub(crate) mod deferred;
mod gather;
pub(crate) mod handled;
pub(crate) mod host;
pub(crate) mod instance;
pub(crate) mod linger;
pub(crate) mod retry;
pub(crate) mod source;
pub(crate) mod take_over;
pub(crate) mod watched;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use crossbeam_channel::{Receiver, TryRecvError};
use gopiper_abi::raw::{DeferredBatch, Guard, HandleFlags, Handling, Lent, Watch};

use crate::{
    channel::Queued,
    stage::{Output, Stage},
    worker::{
        deferred::{Inbox, Limited, Parked},
        handled::{Context, HandledBatch, Retries},
        host::CurrentCall,
        instance::Instance,
        linger::Lingering,
        retry::Waiting,
        watched::Watched,
    },
};

/// The work that a worker has in hand.
pub(crate) struct Worker {
    pub(crate) stage: Arc<Stage>,
    pub(crate) inbox: Arc<Inbox>,
    queue: Receiver<Queued>,
    /// The batches that become one.
    gathered: Option<Lingering>,
    /// How many batches wait for deferred messages.
    deferred: usize,
    /// Those of them with a limit of time, in the order of that.
    parked: VecDeque<(i64, Arc<Parked>)>,
    /// The messages that the component has kept of batches with a limit of time.
    kept: Vec<Guard>,
    /// How many of these there may be before it is looked which are still open.
    kept_limit: usize,
    /// Messages that wait for another attempt.
    retries: Waiting,
    /// There is no component, and there will be none: messages that come are returned.
    gave_up: bool,
}

/// The data that belongs to a call of `handle` under a limit of time, while it runs.
pub(crate) struct Called {
    pub(crate) worker: Box<Worker>,
    pub(crate) lent: Lent,
    pub(crate) context: Context,
    pub(crate) watch: Watch,
}

/// The worker; `None` if another thread has taken it over.
pub(crate) type UnlessTakenOver = Option<Box<Worker>>;

impl Worker {
    pub(crate) fn new(stage: Arc<Stage>, queue: Receiver<Queued>) -> Box<Self> {
        let inbox = Inbox::new(&stage);
        if let Some(inlet) = &stage.inlet
            && !stage.linger.time.is_zero()
        {
            inlet.channel.add_lingering(inbox.wake.clone());
        }
        Box::new(Worker {
            stage,
            inbox,
            queue,
            gathered: None,
            deferred: 0,
            parked: VecDeque::new(),
            kept: Vec::new(),
            kept_limit: 0,
            retries: Waiting::default(),
            gave_up: false,
        })
    }

    /// Works until nothing comes any more and all is handed on. Deferred messages hold room in the
    /// channel until they are reported, so they need no limit of their own.
    pub(crate) fn run(
        mut self: Box<Self>,
        instance: &mut Instance,
        watched: &Watched<Called>,
        begun: Option<HandledBatch>,
    ) -> UnlessTakenOver {
        if let Some(handled) = begun {
            self = self.handle(instance, watched, handled)?;
        }
        loop {
            self = self.attend(instance, watched)?;
            if self.is_held_back() {
                let _idle = self.stage.idle.begin();
                self.inbox.wake.wait(self.next());
                continue;
            }
            match self.queue.try_recv() {
                Ok(queued) => self = self.take(instance, watched, queued)?,
                Err(TryRecvError::Empty) => {
                    // Others may have emptied the queue since `attend` looked.
                    if let Some(gathered) = self.take_gathered(0) {
                        self = self.handle(instance, watched, gathered.into())?;
                        continue;
                    }
                    if let Some(inlet) = &self.stage.inlet {
                        inlet.channel.wake_sender();
                    }
                    let _idle = self.stage.idle.begin();
                    self.inbox.wake.wait_for(&self.queue, self.next());
                }
                Err(TryRecvError::Disconnected) => {
                    if let Some(gathered) = self.gathered.take() {
                        self = self.handle(instance, watched, gathered.into())?;
                        continue;
                    }
                    if self.retries.is_empty() {
                        // It may have waited for the end with what it deferred. If some of that is
                        // to be tried again, a component is made for it, and ended again.
                        self.end(instance);
                        if self.deferred == 0 {
                            return Some(self);
                        }
                    }
                    let _idle = self.stage.idle.begin();
                    self.inbox.wake.wait(self.next());
                }
            }
        }
    }

    /// Ends the component, if there is one.
    fn end(&self, instance: &mut Instance) {
        let Some(ended) = instance.end() else { return };
        if let Err(error) = ended {
            self.stage.fail(&error.message);
        }
        let held = self.deferred - self.inbox.len();
        if held > 0 && !self.stage.is_done_with() {
            tracing::warn!(
                pipeline = &*self.stage.pipeline,
                component = self.stage.name,
                batches = held,
                code = "deferred_after_end",
                "its `end` has returned, but deferred messages are not reported yet: the pipeline \
                 does not end before they are, or their `timeout` is over"
            );
        }
    }

    /// Whether the component gets nothing else, as messages wait for another attempt.
    fn is_held_back(&self) -> bool {
        self.stage.holds_back && !self.retries.is_empty() && !self.stage.is_done_with()
    }

    /// When there is something to do though nothing comes.
    fn next(&self) -> i64 {
        let parked = self.parked.front().map_or(i64::MAX, |(until, _)| *until);
        let gathered = self.gathered.as_ref().filter(|_| !self.is_held_back());
        let gathered = gathered.map_or(i64::MAX, |gathered| gathered.until);
        self.retries.next().min(parked).min(gathered).min(self.stage.counts_due())
    }

    /// Looks at what others have left for this worker, and at the clock.
    fn attend(
        mut self: Box<Self>,
        instance: &mut Instance,
        watched: &Watched<Called>,
    ) -> UnlessTakenOver {
        if self.inbox.wake.take_nudge() {
            for handled in self.inbox.take() {
                self.deferred -= 1;
                self.conclude(handled);
            }
        }
        let now = match self.next() {
            _ if self.stage.is_done_with() => i64::MAX,
            // A look at the clock costs.
            i64::MAX => 0,
            _ => self.stage.clock.monotonic(),
        };
        self.stage.tell_counts();
        while self.parked.front().is_some_and(|(until, _)| *until <= now) {
            self.parked.pop_front().inspect(|(_, parked)| parked.expire());
        }
        while let Some(handled) = self.retries.take_due(now) {
            self = self.handle(instance, watched, handled)?;
        }
        if let Some(gathered) = self.take_gathered(now) {
            self = self.handle(instance, watched, gathered.into())?;
        }
        if let Err(error) = instance.timer() {
            self.stage.fail(&format!("its timer has failed: {}", error.message));
            // It may have panicked, and be in no known state.
            self.give_up(instance);
        }
        Some(self)
    }

    /// Has the component handle a batch, and hands it on unless some of it was deferred.
    pub(crate) fn handle(
        mut self: Box<Self>,
        instance: &mut Instance,
        watched: &Watched<Called>,
        HandledBatch { batch, mut context }: HandledBatch,
    ) -> UnlessTakenOver {
        context.begin(&self.stage, &batch);
        let (mut lent, batch) = match self.stage.timeout {
            None => (None, batch),
            Some(_) => {
                let (lent, copy) = Lent::new(batch);
                (Some(lent), copy)
            }
        };
        let call = instance.call(Handling::resume(batch, context.through));
        while !call.handling.is_through() && !self.gave_up && !self.stage.is_done_with() {
            if let Err(error) = instance.make() {
                self.stage.fail(&format!("it could not be recreated: {}", error.message));
                self.give_up(instance);
                break;
            }
            let cursor = call.handling.cursor();
            let flags = match lent {
                None => instance.handle(&call),
                Some(with) => {
                    let watch = call.handling.watch();
                    watched.begin(Called { worker: self, lent: with, context, watch });
                    let flags = instance.handle(&call);
                    match watched.end() {
                        Ok(called) => {
                            (self, context, lent) =
                                (called.worker, called.context, Some(called.lent));
                        }
                        Err(late) => {
                            let counters = &instance.host.stage.counters;
                            counters.late.fetch_add(u64::from(late), Relaxed);
                            return None;
                        }
                    }
                    flags
                }
            };
            if !flags.contains(HandleFlags::PANICKED) && call.handling.cursor() <= cursor {
                self.stage.fail("it handles no messages: its `handle` returns too early");
                self.give_up(instance);
            }
        }
        self.end_call(instance, call, lent, context);
        Some(self)
    }

    /// Hands on what a call has handled; what it has deferred waits.
    fn end_call(
        &mut self,
        instance: &Instance,
        call: CurrentCall,
        lent: Option<Lent>,
        mut context: Context,
    ) {
        let all_done = call.handling.all_done() && call.handling.is_through() && !context.again;
        context.through = call.handling.cursor();
        if call.emitted.get() {
            context.emitted.append(&mut instance.host.take_emitted());
        }
        let mut batch = match call.handling.finish() {
            Ok(batch) => batch,
            Err(deferred) => return self.park(deferred, lent, context),
        };
        if let Some(mut lent) = lent {
            lent.reunite(&mut batch);
            self.keep(lent.guard());
        }
        if all_done && context.emitted.is_empty() && context.origin.is_none() {
            context.end(&self.stage, &batch);
            let (first, ticket) = (Some(batch), context.ticket);
            self.stage.put(context.sequence, Output { first, ticket, ..Output::default() });
        } else {
            self.conclude(HandledBatch { batch, context });
        }
    }

    /// Waits for the reports of deferred messages: as long as the limit says, if there is one.
    fn park(&mut self, mut deferred: DeferredBatch, lent: Option<Lent>, context: Context) {
        self.deferred += 1;
        self.stage.counters.deferred.fetch_add(1, Relaxed);
        let limited = lent.map(|mut lent| {
            let mut reported = deferred.take_reported();
            lent.reunite(&mut reported);
            self.keep(lent.guard());
            Limited { reported, lent, awaited: deferred.awaited() }
        });
        let parked = Parked::new(self.stage.clone(), self.inbox.clone(), context, limited);
        if let Some(timeout) = self.stage.timeout {
            self.parked.push_back((self.stage.clock.after(timeout), parked.clone()));
        }
        deferred.await_deferred(parked);
    }

    /// Puts away the messages to be tried again, and hands on the rest: in order, so with all that
    /// waits, or at once if the order is given up.
    fn conclude(&mut self, mut handled: HandledBatch) {
        handled.context.end(&self.stage, &handled.batch);
        let retried = handled.context.again.then(|| handled.attempted());
        let mut handled = handled.rejoined();
        let (stage, gave_up) = (&self.stage, self.gave_up);
        let retries = match gave_up || stage.is_done_with() {
            true => None,
            false => handled.take_retries(stage),
        };
        if let Some(retries) = &retries {
            stage.failures.begin_retrying(retries.batch.len());
        }
        if let Some((messages, succeeded)) = retried {
            stage.failures.end_retrying(messages, succeeded);
        }
        let Some(Retries { batch, places, attempts }) = retries else {
            handled.write_attempts(stage);
            return stage.put(handled.context.sequence, handled.into_output(stage, gave_up));
        };
        stage.counters.retries.fetch_add(batch.len() as u64, Relaxed);
        let attempt =
            batch.messages().iter().map(|message| message.attempts()).max().unwrap_or(0) + 1;
        let sequence = handled.context.sequence;
        let mut context = Context { sequence, again: true, attempts, ..Context::default() };
        if stage.sequencer.is_some() {
            context.origin = Some(Box::new((handled, places)));
        } else {
            context.ticket = handled.context.ticket.take();
            handled.write_attempts(stage);
            stage.put(sequence, handled.into_output(stage, gave_up));
        }
        self.retries.add(&stage.clock, &stage.retry, attempt, HandledBatch { batch, context });
    }

    fn give_up(&mut self, instance: &mut Instance) {
        self.gave_up = true;
        instance.drop_component();
    }

    /// Remembers what the component keeps under a limit of time.
    fn keep(&mut self, guard: Option<Guard>) {
        if let Some(guard) = guard {
            if self.kept.len() >= self.kept_limit {
                self.kept.retain(Guard::is_open);
                self.kept_limit = 2 * self.kept.len() + 8;
            }
            self.kept.push(guard);
        }
    }
}
