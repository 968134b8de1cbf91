//! The child processes of this one.
use std::{
    collections::BTreeSet,
    fs, io,
    path::PathBuf,
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_child_subreaper, set_parent_process_death_signal,
    waitpid,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

use crate::command::process::signals::is_ignored;

/// A child process.
pub(crate) struct ChildProcess {
    pub(crate) pid: i32,
    has_ended: bool,
    /// Its name, and whether it has ended.
    pub(crate) described: String,
}

/// How often children are killed: one that cannot be ended must not keep this process from its end.
const TIMES: u32 = 100;

/// From now on, a process that loses its parent becomes a child of this one, which can find and end
/// it.
pub(crate) fn adopt_orphans() {
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
}

/// Ends this process with the one that has started it: it has a process group of its own, which a
/// terminal's interrupt does not reach.
pub(crate) fn end_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

/// Held by a thread that starts a child; for good, once a signal is about to end this process.
static STARTING: Mutex<()> = Mutex::new(());

/// For a thread that starts a child, or has seen one end. It waits for good if a signal is about to
/// end this process: no other child starts, and none is taken to have ended by itself.
pub(crate) fn unless_it_ends() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, a signal that ends this process ends its children first, except these, and removes
/// the folder: the groups that children have of their own hear nothing of a terminal's interrupt.
///
/// # Errors
/// The system refuses a handler, or a thread.
pub(crate) fn end_before_signals_do(except: BTreeSet<i32>, folder: PathBuf) -> io::Result<()> {
    let ends = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().filter(|it| !is_ignored(*it));
    let mut signals = Signals::new(ends)?;
    thread::Builder::new().name("gopiper-signals".into()).spawn(move || {
        for signal in &mut signals {
            let _ended = unless_it_ends();
            kill_all(&except);
            let _ = fs::remove_dir_all(&folder);
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Kills all children but these, and those that become children by that. Other threads wait for
/// them.
fn kill_all(except: &BTreeSet<i32>) {
    for _ in 0..TIMES {
        let children = list(except);
        let alive: Vec<_> = children.iter().filter(|child| !child.has_ended).collect();
        if alive.is_empty() {
            break;
        }
        for pid in alive.iter().filter_map(|child| Pid::from_raw(child.pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// All children of this process, except these.
pub(crate) fn list(except: &BTreeSet<i32>) -> Vec<ChildProcess> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let stats =
        pids.filter_map(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)));
    let of_this = stats.filter_map(|(pid, stat)| {
        // The name is in parentheses, and may have some itself.
        let (before, after) = stat.rsplit_once(") ")?;
        let mut fields = after.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?.parse::<u32>().ok()?);
        let name = before.split_once('(')?.1;
        let described = match state {
            "Z" => format!("{name} (ended, but not waited for)"),
            _ => name.to_owned(),
        };
        let has_ended = state == "Z";
        (parent == process::id()).then_some(ChildProcess { pid, has_ended, described })
    });
    of_this.filter(|child| !except.contains(&child.pid)).collect()
}

/// Ends all children of this process except these, and those that become its children by that.
/// Returns the first ones.
pub(crate) fn end(except: &BTreeSet<i32>) -> Vec<ChildProcess> {
    let first = list(except);
    for _ in 0..TIMES {
        let left = list(except);
        if left.is_empty() {
            break;
        }
        for pid in left.iter().filter_map(|child| Pid::from_raw(child.pid)) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
    first
}
