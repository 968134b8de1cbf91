//! The source and the sink around a component in a trial, and what they record.
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use gopiper_abi::{
    Component, Error, HandledCallback, Message, Outcome, Postponed, Produced, Report, Source,
};

/// The most messages that are kept of the output, and outcomes of the input.
const LOOKED_AT: usize = 10_000;

/// The outcomes of output messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MessagesEnd {
    Done,
    /// One is done, the next is dropped, the next has failed, the next is tried again, and so on.
    Mixed,
    /// This many are done, and all others fail while messages are under way, so that some are
    /// returned.
    FailsAfter(usize),
}

/// The input and the output.
pub(crate) struct Seen {
    pub(crate) input: Box<dyn Iterator<Item = Message> + Send>,
    pub(crate) output: Vec<Message>,
    pub(crate) failed: Vec<Message>,
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    pub(crate) produced: Vec<Vec<u8>>,
}

pub(crate) type SharedSeen = Arc<Mutex<Seen>>;

impl Seen {
    pub(crate) fn of(input: Box<dyn Iterator<Item = Message> + Send>) -> Self {
        let (output, failed, outcomes, produced) = Default::default();
        Seen { input, output, failed, outcomes, produced }
    }
}

pub(crate) fn lock(seen: &SharedSeen) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_at<T>(at: &mut Vec<T>, one: T) {
    if at.len() < LOOKED_AT {
        at.push(one);
    }
}

/// The source of the input.
pub(crate) struct Feed {
    seen: SharedSeen,
    batch: usize,
    sent: u64,
    waits: bool,
    postponed: Postponed,
}

impl Feed {
    /// `waits` at the end of the input for a stop.
    pub(crate) fn new(seen: SharedSeen, batch: usize, waits: bool, postponed: Postponed) -> Self {
        Feed { seen, batch, sent: 0, waits, postponed }
    }
}

impl Source for Feed {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        let mut seen = lock(&self.seen);
        let take = self.batch.min(batch.room());
        for message in seen.input.by_ref().take(take) {
            let _ = batch.push(message);
        }
        for _ in 0..batch.len() {
            look_at(&mut seen.outcomes, Vec::new());
        }
        drop(seen);
        if batch.is_empty() {
            return Ok(if self.waits { Produced::WAITING } else { Produced::FINISHED });
        }
        let first = self.sent;
        self.sent += batch.len() as u64;
        self.postponed.send_tracked(batch, first)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, token: u64, indices: Range<u32>, outcome: Outcome) {
        let mut seen = lock(&self.seen);
        for index in indices {
            let place = token as usize + index as usize;
            if let Some(outcomes) = seen.outcomes.get_mut(place) {
                outcomes.push(outcome);
            }
        }
    }
}

/// Records the messages of a source.
pub(crate) struct Tap(pub(crate) SharedSeen);

impl Component for Tap {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        look_at(&mut lock(&self.0).produced, message.data().to_vec());
        handled.done(message);
    }
}

/// The sink in which messages end.
pub(crate) struct Collect {
    seen: SharedSeen,
    /// For those that have failed.
    is_grave: bool,
    ending: MessagesEnd,
    came: usize,
}

impl Collect {
    pub(crate) fn new(seen: SharedSeen, ending: MessagesEnd) -> Self {
        Collect { seen, is_grave: false, ending, came: 0 }
    }

    /// For those that have failed.
    pub(crate) fn grave(seen: SharedSeen) -> Self {
        Collect { seen, is_grave: true, ending: MessagesEnd::Done, came: 0 }
    }

    /// Until the source has sent all that it will for now.
    fn wait_for_more(&self) {
        let produced = || lock(&self.seen).produced.len();
        for _ in 0..20 {
            let before = produced();
            thread::sleep(Duration::from_millis(50));
            if produced() == before {
                return;
            }
        }
    }
}

impl Component for Collect {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let mut seen = lock(&self.seen);
        if self.is_grave {
            look_at(&mut seen.failed, message.duplicate());
            return handled.done(message);
        }
        let nth = self.came;
        self.came += 1;
        if !matches!(self.ending, MessagesEnd::FailsAfter(count) if nth >= count) {
            look_at(&mut seen.output, message.duplicate());
        }
        drop(seen);
        match self.ending {
            MessagesEnd::Mixed if message.attempts() == 0 => match nth % 4 {
                0 => handled.done(message),
                1 => handled.discard(message),
                2 => handled.fail(message, "as the trial wants it"),
                _ => handled.report(message, Report::retry(0, "as the trial wants it")),
            },
            MessagesEnd::FailsAfter(count) if nth >= count => {
                if nth == count {
                    self.wait_for_more();
                }
                handled.fail(message, "as the trial wants it");
            }
            _ => handled.done(message),
        }
    }
}
