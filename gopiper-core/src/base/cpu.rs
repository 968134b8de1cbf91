//! The processor time of threads, read when an operator asks.
use std::{fs, io, time::Duration};

use nix::{sys::time::TimeValLike as _, time as by_number};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The processor time of this thread so far.
pub(crate) fn of_this_thread() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// The processor time of this process so far, with its threads that have ended.
pub(crate) fn of_this_process() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// The processor time of a thread of this process so far, by the number that the kernel has for it.
/// `None` if it has ended. One call of the kernel: the files in `/proc` cost ten, and more each.
pub(crate) fn of_thread(number: u32) -> Option<Duration> {
    /// What the kernel's clocks have in their lowest three bits: of one thread, as the scheduler
    /// counts it. Above them they have the inverted number, as the C library makes them as well.
    const OF_A_THREAD: i32 = 0b110;
    let clock = by_number::ClockId::from_raw(!number.cast_signed() << 3 | OF_A_THREAD);
    clock.now().ok().map(|time| Duration::from_nanos(time.num_nanoseconds().unsigned_abs()))
}

/// The numbers of the threads of this process.
///
/// # Errors
/// `/proc` is not there.
pub(crate) fn threads() -> io::Result<Vec<u32>> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    fs::read_dir("/proc/self/task")?.filter_map(|entry| entry.map(number).transpose()).collect()
}

/// The name of a thread of this process as the kernel shows it: 15 bytes at most. A thread inherits
/// it from its creator. `None` if it has ended.
pub(crate) fn name_of(number: u32) -> Option<String> {
    let name = fs::read(format!("/proc/self/task/{number}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn a_thread_that_works_takes_time_and_is_listed_by_name() {
        let worked = std::thread::Builder::new().name("diligent".into()).spawn(|| {
            let before = of_this_thread();
            while of_this_thread() - before < Duration::from_millis(20) {
                black_box((0..1000u64).sum::<u64>());
            }
            let threads = threads().expect("there is /proc");
            let is_this = |number: &u32| name_of(*number).as_deref() == Some("diligent");
            let number = threads.into_iter().find(is_this).expect("itself");
            (number, of_thread(number).expect("it runs"), of_this_thread())
        });
        let (number, seen, after) = worked.expect("a thread").join().expect("it ends");
        assert!(seen >= Duration::from_millis(20) && seen <= after, "{seen:?}, {after:?}");
        assert!(of_this_process() >= Duration::from_millis(20));
        // The thread that has joined it may be quicker than the kernel.
        while threads().expect("there is /proc").contains(&number) {
            std::thread::yield_now();
        }
        assert_eq!((of_thread(number), name_of(number)), (None, None));
    }
}
