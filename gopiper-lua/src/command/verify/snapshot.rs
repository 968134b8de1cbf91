//! The state that a process has once for all of its threads and components.
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    fs,
    path::PathBuf,
};

use rustix::{
    fd::BorrowedFd,
    fs::{OFlags, fcntl_getfl, fstat},
    stdio::{stderr, stdin, stdout},
};

use super::{
    children,
    foreign::{self, Handler},
};

/// The state of the process at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// Descriptors 0 to 2: which file, and its flags, which all processes that have it open share.
    pub(super) standard: [Option<(u64, u64, OFlags)>; 3],
    pub(super) directory: PathBuf,
    pub(super) umask: String,
    pub(super) handlers: Vec<Handler>,
    /// The signals that this thread blocks.
    pub(super) blocked: String,
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) locale: String,
    pub(super) float_mode: (u64, u64),
    pub(super) children: BTreeSet<i32>,
}

impl Snapshot {
    pub(super) fn take() -> Self {
        let status = |name: &str| {
            let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        Snapshot {
            standard: [stdin(), stdout(), stderr()].map(open_file),
            directory: fs::read_link("/proc/self/cwd").unwrap_or_default(),
            umask: status("Umask:"),
            handlers: foreign::handlers(),
            blocked: status("SigBlk:"),
            environment: env::vars_os().collect(),
            locale: foreign::locale(),
            float_mode: foreign::float_mode(),
            children: children::list(&BTreeSet::new()).iter().map(|child| child.pid).collect(),
        }
    }
}

fn open_file(descriptor: BorrowedFd<'_>) -> Option<(u64, u64, OFlags)> {
    let of = fstat(descriptor).ok()?;
    Some((of.st_dev, of.st_ino, fcntl_getfl(descriptor).ok()?))
}
