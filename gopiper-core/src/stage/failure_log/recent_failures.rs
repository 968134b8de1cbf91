//! The last reasons why messages of a component failed, as operators see them.
use std::collections::VecDeque;

use parking_lot::Mutex;

/// The number of reasons that are kept.
const KEPT: usize = 8;

/// A reason why messages failed, with its last occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentFailure {
    /// When it occurred last, to a tenth of a second: nanoseconds since 1970.
    pub time: i64,
    /// The status that the component gave.
    pub status: i32,
    /// The description of that failure, on one line.
    pub description: String,
}

/// Reasons by the keys that tell them apart.
#[derive(Default)]
pub(crate) struct RecentFailures(Mutex<VecDeque<(u64, RecentFailure)>>);

impl RecentFailures {
    /// Adds a failure, in place of the one before it with the same key.
    pub(crate) fn put(&self, key: u64, failure: RecentFailure) {
        let mut kept = self.0.lock();
        let before = kept.iter().position(|(other, _)| *other == key);
        if let Some(place) = before.or((kept.len() == KEPT).then_some(0)) {
            kept.remove(place);
        }
        kept.push_back((key, failure));
    }

    /// From the oldest to the newest.
    pub(crate) fn read(&self) -> Vec<RecentFailure> {
        self.0.lock().iter().map(|(_, failure)| failure.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_kept_with_its_last_occurrence() {
        let recent = RecentFailures::default();
        let put = |key, time| {
            recent.put(key, RecentFailure { time, status: 1, description: time.to_string() });
        };
        (0..20).for_each(|time| put(time as u64, time));
        put(15, 20);
        let times: Vec<_> = recent.read().iter().map(|failure| failure.time).collect();
        assert_eq!(times, [12, 13, 14, 16, 17, 18, 19, 20]);
        put(30, 21);
        assert_eq!(recent.read()[0].time, 13);
        assert_eq!(recent.read()[6].description, "20");
    }
}
