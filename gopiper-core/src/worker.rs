//! A worker of a transform or a sink: one thread around one component.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use crossbeam_channel::{Receiver, TryRecvError};
use gopiper_abi::raw::{
    Batch, Completion, HandleFlags, Handling, RawError, client::ComponentHandle, services::host,
};
use parking_lot::Mutex;

use crate::{
    channel::Queued,
    handled::{Context, Handled},
    retry::Waiting,
    side::{CALL, Call, Side},
    stage::Output,
};

/// One thread around one component.
pub(crate) struct Worker {
    side: Arc<Side>,
    component: Option<ComponentHandle>,
    queue: Receiver<Queued>,
    /// Batches that wait for deferred messages.
    deferred: usize,
    /// Messages that wait for another attempt.
    retries: Waiting,
    /// There is no component, and there will be none: what comes is returned.
    gave_up: bool,
}

/// Makes a component, on the thread that is to use it.
pub(crate) fn create(side: &Arc<Side>) -> Result<ComponentHandle, RawError> {
    let mut component = side.stage.factory.lock().create(host(side.clone()))?;
    component.start()?;
    side.set_stopper(component.stopper());
    Ok(component)
}

impl Worker {
    pub(crate) fn new(side: Arc<Side>, queue: Receiver<Queued>) -> Result<Self, RawError> {
        let component = Some(create(&side)?);
        Ok(Worker {
            side,
            component,
            queue,
            deferred: 0,
            retries: Waiting::default(),
            gave_up: false,
        })
    }

    /// Works until nothing comes any more and all is handed on. What is deferred holds room in the
    /// channel until it is reported, so it needs no limit of its own.
    pub(crate) fn run(mut self) {
        loop {
            self.attend();
            match self.queue.try_recv() {
                Ok(queued) => self.take(queued),
                Err(TryRecvError::Empty) => {
                    self.side.wake.wait(Some(&self.queue), self.retries.next());
                }
                Err(TryRecvError::Disconnected) if self.retries.is_empty() => {
                    // It may have waited for the end with what it deferred. If some of that is to
                    // be tried again, a component is made for it, and ended again.
                    self.end();
                    if self.deferred == 0 {
                        return;
                    }
                    self.side.wake.wait(None, i64::MAX);
                }
                Err(TryRecvError::Disconnected) => self.side.wake.wait(None, self.retries.next()),
            }
        }
    }

    /// Tells the component that nothing comes any more, and lets it go: what it has deferred and
    /// still holds itself is let go with it.
    fn end(&mut self) {
        let side = self.side.clone();
        let ended = side.stage.inside(|| {
            let mut component = self.component.take()?;
            let ended = component.end(i64::MAX);
            drop(component);
            ended.err()
        });
        if let Some(error) = ended {
            side.stage.fail(&format!("it can't end well: {}", error.message));
        }
    }

    /// Looks at what others have left for this worker, and at the clock.
    fn attend(&mut self) {
        if self.side.wake.take_nudge() {
            let completed = std::mem::take(&mut *self.side.completed.lock());
            for handled in completed {
                self.deferred -= 1;
                self.conclude(handled);
            }
        }
        let now = match self.side.stage.is_done_with() {
            true => i64::MAX,
            false => self.retries.now(),
        };
        while let Some(handled) = self.retries.take_due(now) {
            self.handle(handled);
        }
        if let (Some(now), Some(component)) = (self.side.wake.take_due(), &mut self.component)
            && let Err(error) = self.side.stage.inside(|| component.timer(now))
        {
            self.side.stage.fail(&format!("its timer has failed: {}", error.message));
            // It may have panicked, and be in no known state.
            self.give_up();
        }
    }

    fn take(&mut self, Queued { batch, ticket }: Queued) {
        let stage = &self.side.stage;
        stage.counters.received.fetch_add(batch.len() as u64, Relaxed);
        let (sequence, ticket) = (batch.sequence(), Some(ticket));
        self.handle(Handled { batch, context: Context { sequence, ticket, ..Context::default() } });
    }

