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
pub(crate) struct Snapshot {
    /// Descriptors 0 to 2: which file, and its flags, which all processes that have it open share.
    pub(crate) standard: [Option<(u64, u64, OFlags)>; 3],
    pub(crate) directory: PathBuf,
    pub(crate) umask: String,
    pub(crate) handlers: Vec<Handler>,
    /// The signals that this thread blocks.
    pub(crate) blocked: String,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) locale: String,
    pub(crate) float_mode: (u64, u64),
    pub(crate) children: BTreeSet<i32>,
}

impl Snapshot {
    pub(crate) fn take() -> Self {
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
