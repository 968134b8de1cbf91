//! The processor time of threads, read when an operator asks.
use std::{collections::BTreeMap, fs, io, time::Duration};

use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, Timespec, clock_gettime},
};

/// The processor time of this thread so far.
pub(crate) fn of_this_thread() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// The processor time of this process so far, with its threads that have ended.
pub(crate) fn of_this_process() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// A thread of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// The name that the kernel shows: 15 bytes at most. A thread inherits it from its creator.
    pub(crate) name: String,
    pub(crate) cpu: Duration,
}

/// The threads of this process by their numbers. One that ends meanwhile is left out.
///
/// # Errors
/// `/proc` is not there.
pub(crate) fn tasks() -> io::Result<BTreeMap<u32, Task>> {
    let mut tasks = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = entry.path();
        let Ok(name) = fs::read(path.join("comm")) else { continue };
        let name = String::from_utf8_lossy(&name);
        let precise = fs::read_to_string(path.join("schedstat")).ok();
        let precise = precise.as_deref().and_then(in_nanoseconds);
        // Some kernels and sandboxes have no schedstat.
        let cpu = match precise {
            Some(cpu) => Some(cpu),
            None => fs::read_to_string(path.join("stat")).ok().as_deref().and_then(in_ticks),
        };
        if let Some(cpu) = cpu {
            tasks.insert(number, Task { name: name.trim_end().to_owned(), cpu });
        }
    }
    Ok(tasks)
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn in_nanoseconds(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Fields 14 and 15 of `stat`: ticks in the program and in the kernel. The second field is the name
/// in parentheses, which may contain some itself.
fn in_ticks(stat: &str) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(Duration::from_secs_f64((user + system) as f64 / clock_ticks_per_second() as f64))
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
            let tasks = tasks().expect("there is /proc");
            tasks.into_values().find(|task| task.name == "diligent").expect("itself").cpu
        });
        let cpu = worked.expect("a thread").join().expect("it ends");
        assert!(cpu >= Duration::from_millis(10), "{cpu:?}");
        assert!(of_this_process() >= Duration::from_millis(20));
    }

    #[test]
    fn both_files_of_the_kernel_are_understood() {
        assert_eq!(in_nanoseconds("1500 20 3\n"), Some(Duration::from_nanos(1500)));
        let stat = "7 (odd) name) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 5";
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(in_ticks(stat), Some(Duration::from_secs_f64(300.0 / ticks)));
        assert_eq!((in_nanoseconds(""), in_ticks("7 (cut")), (None, None));
    }
}