    /// Has the component handle a batch, and hands it on unless some of it was deferred.
    fn handle(&mut self, Handled { batch, mut context }: Handled) {
        let handling = Handling::new(batch);
        let call = Call { side: Arc::as_ptr(&self.side), handling, emitted: Default::default() };
        while !call.handling.is_through() && !self.side.stage.is_done_with() {
            if self.component.is_none() {
                self.renew();
            }
            let Some(component) = &mut self.component else { break };
            let cursor = call.handling.cursor();
            let flags =
                self.side.stage.inside(|| CALL.set(&call, || component.handle(&call.handling)));
            if flags.contains(HandleFlags::PANICKED) {
                self.side.stage.counters.panics.fetch_add(1, Relaxed);
                self.side.stage.inside(|| drop(self.component.take()));
            } else if call.handling.cursor() <= cursor {
                self.side.stage.fail("it handles no messages: its `handle` returns too early");
                self.give_up();
            }
        }
        let all_done = call.handling.all_done() && call.handling.is_through() && !context.again;
        context.through = call.handling.cursor();
        context.emitted = call.emitted.into_inner();
        match call.handling.finish() {
            Ok(batch) if all_done && context.emitted.is_empty() && context.origin.is_none() => {
                let output =
                    Output { first: Some(batch), more: Vec::new(), ticket: context.ticket };
                self.side.stage.put(context.sequence, output);
            }
            Ok(batch) => self.conclude(Handled { batch, context }),
            Err(deferred) => {
                self.deferred += 1;
                let (side, context) = (self.side.clone(), Mutex::new(Some(context)));
                deferred.await_deferred(Arc::new(Parked { side, context }));
            }
        }
    }

    /// Puts away what is to be tried again, and hands on the rest: in order, so with all that waits,
    /// or at once if the order is given up.
    fn conclude(&mut self, handled: Handled) {
        let mut handled = handled.rejoined();
        let stage = self.side.stage.clone();
        let gave_up = self.gave_up;
        let retries = match gave_up || stage.is_done_with() {
            true => None,
            false => handled.take_retries(stage.retry.max_attempts),
        };
        let Some((batch, places)) = retries else {
            return stage.put(handled.context.sequence, handled.into_output(&stage, gave_up));
        };
        stage.counters.retries.fetch_add(batch.len() as u64, Relaxed);
        let attempt =
            batch.messages().iter().map(|message| message.attempts()).max().unwrap_or(0) + 1;
        let sequence = handled.context.sequence;
        let mut context = Context { sequence, again: true, ..Context::default() };
        if stage.sequencer.is_some() {
            context.origin = Some(Box::new((handled, places)));
        } else {
            context.ticket = handled.context.ticket.take();
            stage.put(sequence, handled.into_output(&stage, gave_up));
        }
        self.retries.add(&stage.retry, attempt, Handled { batch, context });
    }

    /// Makes a component where there is none: a panic leaves one in no known state, and the end of
    /// the input lets it go.
    fn renew(&mut self) {
        if self.gave_up {
            return;
        }
        match create(&self.side) {
            Ok(component) => self.component = Some(component),
            Err(error) => {
                self.side.stage.fail(&format!("it could not be made anew: {}", error.message));
                self.give_up();
            }
        }
    }

    fn give_up(&mut self) {
        self.gave_up = true;
        self.side.stage.inside(|| drop(self.component.take()));
    }
}

/// A batch that waits for its deferred messages; taken by the one call of `completed`.
struct Parked {
    side: Arc<Side>,
    context: Mutex<Option<Context>>,
}

impl Completion for Parked {
    fn completed(&self, batch: Batch) {
        if let Some(context) = self.context.lock().take() {
            self.side.completed.lock().push(Handled { batch, context });
            self.side.wake.nudge();
        }
    }
}
