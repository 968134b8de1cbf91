//! The last reasons why messages of a component failed, as operators see them.
use std::collections::VecDeque;

use parking_lot::Mutex;

/// The number of reasons that are kept.
const KEPT: usize = 8;

/// A reason that the log reported in full. It may have occurred again since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentFailure {
    /// When it first occurred: nanoseconds since 1970.
    pub time: i64,
    /// The status that the component gave.
    pub status: i32,
    /// The description of the failure, on one line.
    pub description: String,
}

#[derive(Default)]
pub(crate) struct RecentFailures(Mutex<VecDeque<RecentFailure>>);

impl RecentFailures {
    pub(crate) fn add(&self, failure: RecentFailure) {
        let mut kept = self.0.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// From the oldest to the newest.
    pub(crate) fn read(&self) -> Vec<RecentFailure> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_in_order() {
        let recent = RecentFailures::default();
        for time in 0..20 {
            recent.add(RecentFailure { time, status: 1, description: time.to_string() });
        }
        let times: Vec<_> = recent.read().iter().map(|failure| failure.time).collect();
        assert_eq!(times, (12..20).collect::<Vec<_>>());
    }
}
