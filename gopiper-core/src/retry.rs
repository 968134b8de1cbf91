//! Messages that their component wants again, later.
use std::{collections::BTreeMap, time::Duration};

use crate::{clock, handled::Handled};

/// How often and when a component gets a message again that it reported as Retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often it gets the message at most, the first time included.
    pub max_attempts: u16,
    /// How long the second attempt waits; each further one waits twice as long as the one before.
    pub initial_backoff: Duration,
    /// How long an attempt waits at most.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before attempt `attempt` (2 is the first one that waits): half of it is
    /// chance, so that what failed together does not come back together.
    fn backoff(&self, attempt: u16) -> Duration {
        let doublings = u32::from(attempt.saturating_sub(2)).min(32);
        let full =
            self.initial_backoff.saturating_mul(1 << doublings.min(31)).min(self.max_backoff);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_doubles_up_to_its_cap_and_half_of_it_is_chance() {
        let policy = RetryPolicy {
            max_attempts: 100,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_millis(1500),
        };
        for (attempt, full) in
            [(2, 100), (3, 200), (4, 400), (6, 1500), (60, 1500), (u16::MAX, 1500)]
        {
            let full = Duration::from_millis(full);
            for _ in 0..50 {
                let backoff = policy.backoff(attempt);
                assert!(backoff >= full / 2 && backoff <= full, "{attempt}: {backoff:?}");
            }
        }
    }
}
