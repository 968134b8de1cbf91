//! The counts of a component so far.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gopiper_abi::raw::Outcome;

/// Counters of one stage, added to once for each batch.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) exhausted: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) unsent: AtomicU64,
    pub(crate) deferred: AtomicU64,
    pub(crate) returned: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) late: AtomicU64,
}

/// The counts of a component so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ComponentCounts {
    /// Messages that came to it.
    pub received: u64,
    /// The bytes of their payloads.
    pub received_bytes: u64,
    /// Messages that it passed on, or made itself, or (a sink) delivered.
    pub sent: u64,
    /// The bytes of the payloads that it passed on or made itself; 0 for a sink.
    pub sent_bytes: u64,
    /// Messages that it dropped on purpose.
    pub dropped: u64,
    /// Messages that it failed with.
    pub failed: u64,
    /// Failed messages that it wanted to try again, but that had no attempts left.
    pub exhausted: u64,
    /// Failed messages that went to the dead letters.
    pub dead_letters: u64,
    /// Messages that it kept, to make something of them.
    pub kept: u64,
    /// Kept messages that it released without sending anything: they have failed.
    pub unsent: u64,
    /// Batches with messages that it deferred, and had not reported when the call ended.
    pub deferred: u64,
    /// Messages that went back to their source, because the pipeline ended there.
    pub returned: u64,
    /// How often it was given a message again.
    pub retries: u64,
    /// How often it panicked.
    pub panics: u64,
    /// How often it was created again, for example after a panic.
    pub restarts: u64,
    /// Its workers that were given up, because they were stuck.
    pub abandoned: u64,
    /// Its reports that came too late: nothing waited for them any more.
    pub late: u64,
    /// Messages that did not come to it, as there was no room: in a branch that no sender waits
    /// for.
    pub missed: u64,
}

impl Counters {
    pub(crate) fn read(&self, missed: u64) -> ComponentCounts {
        ComponentCounts {
            received: self.received.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            sent: self.sent.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            failed: self.failed.load(Relaxed),
            exhausted: self.exhausted.load(Relaxed),
            dead_letters: self.dead_letters.load(Relaxed),
            kept: self.kept.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            deferred: self.deferred.load(Relaxed),
            returned: self.returned.load(Relaxed),
            retries: self.retries.load(Relaxed),
            panics: self.panics.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            late: self.late.load(Relaxed),
            missed,
        }
    }
}

/// The outcomes of the messages that a pipeline's components created themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// The last component has finished all messages made from them.
    pub delivered: u64,
    /// They were dropped on purpose.
    pub dropped: u64,
    /// They failed, and are kept with the dead letters.
    pub dead_lettered: u64,
    /// They failed and were discarded.
    pub failed: u64,
    /// The pipeline ended before they were settled.
    pub returned: u64,
}

impl OutcomeCounts {
    /// The count of each outcome, with its name as operators see it.
    pub fn named(&self) -> [(&'static str, u64); 5] {
        let OutcomeCounts { delivered, dropped, dead_lettered, failed, returned } = *self;
        let counts = [delivered, dropped, dead_lettered, failed, returned];
        std::array::from_fn(|place| (OUTCOMES[place], counts[place]))
    }
}

/// The outcomes, from the best to the worst.
const OUTCOMES: [&str; 5] = ["delivered", "dropped", "dead_lettered", "failed", "returned"];

/// The name of an outcome, as operators see it.
pub fn outcome_name(outcome: Outcome) -> &'static str {
    OUTCOMES[place_of(outcome)]
}

/// The place of an outcome in [`OUTCOMES`]. An unknown one, of a later interface, counts as the
/// worst.
fn place_of(outcome: Outcome) -> usize {
    usize::try_from(outcome.0).unwrap_or(4).min(4)
}

/// Outcomes, counted as they come.
#[derive(Debug, Default)]
pub(crate) struct Outcomes([AtomicU64; 5]);

impl Outcomes {
    pub(crate) fn add(&self, outcome: Outcome, count: u32) {
        self.0[place_of(outcome)].fetch_add(u64::from(count), Relaxed);
    }

    pub(crate) fn read(&self) -> OutcomeCounts {
        let [delivered, dropped, dead_lettered, failed, returned] =
            [0, 1, 2, 3, 4].map(|i: usize| self.0[i].load(Relaxed));
        OutcomeCounts { delivered, dropped, dead_lettered, failed, returned }
    }
}
