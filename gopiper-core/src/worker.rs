//! A worker of a transform or a sink: one thread around one component.
use std::sync::{
    Arc,
    atomic::Ordering::{Relaxed, SeqCst},
};

use crossbeam_channel::{Receiver, TryRecvError};
use gopiper_abi::raw::{
    Batch, Completion, Fate, HandleFlags, Handling, Outcome, RawError, client::ComponentHandle,
    services::host,
};
use parking_lot::Mutex;

use crate::{
    channel::{Queued, Ticket},
    side::{CALL, Call, Handled, Side},
    stage::Output,
};

/// So many batches of one worker may wait for deferred messages; then it takes no more.
const MAX_DEFERRED: usize = 64;

/// One thread around one component.
pub(crate) struct Worker {
    side: Arc<Side>,
    component: Option<ComponentHandle>,
    queue: Receiver<Queued>,
    /// Batches that wait for deferred messages.
    deferred: usize,
}

/// Makes a component, on the thread that is to use it.
pub(crate) fn create(side: &Arc<Side>) -> Result<ComponentHandle, RawError> {
    let mut component = side.stage.factory.lock().create(host(side.clone()))?;
    component.start()?;
    side.stage.stop.register(component.stopper());
    Ok(component)
}

impl Worker {
    pub(crate) fn new(side: Arc<Side>, queue: Receiver<Queued>) -> Result<Self, RawError> {
        let component = Some(create(&side)?);
        Ok(Worker { side, component, queue, deferred: 0 })
    }

    /// Works until nothing comes any more and all is handed on.
    pub(crate) fn run(mut self) {
        loop {
            self.attend();
            if self.deferred >= MAX_DEFERRED {
                self.side.wake.wait(None, i64::MAX);
                continue;
            }
            match self.queue.try_recv() {
                Ok(queued) => self.handle(queued),
                Err(TryRecvError::Empty) => self.side.wake.wait(Some(&self.queue), i64::MAX),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        while self.deferred > 0 {
            self.attend();
            if self.deferred > 0 {
                self.side.wake.wait(None, i64::MAX);
            }
        }
        if let Some(mut component) = self.component.take()
            && let Err(error) = component.end(i64::MAX)
        {
            self.side.stage.fail(&error.message);
        }
    }

    /// Looks at what others have left for this worker, and at the clock.
    fn attend(&mut self) {
        if self.side.wake.take_nudge() {
            let completed = std::mem::take(&mut *self.side.completed.lock());
            for handled in completed {
                self.deferred -= 1;
                self.hand_on(handled);
            }
        }
        if let (Some(now), Some(component)) = (self.side.wake.take_due(), &mut self.component)
            && let Err(error) = component.timer(now)
        {
            self.side.stage.fail(&error.message);
        }
    }

    fn handle(&mut self, Queued { batch, ticket }: Queued) {
        self.side.stage.counters.received.fetch_add(batch.len() as u64, Relaxed);
        let sequence = batch.sequence();
        let handling = Handling::new(batch);
        let call = Call { side: Arc::as_ptr(&self.side), handling, emitted: Default::default() };
        while !call.handling.is_through() {
            let Some(component) = &mut self.component else { break };
            let cursor = call.handling.cursor();
            let flags = CALL.set(&call, || component.handle(&call.handling));
            if flags.contains(HandleFlags::PANICKED) {
                self.renew();
            } else if call.handling.cursor() <= cursor {
                self.side.stage.fail("it handles no messages: its `handle` returns too early");
                self.component = None;
            }
        }
        let through = call.handling.cursor();
        let emitted = call.emitted.into_inner();
        let all_done = call.handling.all_done() && call.handling.is_through() && emitted.is_empty();
        match call.handling.finish() {
            Ok(batch) if all_done => {
                let output = Output { first: Some(batch), more: Vec::new(), ticket: Some(ticket) };
                self.side.stage.put(sequence, output);
            }
            Ok(batch) => self.hand_on(Handled { batch, sequence, ticket, emitted, through }),
            Err(deferred) => {
                self.deferred += 1;
                let rest = Mutex::new(Some((ticket, emitted)));
                let side = self.side.clone();
                deferred.await_deferred(Arc::new(Parked { side, sequence, through, rest }));
            }
        }
    }

    /// A panic leaves a component in no known state: another one takes its place.
    fn renew(&mut self) {
        let stage = &self.side.stage;
        stage.counters.panics.fetch_add(1, Relaxed);
        drop(self.component.take());
        match create(&self.side) {
            Ok(component) => self.component = Some(component),
            Err(error) => {
                stage.fail(&format!("after a panic it could not be made anew: {}", error.message));
            }
        }
    }

    /// Settles what ends here, and hands on the rest, with what was sent meanwhile in its place.
    fn hand_on(&mut self, handled: Handled) {
        let Handled { mut batch, sequence, ticket, emitted, through } = handled;
        let mut output = Output { ticket: Some(ticket), ..Output::default() };
        let mut offset = 0;
        for (place, sent) in emitted {
            let mut before = batch;
            batch = before.split_off((place - offset) as usize);
            self.settle(&mut before, through.saturating_sub(offset));
            output.push(before);
            output.push(sent);
            offset = place;
        }
        self.settle(&mut batch, through.saturating_sub(offset));
        output.push(batch);
        self.side.stage.put(sequence, output);
    }

    /// Leaves in the batch what is Done. Messages from `through` on were not handled.
    fn settle(&mut self, batch: &mut Batch, through: u32) {
        let stage = &self.side.stage;
        let finished = stage.finished.load(SeqCst);
        let (mut dropped, mut failed, mut kept, mut place) = (0, 0, 0, 0);
        batch.retain(|message| {
            place += 1;
            if place > through {
                return Fate::Settle(Outcome::RETURNED);
            }
            match message.status() {
                0 => Fate::Keep,
                1 => {
                    kept += 1;
                    Fate::Settle(Outcome::DELIVERED)
                }
                _ if finished => Fate::Settle(Outcome::RETURNED),
                300.. => {
                    dropped += 1;
                    Fate::Settle(Outcome::DROPPED)
                }
                status => {
                    failed += 1;
                    stage.tell_failure(status, message.description());
                    Fate::Settle(Outcome::FAILED)
                }
            }
        });
        let counters = &stage.counters;
        counters.dropped.fetch_add(dropped, Relaxed);
        counters.failed.fetch_add(failed, Relaxed);
        counters.kept.fetch_add(kept, Relaxed);
    }
}

type Rest = (Ticket, Vec<(u32, Batch)>);

/// A batch that waits for its deferred messages.
struct Parked {
    side: Arc<Side>,
    sequence: u64,
    through: u32,
    /// Taken by the one call of `completed`.
    rest: Mutex<Option<Rest>>,
}

impl Completion for Parked {
    fn completed(&self, batch: Batch) {
        if let Some((ticket, emitted)) = self.rest.lock().take() {
            let Parked { sequence, through, .. } = *self;
            let handled = Handled { batch, sequence, ticket, emitted, through };
            self.side.completed.lock().push(handled);
            self.side.wake.nudge();
        }
    }
}
