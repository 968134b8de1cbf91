//! The threads of a stage's workers, by the numbers that the kernel shows.
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

use crate::base::cpu;

/// The threads of a stage's workers, and their processor time.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    present: Mutex<Vec<u32>>,
    /// The processor time of those that have ended.
    ended: AtomicU64,
}

impl Threads {
    /// This thread belongs to the stage until the result is dropped, on the same thread.
    pub(crate) fn enter(&self) -> Presence<'_> {
        let number = rustix::thread::gettid().as_raw_pid().unsigned_abs();
        self.present.lock().push(number);
        Presence { threads: self, number }
    }

    /// The numbers of the present ones, and the processor time of those that have ended.
    pub(crate) fn read(&self) -> (Vec<u32>, Duration) {
        let present = self.present.lock();
        (present.clone(), Duration::from_nanos(self.ended.load(Relaxed)))
    }
}

/// A thread of a stage.
pub(crate) struct Presence<'a> {
    threads: &'a Threads,
    number: u32,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let mut present = self.threads.present.lock();
        present.retain(|number| *number != self.number);
        // Under the lock, so that no reader counts it twice, or not at all.
        let cpu = u64::try_from(cpu::of_this_thread().as_nanos()).unwrap_or(u64::MAX);
        self.threads.ended.fetch_add(cpu, Relaxed);
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
                assert_eq!(threads.read().0.len(), 1);
            });
        });
        let (present, ended) = threads.read();
        assert!(present.is_empty() && !ended.is_zero(), "{ended:?}");
    }
}
