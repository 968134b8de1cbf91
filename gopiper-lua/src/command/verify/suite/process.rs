//! Tests of a component's effects on the process, which it shares with other components.
use std::{
    fs,
    io::{self, Read, Seek},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{Kind, Message, PayloadMut};
use gopiper_core::plural;
use rustix::{
    fd::{AsFd, BorrowedFd},
    stdio::{dup2_stderr, dup2_stdout, stderr, stdout},
};

use super::{messages::lines, test::Test};
use crate::command::verify::{
    process::Snapshot,
    process::children,
    process::foreign,
    subject::Subject,
    trial::Trial,
    verdict::{Judged, Verdict, must},
};

/// The name of the test that must not see the log.
pub(crate) const STANDARD_ERROR: &str = "process::standard-error";

/// The longest part of the output that is shown.
const SHOWN: usize = 60;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "process::standard-descriptors",
        advice: "leave descriptors 0 to 2 open and as they are: the next file that is opened gets \
                 the number of a closed one; work on a duplicate (File::try_clone)",
        in_c: "leave descriptors 0 to 2 open and as they are: the next file that is opened gets \
               the number of a closed one; work on a duplicate (dup)",
        run: standard_descriptors,
    },
    Test {
        name: "process::descriptors",
        advice: "close all files in `drop`",
        in_c: "close all files in `destroy`",
        run: |subject| grows(subject, "/proc/self/fd", "open files"),
    },
    Test {
        name: "process::working-directory",
        advice: "use absolute paths: the working directory belongs to the operator, and to all \
                 components",
        in_c: "",
        run: |subject| {
            let (before, after) = life(subject, |it| it.directory.display().to_string())?;
            must(before == after, || format!("it changed the working directory to {after}"))
        },
    },
    Test {
        name: "process::umask",
        advice: "set the permissions of each file: the umask counts for all components",
        in_c: "",
        run: |subject| {
            let (before, after) = life(subject, |it| it.umask.clone())?;
            must(before == after, || format!("it changed the umask from {before} to {after}"))
        },
    },
    Test {
        name: "process::signals",
        advice: "leave signals alone: the program handles them, and tells a component of the stop \
                 (`postponed.on_stop`)",
        in_c: "leave signals alone: the program handles them, and tells a component of the stop \
               (`stop`, gopiper_is_stopping)",
        run: signals,
    },
    Test {
        name: "process::signal-mask",
        advice: "block signals in threads of the component's own, or unblock them before it returns",
        in_c: "",
        run: |subject| {
            let (before, after) = life(subject, |it| it.blocked.clone())?;
            must(before == after, || {
                format!("it left signals blocked in a thread of the program ({after}, in bits)")
            })
        },
    },
    Test {
        name: "process::environment",
        advice: "do not set variables: another component may read the environment at that moment, \
                 and their locks do not know of each other; give a child its own (Command::env)",
        in_c: "do not set variables (setenv): another component may read the environment at that \
               moment; give a child its own (execve)",
        run: environment,
    },
    Test {
        name: "process::locale",
        advice: "do not call setlocale: it counts for all components; use newlocale and the \
                 functions that end in _l",
        in_c: "",
        run: |subject| {
            let (before, after) = life(subject, |it| it.locale.clone())?;
            must(before == after, || format!("it changed the locale from {before} to {after}"))
        },
    },
    Test {
        name: "process::children",
        advice: "end child processes and wait for them, in `drop` at the latest",
        in_c: "end child processes and wait for them (waitpid), in `destroy` at the latest",
        run: child_processes,
    },
    Test {
        name: "process::threads",
        advice: "end and join the component's threads in `end` or `drop`",
        in_c: "end and join the component's threads in `end` or `destroy`",
        run: |subject| grows(subject, "/proc/self/task", "threads"),
    },
    Test {
        name: "process::standard-output",
        advice: "standard output belongs to the pipeline's messages: use the log (log::info!). If \
                 writing there is what it is for: --exclude process::standard-output",
        in_c: "standard output belongs to the pipeline's messages: use gopiper_log. If writing \
               there is what it is for: --exclude process::standard-output",
        run: |subject| is_silent(subject, "output", stdout(), |file| dup2_stdout(file)),
    },
    Test {
        name: STANDARD_ERROR,
        advice: "use the log (log::warn!): it has a format, levels and the component's name",
        in_c: "use gopiper_log: the log has a format, levels and the component's name",
        run: |subject| is_silent(subject, "error", stderr(), |file| dup2_stderr(file)),
    },
    Test {
        name: "process::float-mode",
        advice: "restore the mode of floating-point arithmetic before it returns: rounding and very \
                 small numbers change for all that the thread computes",
        in_c: "",
        run: float_mode,
    },
];

/// Runs three pipelines. Returns a part of the process's state before and after the component's
/// life.
fn life<T>(subject: &Subject, part: impl Fn(&Snapshot) -> T) -> Result<(T, T), Verdict> {
    some_pipelines(subject)?;
    Ok((part(&subject.before), part(&Snapshot::take())))
}

fn some_pipelines(subject: &Subject) -> Judged {
    (0..3).try_for_each(|_| Trial::new(subject, lines(20)).run().map(drop))
}

