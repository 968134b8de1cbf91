//! A batch that a component has handled, on its way out of the stage.
use std::sync::atomic::Ordering::Relaxed;

use gopiper_abi::{
    Message,
    raw::{Batch, Fate, Outcome},
};

use crate::{
    channel::Ticket,
    plan::policy::OnFail,
    stage::{Output, Stage, traces::Followed},
    worker::attempts::Attempts,
};

/// A batch that a component has handled.
pub(crate) struct HandledBatch {
    pub(crate) batch: Batch,
    pub(crate) context: Context,
}

/// The data that belongs to a batch while it is in a stage.
#[derive(Default)]
pub(crate) struct Context {
    /// Its place in the order of the input.
    pub(crate) sequence: u64,
    /// The room that it takes in the channel.
    pub(crate) ticket: Option<Ticket>,
    /// Batches sent inside `handle`, each with the place of the message that was being handled.
    pub(crate) emitted: Vec<(u32, Batch)>,
    /// The first message that was not handled, because the component could not go on.
    pub(crate) through: u32,
    /// Whether these messages had an attempt before.
    pub(crate) again: bool,
    /// The batch from which they were taken for another attempt, and their places there.
    pub(crate) origin: Option<Box<(HandledBatch, Vec<u32>)>>,
    /// The messages that an operator follows.
    pub(crate) followed: Followed,
    /// The attempts of each message so far; empty if no message was tried again.
    pub(crate) attempts: Vec<Attempts>,
}

/// Messages that are to be tried again.
pub(crate) struct Retries {
    pub(crate) batch: Batch,
    /// Their places in the batch that they come from.
    pub(crate) places: Vec<u32>,
    pub(crate) attempts: Vec<Attempts>,
}

impl Context {
    /// The component receives the messages from `through` on.
    pub(crate) fn begin(&mut self, stage: &Stage, batch: &Batch) {
        if stage.traces.is_on() && !stage.is_done_with() {
            self.followed = stage.traces.began(&stage.name, (batch, self.through));
        }
    }

    /// The component has reported on the batch.
    pub(crate) fn end(&mut self, stage: &Stage, batch: &Batch) {
        if !self.followed.is_empty() {
            let followed = std::mem::take(&mut self.followed);
            stage.traces.reported(&stage.name, &followed, (batch, self.through));
        }
    }
}

impl HandledBatch {
    /// Puts messages that had another attempt back to their places.
    pub(crate) fn rejoined(mut self) -> Self {
        if self.context.again {
            // The next component counts anew.
            let done = self.batch.messages_mut().iter_mut().filter(|message| message.status() == 0);
            done.for_each(|message| message.set_attempts(0));
        }
        let Some(origin) = self.context.origin.take() else {
            return self;
        };
        let (mut whole, places) = *origin;
        let mut attempts = std::mem::take(&mut self.context.attempts).into_iter();
        whole.context.attempts.resize_with(whole.batch.len(), Attempts::default);
        let returned = self.batch.messages_mut().iter_mut().zip(&places).enumerate();
        for (i, (message, place)) in returned {
            whole.context.attempts[*place as usize] = attempts.next().unwrap_or_default();
            let mut message = std::mem::replace(message, Message::vacated());
            if i as u32 >= self.context.through {
                // It was not even tried again: `settle` returns it.
                message.set_status(RETRY.start);
            }
            whole.batch.messages_mut()[*place as usize] = message;
        }
        let emitted = std::mem::take(&mut self.context.emitted);
        // Messages sent after the last message was reported go after all of them.
        let end = whole.batch.len() as u32;
        let place = |i: u32| places.get(i as usize).copied().unwrap_or(end);
        let emitted = emitted.into_iter().map(|(i, batch)| (place(i), batch));
        whole.context.emitted.extend(emitted);
        whole.context.emitted.sort_by_key(|(place, _)| *place);
        whole
    }

    /// How many messages had another attempt, and whether one of them succeeded.
    pub(crate) fn attempted(&self) -> (usize, bool) {
        let handled = &self.batch.messages()[..self.context.through as usize];
        let is_done = |message: &Message| matches!(message.status(), 0 | 1 | 300..);
        (self.batch.len(), handled.iter().any(is_done))
    }

    /// Takes out the messages that are to be tried again, with their attempts counted.
    pub(crate) fn take_retries(&mut self, stage: &Stage) -> Option<Retries> {
        let max_attempts = stage.retry.max_attempts;
        let wants = |message: &Message| {
            RETRY.contains(&message.status()) && message.attempts().saturating_add(1) < max_attempts
        };
        let through = self.context.through as usize;
        let handled = &self.batch.messages()[..through];
        let count = handled.iter().filter(|message| wants(message)).count();
        if count == 0 {
            return None;
        }
        let (mut batch, mut places) = (Batch::new(count as u32), Vec::with_capacity(count));
        let (mut attempts, now) = (Vec::with_capacity(count), stage.clock.now());
        for (place, message) in self.batch.messages_mut().iter_mut().enumerate() {
            if place < through && wants(message) {
                let mut message = std::mem::replace(message, Message::vacated());
                stage.report_retry(&message);
                if stage.dead_letters.is_some() {
                    let before = self.context.attempts.get_mut(place).map(std::mem::take);
                    let mut of_message = before.unwrap_or_default();
                    of_message.add(&message, now);
                    attempts.push(of_message);
                }
                message.set_attempts(message.attempts().saturating_add(1));
                message.set_status(0);
                places.push(place as u32);
                let full = batch.push(message).is_err();
                debug_assert!(!full, "there is room for all that were counted");
            }
        }
        Some(Retries { batch, places, attempts })
    }

