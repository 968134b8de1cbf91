//! The times when blocks came into a buffer. They show the age of the oldest block: to a second, or
//! to a small part of the age if the buffer holds messages of many minutes.
use std::{collections::VecDeque, fs, path::Path, time::UNIX_EPOCH};

/// Blocks that came within this many nanoseconds share one time.
const GRAIN: i64 = 1_000_000_000;
/// The most times that are kept. Beyond that, every second one is removed, and new ones are added
/// less often.
const MOST: usize = 1024;

/// The numbers of blocks, in order, each with the time when it came. Blocks between two of them
/// came between these times.
#[derive(Debug)]
pub(super) struct Arrivals {
    times: VecDeque<(u64, i64)>,
    grain: i64,
}

impl Arrivals {
    /// The oldest block of an earlier run came at this time at the latest. Its other blocks share
    /// the time.
    pub(super) fn of_earlier_run(time: Option<i64>) -> Self {
        Arrivals { times: time.map(|time| (0, time)).into_iter().collect(), grain: GRAIN }
    }

    /// Records that blocks from this number on come now.
    pub(super) fn add(&mut self, first: u64, now: i64) {
        if self.times.back().is_some_and(|(_, last)| now < last.saturating_add(self.grain)) {
            return;
        }
        if self.times.len() == MOST {
            let mut place = 0;
            self.times.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.grain = self.grain.saturating_mul(2);
        }
        self.times.push_back((first, now));
    }

    /// When the block with this number came. It must be the oldest block that is left.
    pub(super) fn oldest(&mut self, number: u64) -> Option<i64> {
        while self.times.get(1).is_some_and(|(next, _)| *next <= number) {
            self.times.pop_front();
        }
        if self.times.len() < MOST / 4 {
            self.grain = GRAIN;
        }
        self.times.front().map(|(_, time)| *time)
    }
}

/// The earliest time at which a file of the folder was last written.
pub(super) fn oldest_file(folder: &Path) -> Option<i64> {
    let files = fs::read_dir(folder).ok()?.flatten();
    let written = files.filter_map(|file| file.metadata().ok()?.modified().ok());
    let since = written.min()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_block_has_its_time() {
        let mut arrivals = Arrivals::of_earlier_run(Some(5 * GRAIN));
        assert_eq!(arrivals.oldest(3), Some(5 * GRAIN));
        arrivals.add(10, 7 * GRAIN);
        arrivals.add(11, 7 * GRAIN + 1);
        arrivals.add(12, 9 * GRAIN);
        assert_eq!(arrivals.oldest(9), Some(5 * GRAIN));
        assert_eq!(arrivals.oldest(11), Some(7 * GRAIN));
        assert_eq!(arrivals.oldest(100), Some(9 * GRAIN));
        assert_eq!(Arrivals::of_earlier_run(None).oldest(0), None);
    }

    #[test]
    fn few_times_are_kept_of_many_blocks() {
        let mut arrivals = Arrivals::of_earlier_run(None);
        let count = 100 * MOST as i64;
        for number in 0..count {
            arrivals.add(number as u64, number * GRAIN);
        }
        assert!(arrivals.times.len() <= MOST);
        for number in [0, count / 3, count / 2, count - 1] {
            let found = arrivals.oldest(number as u64).expect("a time") / GRAIN;
            let off = number - found;
            assert!((0..=count / (MOST as i64 / 4)).contains(&off), "{number}: {found}");
        }
    }
}
