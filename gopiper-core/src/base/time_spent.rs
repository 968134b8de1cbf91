//! The time that threads spend in one way. They record it where they wait anyway; any thread may
//! read it.
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Clock;

/// The time that threads spend in one way.
#[derive(Debug)]
pub(crate) struct TimeSpent {
    clock: Clock,
    stays: Mutex<Stays>,
}

#[derive(Debug, Default)]
struct Stays {
    /// Each stay adds the moment of its end and subtracts that of its beginning.
    sum: i64,
    /// The number of stays that have begun and not ended.
    open: i64,
}

impl TimeSpent {
    pub(crate) fn new(clock: Clock) -> Self {
        TimeSpent { clock, stays: Mutex::default() }
    }

    /// Counts the time from now until the result is dropped.
    pub(crate) fn begin(&self) -> Stay<'_> {
        let mut stays = self.stays.lock();
        stays.sum -= self.clock.monotonic();
        stays.open += 1;
        Stay(self)
    }

    /// The time so far, including stays that have not ended.
    pub(crate) fn read(&self) -> Duration {
        let stays = self.stays.lock();
        // Under the lock: a stay that begins meanwhile would begin after this moment.
        let sum = stays.sum + stays.open * self.clock.monotonic();
        Duration::from_nanos(u64::try_from(sum).unwrap_or(0))
    }
}

/// The stay of one thread. It ends when this is dropped.
#[must_use = "it ends at once if it is dropped"]
pub(crate) struct Stay<'a>(&'a TimeSpent);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let mut stays = self.0.stays.lock();
        stays.sum += self.0.clock.monotonic();
        stays.open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;

    #[test]
    fn time_counts_while_it_passes() {
        let hand = ManualClock::new();
        let spent = TimeSpent::new(hand.clock());
        let first = spent.begin();
        hand.advance(Duration::from_secs(2));
        let second = spent.begin();
        hand.advance(Duration::from_secs(1));
        assert_eq!(spent.read(), Duration::from_secs(4));
        drop((first, second));
        hand.advance(Duration::from_secs(9));
        assert_eq!(spent.read(), Duration::from_secs(4));
    }
}
