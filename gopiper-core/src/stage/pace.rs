//! How often messages are chosen, so that an operator is not shown too many.
use std::{
    sync::atomic::{
        AtomicI64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    time::Duration,
};

/// Chooses a limited number of messages a second, for workers that share it.
pub(super) struct Pace {
    /// Nanoseconds between two messages.
    interval: i64,
    /// When the next message may be chosen, at the earliest.
    due: AtomicI64,
}

impl Pace {
    pub(super) fn new(per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        let interval = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX);
        Pace { interval, due: AtomicI64::new(i64::MIN) }
    }

    /// When the next message may be chosen, at the earliest.
    pub(super) fn due(&self) -> i64 {
        self.due.load(Relaxed)
    }

    /// The message that `find` finds, if one is due. Only then does it search.
    #[inline]
    pub(super) fn choose<T>(&self, now: i64, find: impl FnOnce() -> Option<T>) -> Option<T> {
        let before = self.due.load(Acquire);
        if now < before {
            return None;
        }
        let found = find()?;
        let next = now.saturating_add(self.interval);
        // Another worker may have been faster.
        self.due.compare_exchange(before, next, AcqRel, Relaxed).ok().map(|_| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_chosen_when_it_is_due_and_found() {
        let pace = Pace::new(10.0);
        assert_eq!(pace.choose(0, || None::<u8>), None);
        assert_eq!([pace.choose(0, || Some(1)), pace.choose(1, || Some(2))], [Some(1), None]);
        assert_eq!(pace.due(), 100_000_000);
        let another = || pace.choose(100_000_000, || Some(3));
        assert_eq!(pace.choose(100_000_000, another), None, "another worker was faster");
        assert_eq!(pace.due(), 200_000_000);
        assert_eq!(Pace::new(1e-300).choose(5, || Some(4)), Some(4));
    }
}
