//! Counts of durations by their length. Recording takes two atomic additions for each batch.
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Counts of durations by their length.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    buckets: [AtomicU64; DURATIONS.len() + 1],
    nanoseconds: AtomicU64,
}

/// The upper bounds of the buckets, in nanoseconds: from 10 µs to 100 s.
pub(crate) const DURATIONS: [u64; 15] = {
    let mut bounds = [0; 15];
    let (mut place, mut bound) = (0, 10_000);
    while place < bounds.len() {
        bounds[place] = if place % 2 == 0 { bound } else { 3 * bound };
        bound *= if place % 2 == 0 { 1 } else { 10 };
        place += 1;
    }
    bounds
};

impl Durations {
    /// Counts a duration `times` times. A negative one (a clock was set back) counts as 0.
    pub(crate) fn record(&self, nanoseconds: i64, times: u64) {
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
        let place = DURATIONS.partition_point(|bound| *bound < nanoseconds);
        self.buckets[place].fetch_add(times, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds.saturating_mul(times), Relaxed);
    }

    pub(crate) fn read(&self) -> DurationCounts {
        let counts = |place: usize| self.buckets[place].load(Relaxed);
        DurationCounts {
            within: DURATIONS
                .iter()
                .enumerate()
                .map(|(place, bound)| (Duration::from_nanos(*bound), counts(place)))
                .collect(),
            longer: counts(DURATIONS.len()),
            sum: Duration::from_nanos(self.nanoseconds.load(Relaxed)),
        }
    }
}

/// Counts of durations by their length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DurationCounts {
    /// The upper bounds of the buckets, ascending, each with the number of durations up to it and
    /// above the bound before.
    pub within: Vec<(Duration, u64)>,
    /// The number of durations that were longer than the last bound.
    pub longer: u64,
    /// The sum of all durations.
    pub sum: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_bucket_each_and_a_sum() {
        assert_eq!(DURATIONS[..4], [10_000, 30_000, 100_000, 300_000]);
        assert_eq!(DURATIONS[14], 100_000_000_000);
        let durations = Durations::default();
        for (nanoseconds, times) in [(-5, 1), (10_000, 2), (10_001, 3), (200_000_000_000, 1)] {
            durations.record(nanoseconds, times);
        }
        let counts = durations.read();
        assert_eq!(counts.within[0], (Duration::from_micros(10), 3));
        assert_eq!((counts.within[1].1, counts.longer), (3, 1));
        assert_eq!(counts.sum, Duration::from_nanos(200_000_050_003));
    }
}
