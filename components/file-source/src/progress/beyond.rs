//! The ranges of a file that were delivered out of order, beyond the offset of its checkpoint.
use std::{fs::File, io, ops::Range};

use serde::{Deserialize, Serialize};

use crate::files::identity::Mark;

/// The most ranges that are remembered of one file. Of more, the longest are: the messages in the
/// others come again.
const MOST: usize = 10_000;

/// The messages in these ranges of bytes have gone through, though one before them has not. They
/// are not sent again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Beyond {
    /// In order, apart from each other, and none of them empty.
    ranges: Vec<Range<u64>>,
    /// The bytes before a place after them: a rewritten file does not have these.
    mark: Option<Mark>,
}

impl Beyond {
    /// Merges the ranges, in any order, that reach beyond `offset`.
    /// Also returns how many are left out.
    pub(crate) fn new(
        ranges: impl IntoIterator<Item = Range<u64>>,
        offset: u64,
        mark: Option<Mark>,
    ) -> (Option<Self>, usize) {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| range.end > offset).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, range| {
            let touches = next.start <= range.end;
            if touches {
                range.end = range.end.max(next.end);
            }
            touches
        });
        let left_out = ranges.len().saturating_sub(MOST);
        if left_out > 0 {
            ranges.sort_unstable_by_key(|range| range.start.wrapping_sub(range.end));
            ranges.truncate(MOST);
            ranges.sort_unstable_by_key(|range| range.start);
        }
        ((!ranges.is_empty()).then_some(Beyond { ranges, mark }), left_out)
    }

    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// Whether the file holds what it held when this was remembered.
    pub(crate) fn fits(&self, file: &File) -> io::Result<bool> {
        self.mark.as_ref().map_or(Ok(true), |mark| mark.fits(file))
    }

    /// Whether a message that begins and ends there has gone through.
    pub(crate) fn has(&self, message: &Range<u64>) -> bool {
        // One without an end is not done: what follows its beginning was not seen.
        let behind = self.ranges.partition_point(|range| range.start <= message.start);
        let before = behind.checked_sub(1).map(|last| &self.ranges[last]);
        !message.is_empty() && before.is_some_and(|range| message.end <= range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one_and_those_before_the_offset_none() {
        let beyond = Beyond::new([30..40, 5..10, 20..25, 25..31], 10, None).0.unwrap();
        assert_eq!(beyond.ranges(), std::slice::from_ref(&(20..40)));
        assert_eq!(Beyond::new([5..10, 2..3], 10, None), (None, 0));
    }

    #[test]
    fn a_message_is_done_if_all_of_it_is() {
        let beyond = Beyond::new([20..30, 40..50], 10, None).0.unwrap();
        for done in [20..30, 20..21, 25..30, 40..41] {
            assert!(beyond.has(&done), "{done:?}");
        }
        for open in [10..20, 19..21, 25..31, 30..40, 30..30, 20..20, 25..45, 50..51] {
            assert!(!beyond.has(&open), "{open:?}");
        }
    }

    #[test]
    fn of_too_many_the_longest_stay() {
        let short = (0..20_000u64).map(|at| at * 10..at * 10 + 1 + at % 2);
        let (beyond, left_out) = Beyond::new(short, 0, None);
        let beyond = beyond.unwrap();
        assert_eq!(left_out, 20_000 - MOST);
        assert_eq!(beyond.ranges().len(), MOST);
        assert!(beyond.ranges().iter().all(|range| range.end - range.start == 2));
        assert!(beyond.ranges().is_sorted_by_key(|range| range.start));
    }
}
