//! The threads of a stage's workers, by the numbers that the kernel shows.
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::cpu;

/// The threads of a stage's workers, and their processor time.
#[derive(Debug, Default)]
pub(crate) struct Threads(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    present: Vec<u32>,
    /// The processor time of those that have ended.
    ended: Duration,
}

impl Threads {
    /// This thread belongs to the stage until the result is dropped, on the same thread.
    pub(crate) fn enter(&self) -> Presence<'_> {
        let number = rustix::thread::gettid().as_raw_pid().unsigned_abs();
        self.0.lock().present.push(number);
        Presence { threads: self, number }
    }

    /// The numbers of the present ones, and the processor time of all that there have been.
    pub(crate) fn read(&self) -> (Vec<u32>, Duration) {
        // None ends meanwhile, so that each is counted once.
        let known = self.0.lock();
        let present = known.present.iter().filter_map(|number| cpu::of_thread(*number));
        (known.present.clone(), known.ended + present.sum::<Duration>())
    }
}

/// A thread of a stage.
pub(crate) struct Presence<'a> {
    threads: &'a Threads,
    number: u32,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        // Both under the lock, so that no reader counts it twice, or not at all.
        let mut known = self.threads.0.lock();
        known.present.retain(|number| *number != self.number);
        known.ended += cpu::of_this_thread();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_thread_stays_with_its_stage() {
        let threads = Threads::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _presence = threads.enter();
                let (present, so_far) = threads.read();
                assert!(present.len() == 1 && !so_far.is_zero(), "{present:?}, {so_far:?}");
            });
        });
        let (present, all) = threads.read();
        assert!(present.is_empty() && !all.is_zero(), "{all:?}");
    }
}
