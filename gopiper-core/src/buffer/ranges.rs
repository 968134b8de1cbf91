//! Sets of numbers that are mostly consecutive.
use std::{collections::BTreeMap, ops::Range};

/// A set of numbers, as ranges that do not touch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub(super) fn insert(&mut self, range: Range<u64>) {
        let (mut start, mut end) = (range.start, range.end);
        if start >= end {
            return;
        }
        // Those that overlap or touch it become part of it.
        while let Some((&from, &to)) = self.0.range(..=end).next_back() {
            if to < start {
                break;
            }
            (start, end) = (start.min(from), end.max(to));
            self.0.remove(&from);
        }
        self.0.insert(start, end);
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.end_of(number) > number
    }

    /// The first number from this one on that is not in the set.
    pub(super) fn end_of(&self, number: u64) -> u64 {
        match self.0.range(..=number).next_back() {
            Some((_, end)) => number.max(*end),
            None => number,
        }
    }

    /// Removes the numbers below this one.
    pub(super) fn remove_below(&mut self, number: u64) {
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() < number) {
            let end = first.remove();
            if end > number {
                self.0.insert(number, end);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(start, end)| *start..*end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..random.usize(..12) {
                let start = random.u64(..30);
                let range = start..start + random.u64(..6);
                ranges.insert(range.clone());
                set.extend(range);
            }
            let below = random.u64(..20);
            ranges.remove_below(below);
            set.retain(|number| *number >= below);
            assert_eq!(ranges.iter().flatten().collect::<BTreeSet<_>>(), set);
            for number in 0..40 {
                assert_eq!(ranges.contains(number), set.contains(&number));
                let end = (number..).find(|one| !set.contains(one));
                assert_eq!(Some(ranges.end_of(number)), end);
            }
            let touch =
                ranges.iter().zip(ranges.iter().skip(1)).any(|(one, next)| one.end >= next.start);
            assert!(!touch, "{ranges:?}");
        }
    }
}
