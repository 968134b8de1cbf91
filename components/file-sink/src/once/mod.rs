//! Writes each message once, also when the program is killed: for `exactly_once`.
//!
//! Each time that a file was synced, the journal in the state directory gets an entry: which
//! messages are in it now, and how long it is. Only then are they reported as done. So at the next
//! start a file is cut to the length of its last entry: what lies after that was not reported, and
//! comes again. What comes again though it was reported is in the journal, and is left out.
//!
//! The journal forgets what its source will not send again.
mod journal;
mod record;
mod written;

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use gopiper_abi::{BatchCall, Counter, Error, Host, raw::Identities};

pub(crate) use self::record::FileState;
use self::{journal::Journal, record::Commit, written::Written};
use crate::disk::{Inode, folder_of};

/// How often the messages of earlier runs are compared with what their sources have settled.
const PRUNE_EVERY: i64 = 1_000_000_000;

/// What is written already, and what is being written.
pub(crate) struct Once {
    journal: Journal,
    /// The messages that an earlier run has written and that may come again.
    before: Written,
    pruned: i64,
    /// The identities of the messages in this batch.
    ids: Identities,
    host: Host,
    left_out: Counter,
    unidentified: Counter,
    /// It was said that messages have no identity.
    has_complained: bool,
}

impl Once {
    /// Opens the journal, and takes away what a crash has left at the ends of files.
    pub(crate) fn new(host: &Host) -> Result<Self, Error> {
        let folder = host.state_directory()?;
        let failed = |error: io::Error| {
            let error = format!("cannot use the journal in {}: {error}", folder.display());
            Error::new(error)
        };
        let (mut journal, before) = Journal::open(&folder).map_err(failed)?;
        for (path, state) in journal.open_files() {
            cut_back(&path, state)?;
            journal.commit(Commit::closed(&path)).map_err(failed)?;
        }
        let left_out = host.metric(
            "messages_already_written_total",
            "Messages that came again and were left out, as they are in a file already.",
        );
        let unidentified = host.metric(
            "messages_without_identity_total",
            "Messages without an identity, which may be written twice.",
        );
        Ok(Once {
            journal,
            before,
            pruned: i64::MIN,
            ids: Identities::default(),
            left_out: left_out.counter()?,
            unidentified: unidentified.counter()?,
            host: host.clone(),
            has_complained: false,
        })
    }

    /// Looks at a batch. Returns the messages that are not in a file yet.
    pub(crate) fn begin(&mut self, call: &BatchCall<'_>) -> Vec<Range<usize>> {
        let all = 0..call.messages().len();
        self.ids = call.ids(all.clone());
        let without = self.ids.runs().iter().filter(|run| run.origin.is_empty());
        let without = without.map(|run| u64::from(run.count)).sum();
        if without > 0 {
            self.unidentified.add(without);
            if !std::mem::replace(&mut self.has_complained, true) {
                log::warn!(
                    "exactly_once: messages without an identity came, which may be written twice \
                     after a crash (gopiper check names the component that causes it)"
                );
            }
        }
        self.prune();
        if self.before.is_empty() {
            return Vec::from([all]);
        }
        let (mut new, mut place) = (Vec::<Range<usize>>::new(), 0);
        for run in self.ids.runs() {
            for at in 0..run.count as usize {
                if self.before.has(run, at) {
                    self.left_out.add(1);
                } else if let Some(last) = new.last_mut().filter(|last| last.end == place) {
                    last.end += 1;
                } else {
                    new.push(place..place + 1);
                }
                place += 1;
            }
        }
        new
    }

    fn prune(&mut self) {
        let now = self.host.monotonic();
        if !self.before.is_empty() && now.saturating_sub(self.pruned) >= PRUNE_EVERY {
            self.pruned = now;
            self.before.prune(|origin| self.host.settled_below(origin));
        }
    }

    /// A file is open from now on, and so long.
    pub(crate) fn opened(&mut self, path: &Path, inode: Inode, length: u64) -> io::Result<()> {
        self.journal.commit(Commit::of_file(path, FileState { inode, length }))
    }

    /// These messages are in a file, on disk.
    pub(crate) fn written(
        &mut self,
        path: &Path,
        state: FileState,
        messages: &[Range<usize>],
    ) -> io::Result<()> {
        let commit = Commit::of_file(path, state).with(&self.ids, messages);
        let host = &self.host;
        self.journal.commit(commit)?;
        self.journal.shorten(|origin| host.settled_below(origin));
        Ok(())
    }

    /// A file was closed.
    pub(crate) fn closed(&mut self, path: &Path) -> io::Result<()> {
        self.journal.commit(Commit::closed(path))
    }
}

/// Cuts a file to the length of its last entry. It may have been renamed meanwhile.
fn cut_back(path: &Path, FileState { inode, length }: FileState) -> Result<(), Error> {
    let Some(path) = find(path, inode) else {
        log::warn!(
            "{} is not there any more: if its last bytes were written by gopiper after its journal, \
             their messages are written again",
            path.display()
        );
        return Ok(());
    };
    let cut = || -> io::Result<u64> {
        let file = File::options().write(true).open(&path)?;
        let there = file.metadata()?.len();
        if there > length {
            file.set_len(length)?;
            file.sync_all()?;
        }
        Ok(there.saturating_sub(length))
    };
    match cut() {
        Ok(0) => {}
        Ok(bytes) => log::info!(
            "{}: removed its last {bytes} bytes, whose messages were not done and will come again",
            path.display()
        ),
        Err(error) => {
            let error = format!("cannot cut {} to {length} bytes: {error}", path.display());
            return Err(Error::new(error));
        }
    }
    Ok(())
}

/// The file, under its name or another one in its folder.
fn find(path: &Path, inode: Inode) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| Inode::from(&it) == inode);
    if is_it(&path.to_owned()) {
        return Some(path.to_owned());
    }
    let beside = fs::read_dir(folder_of(path)).ok()?;
    beside.flatten().map(|entry| entry.path()).find(is_it)
}