    /// Writes the attempts into the messages that have failed for good, for the dead letters.
    pub(crate) fn write_attempts(&mut self, stage: &Stage) {
        if self.context.attempts.is_empty() || stage.dead_letters.is_none() {
            return;
        }
        let attempts = std::mem::take(&mut self.context.attempts);
        for (message, attempts) in self.batch.messages_mut().iter_mut().zip(attempts) {
            if !matches!(message.status(), 0 | 1 | 300.. | VACATED) {
                attempts.write_on(message);
            }
        }
    }

    /// Settles the messages that end here, and puts the rest together, with the messages sent
    /// meanwhile in their places.
    pub(crate) fn into_output(self, stage: &Stage, gave_up: bool) -> Output {
        let HandledBatch { mut batch, context: Context { ticket, emitted, through, .. } } = self;
        let mut output = Output { ticket, ..Output::default() };
        // From the end on: so each message is moved once, however many parts there are.
        let mut parts = Vec::with_capacity(emitted.len());
        for (place, sent) in emitted.into_iter().rev() {
            parts.push((place, sent, batch.split_off(place as usize)));
        }
        settle(stage, &mut batch, through, gave_up, &mut output);
        output.push(batch);
        for (place, sent, mut after) in parts.into_iter().rev() {
            output.push(sent);
            settle(stage, &mut after, through.saturating_sub(place), gave_up, &mut output);
            output.push(after);
        }
        output
    }
}

/// The status of a place whose message was taken out for another attempt.
const VACATED: i32 = Message::VACATED;
/// The statuses of Retry.
const RETRY: std::ops::Range<i32> = 100..200;

/// Leaves the Done messages in the batch, and puts those to be kept with the dead letters into the
/// output. Messages from `through` on were not handled.
fn settle(stage: &Stage, batch: &mut Batch, through: u32, gave_up: bool, output: &mut Output) {
    let (mut dropped, mut failed, mut kept, mut returned, mut place) = (0, 0, 0, 0, 0);
    let (mut dead_letters, mut exhausted) = (0, 0);
    batch.retain(|message| {
        place += 1;
        let fate = match message.status() {
            _ if place > through => Fate::Settle(Outcome::RETURNED),
            0 => Fate::Keep,
            // Its delivery is with the kept message. If not, nothing keeps it.
            1 if !message.has_delivery() => {
                kept += 1;
                Fate::Settle(Outcome::DELIVERED)
            }
            VACATED => Fate::Settle(Outcome::DELIVERED),
            _ if stage.is_done_with() => Fate::Settle(Outcome::RETURNED),
            status if gave_up && RETRY.contains(&status) => Fate::Settle(Outcome::RETURNED),
            300.. => {
                dropped += 1;
                Fate::Settle(Outcome::DROPPED)
            }
            status => {
                failed += 1;
                exhausted += u64::from(RETRY.contains(&status));
                if stage.on_fail != OnFail::DeadLetter {
                    stage.report_failure(message, None);
                }
                match stage.on_fail {
                    OnFail::DeadLetter => {
                        dead_letters += 1;
                        Fate::Keep
                    }
                    OnFail::Discard => Fate::Settle(Outcome::FAILED),
                    OnFail::Stop => Fate::Settle(Outcome::RETURNED),
                }
            }
        };
        if fate == Fate::Settle(Outcome::RETURNED) {
            returned += 1;
        }
        fate
    });
    if dead_letters > 0 {
        take_failed(stage, batch, dead_letters, output);
    }
    let counters = &stage.counters;
    counters.dropped.fetch_add(dropped, Relaxed);
    if dropped > 0 && stage.is_buffer {
        stage.failures.report_dropped(dropped, "the buffer is full (max_bytes)");
    }
    counters.failed.fetch_add(failed, Relaxed);
    counters.exhausted.fetch_add(exhausted, Relaxed);
    if failed > 0 && stage.on_fail == OnFail::Stop {
        stage.stop_on_failure();
    }
    counters.kept.fetch_add(kept, Relaxed);
    counters.returned.fetch_add(returned, Relaxed);
}

/// Moves the failed ones that `settle` has left in the batch out of it.
fn take_failed(stage: &Stage, batch: &mut Batch, count: u32, output: &mut Output) {
    let failed = output.failed.get_or_insert_with(|| Batch::new(count));
    while failed.room() < count as usize {
        failed.grow();
    }
    for slot in batch.messages_mut().iter_mut().filter(|message| message.status() != 0) {
        let mut message = std::mem::replace(slot, Message::vacated());
        stage.to_dead_letters(&mut message);
        let full = failed.push(message).is_err();
        debug_assert!(!full, "there is room for all that were counted");
    }
    batch.retain(|message| match message.status() {
        VACATED => Fate::Settle(Outcome::DELIVERED),
        _ => Fate::Keep,
    });
}
