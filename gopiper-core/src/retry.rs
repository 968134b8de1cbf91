//! Messages that their component wants again, later.
use std::collections::BTreeMap;

use crate::{clock, handled::Handled, policy::RetryPolicy};

/// What waits for its next attempt, by the moment of that.
#[derive(Default)]
pub(crate) struct Waiting {
    by_moment: BTreeMap<(i64, u64), Handled>,
    count: u64,
}

impl Waiting {
    /// Puts messages away until their attempt number `attempt` is due.
    pub(crate) fn add(&mut self, policy: &RetryPolicy, attempt: u16, handled: Handled) {
        let backoff = i64::try_from(policy.backoff(attempt).as_nanos()).unwrap_or(i64::MAX);
        self.count += 1;
        let moment = clock::monotonic().saturating_add(backoff);
        self.by_moment.insert((moment, self.count), handled);
    }

    /// When the next one is due; `i64::MAX` for never.
    pub(crate) fn next(&self) -> i64 {
        self.by_moment.keys().next().map_or(i64::MAX, |(moment, _)| *moment)
    }

    /// The moment up to which what waits is due; 0 if nothing waits, for a look at the clock costs.
    pub(crate) fn now(&self) -> i64 {
        if self.is_empty() { 0 } else { clock::monotonic() }
    }

    /// One that is due at `now`: always before what was put away since.
    pub(crate) fn take_due(&mut self, now: i64) -> Option<Handled> {
        let due = self.next() <= now && !self.is_empty();
        due.then(|| self.by_moment.pop_first())?.map(|(_, handled)| handled)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_moment.is_empty()
    }
}