fn standard_descriptors(subject: &Subject) -> Judged {
    let (before, after) = life(subject, |it| it.standard)?;
    for (number, (before, after)) in before.into_iter().zip(after).enumerate() {
        let said = match (before, after) {
            (Some((device, inode, flags)), Some(after)) => match after {
                after if after == (device, inode, flags) => continue,
                after if (after.0, after.1) == (device, inode) => {
                    format!(
                        "it changed the flags of descriptor {number} from {:#o} to {:#o}",
                        flags.bits(),
                        after.2.bits()
                    )
                }
                _ => format!("descriptor {number} is another file after it"),
            },
            (Some(_), None) => format!("it closed descriptor {number}"),
            (None, Some(_)) => format!("it opened a file as descriptor {number}, which was closed"),
            (None, None) => continue,
        };
        return Err(Verdict::Failed(said));
    }
    Ok(())
}

fn signals(subject: &Subject) -> Judged {
    let (before, after) = life(subject, |it| it.handlers.clone())?;
    let changed = (1..).zip(before.iter().zip(&after)).find(|(_, (before, after))| before != after);
    let Some((number, (_, after))) = changed else { return Ok(()) };
    let name = signal_hook::low_level::signal_name(number);
    let name = name.map_or_else(|| format!("signal {number}"), str::to_owned);
    let what = match after.map(|(handler, _)| handler) {
        Some(libc::SIG_IGN) => "ignores",
        Some(libc::SIG_DFL) => "no longer handles",
        _ => "handles",
    };
    Err(Verdict::Failed(format!("since the component was loaded, the process {what} {name}")))
}

fn environment(subject: &Subject) -> Judged {
    let (before, after) = life(subject, |it| it.environment.clone())?;
    let names = before.keys().chain(after.keys());
    let changed = names.into_iter().find(|name| before.get(*name) != after.get(*name));
    must(changed.is_none(), || {
        let name = changed.map(|name| name.display().to_string()).unwrap_or_default();
        format!("it changed the variable {name} of the environment")
    })
}

fn child_processes(subject: &Subject) -> Judged {
    some_pipelines(subject)?;
    let left = children::end(&subject.before.children);
    must(left.is_empty(), || {
        let names: Vec<_> = left.iter().map(|child| child.described.as_str()).collect();
        let processes = if left.len() == 1 { "process" } else { "processes" };
        format!("it left {} child {processes}: {}", left.len(), names.join(", "))
    })
}

/// Whether nothing comes to a standard descriptor. It leads to a file meanwhile.
fn is_silent(
    subject: &Subject,
    which: &str,
    descriptor: BorrowedFd<'_>,
    put: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<()>,
) -> Judged {
    let failed =
        |error: io::Error| Verdict::Skipped(format!("no file for standard {which}: {error}"));
    let mut file = tempfile::tempfile().map_err(failed)?;
    foreign::flush_streams();
    let kept = rustix::io::dup(descriptor).map_err(|error| failed(error.into()))?;
    put(file.as_fd()).map_err(|error| failed(error.into()))?;
    let ran = some_pipelines(subject);
    foreign::flush_streams();
    put(kept.as_fd()).map_err(|error| failed(error.into()))?;
    ran?;
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(failed)?;
    must(bytes.is_empty(), || {
        let shown = bytes[..bytes.len().min(SHOWN)].escape_ascii();
        format!("it wrote {} to standard {which}: \"{shown}\"", plural(bytes.len(), "byte"))
    })
}

/// Memory of a message that looks at the mode of the thread that drops it: of a sink, and of a
/// component that replaces or drops a message, that is its own.
struct Sampler {
    bytes: Vec<u8>,
    ordinary: (u64, u64),
    /// The last mode that was another one.
    seen: Arc<Mutex<(u64, u64)>>,
}

impl AsMut<[u8]> for Sampler {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let now = foreign::float_mode();
        if now != self.ordinary {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
    }
}

fn float_mode(subject: &Subject) -> Judged {
    let ordinary = subject.before.float_mode;
    let seen = Arc::new(Mutex::new(ordinary));
    let message = |n| {
        let bytes = format!("line {n} of a test").into_bytes();
        let memory = Sampler { bytes, ordinary, seen: seen.clone() };
        Message::new(PayloadMut::from_owner(memory, None).freeze())
    };
    let input: Vec<_> = match subject.kind {
        Kind::SOURCE => Vec::new(),
        _ => (0..20).map(message).collect(),
    };
    Trial::new(subject, input).run()?;
    let workers = *seen.lock().unwrap_or_else(PoisonError::into_inner);
    for (now, whose) in [(foreign::float_mode(), "the program"), (workers, "its worker")] {
        must(now == ordinary, || {
            let ((a, b), (c, d)) = (ordinary, now);
            format!(
                "it changed the floating-point mode in a thread of {whose}: {a:#x}, {b:#x} became \
                 {c:#x}, {d:#x}"
            )
        })?;
    }
    Ok(())
}

/// Whether the number of entries in a folder of `/proc` grows from pipeline to pipeline.
fn grows(subject: &Subject, folder: &str, what: &str) -> Judged {
    let count = || fs::read_dir(folder).map_or(0, Iterator::count);
    // Threads of earlier pipelines may still be ending: the same count five times in a row.
    let steady = || {
        let (begun, mut last, mut times) = (Instant::now(), count(), 1);
        while times < 5 && begun.elapsed() < subject.given.patience {
            thread::sleep(Duration::from_millis(10));
            let now = count();
            times = if now == last { times + 1 } else { 1 };
            last = now;
        }
        last
    };
    some_pipelines(subject)?;
    let before = steady();
    some_pipelines(subject)?;
    let begun = Instant::now();
    while count() > before && begun.elapsed() < subject.given.patience {
        thread::sleep(Duration::from_millis(10));
    }
    let after = count();
    must(after <= before, || format!("{} more {what} after three pipelines", after - before))
}
