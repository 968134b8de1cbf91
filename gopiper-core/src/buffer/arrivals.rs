//! When blocks came into a buffer: only as much as tells how old the oldest one is, to a second.
use std::{collections::VecDeque, fs, path::Path, time::UNIX_EPOCH};

/// Blocks that came within so many nanoseconds have one time.
const GRAIN: i64 = 1_000_000_000;
/// The most times that are kept. Beyond that every second one is forgotten.
const MOST: usize = 1024;

/// The numbers of blocks, in order, each with the time when it came. Blocks between two of them
/// came between these times.
#[derive(Debug, Default)]
pub(super) struct Arrivals(VecDeque<(u64, i64)>);

impl Arrivals {
    /// The blocks of an earlier run came at this time at the latest.
    pub(super) fn of_earlier_run(time: Option<i64>) -> Self {
        Arrivals(time.map(|time| (0, time)).into_iter().collect())
    }

    /// Blocks from this number on come now.
    pub(super) fn add(&mut self, first: u64, now: i64) {
        if self.0.back().is_some_and(|(_, last)| now < last.saturating_add(GRAIN)) {
            return;
        }
        if self.0.len() == MOST {
            let mut place = 0;
            self.0.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        self.0.push_back((first, now));
    }

    /// When the block with this number came, which is the oldest one that is left.
    pub(super) fn oldest(&mut self, number: u64) -> Option<i64> {
        while self.0.get(1).is_some_and(|(next, _)| *next <= number) {
            self.0.pop_front();
        }
        self.0.front().map(|(_, time)| *time)
    }
}

/// When the files in a folder were written last, of the one where that is longest ago.
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
        assert_eq!(Arrivals::default().oldest(0), None);
    }

    #[test]
    fn few_times_are_kept_of_many_blocks() {
        let mut arrivals = Arrivals::default();
        for number in 0..100 * MOST as u64 {
            arrivals.add(number, number as i64 * GRAIN);
        }
        assert!(arrivals.0.len() <= MOST);
        assert_eq!(arrivals.oldest(0), Some(0), "the oldest one stays");
        let middle = 50 * MOST as i64;
        let found = arrivals.oldest(middle as u64).map(|time| time / GRAIN);
        assert!(found.is_some_and(|found| found <= middle && found > 0), "{found:?}");
    }
}
