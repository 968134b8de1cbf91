//! Messages that their component wants again, later. How long they wait is in `plan/policy.rs`
//! ([`RetryPolicy::backoff`]).
//!
//! Messages that wait leave their batch. The batch keeps its place in the order and its room in the
//! channel until their attempts have ended, and then gets them back (`handled.rs`). Without an
//! order to keep, the rest of the batch continues at once.
use std::collections::BTreeMap;

use crate::{base::clock::Clock, plan::policy::RetryPolicy, worker::handled::HandledBatch};

/// The batches that wait for their next attempt, by its moment.
#[derive(Default)]
pub(crate) struct Waiting {
    by_moment: BTreeMap<(i64, u64), HandledBatch>,
    count: u64,
}

impl Waiting {
    /// Puts messages away until their attempt number `attempt` is due.
    pub(crate) fn add(
        &mut self,
        clock: &Clock,
        policy: &RetryPolicy,
        attempt: u16,
        handled: HandledBatch,
    ) {
        self.count += 1;
        let moment = clock.after(policy.backoff(attempt));
        self.by_moment.insert((moment, self.count), handled);
    }

    /// When the next one is due; `i64::MAX` for never.
    pub(crate) fn next(&self) -> i64 {
        self.by_moment.keys().next().map_or(i64::MAX, |(moment, _)| *moment)
    }

    /// One that is due at `now`: always before any put away since.
    pub(crate) fn take_due(&mut self, now: i64) -> Option<HandledBatch> {
        let due = self.next() <= now && !self.is_empty();
        due.then(|| self.by_moment.pop_first())?.map(|(_, handled)| handled)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_moment.is_empty()
    }
}
