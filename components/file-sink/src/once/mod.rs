//! Writes each message once, also when the program is killed: for `exactly_once`.
//!
//! Each time that a file was synced, the journal in the state directory gets an entry: which
//! messages are in it now, and how long it is. Only then are they reported as done. So at the next
//! start a file that was not closed is cut to the length of its last entry: what lies after that
//! was not reported, and comes again. What comes again though it was reported is in the journal,
//! and is left out.
//!
//! A message is known by its identity and by a checksum of its bytes. If other bytes come with an
//! identity that is there, they are written: a source may have read them from a file that was
//! changed meanwhile, and nothing may be lost.
mod cut;
mod journal;
mod record;
mod written;

use std::{io, ops::Range, path::Path};

use gopiper_abi::{BatchCall, Counter, Error, Host, raw::Identities};

pub(crate) use self::record::FileState;
use self::{
    journal::Journal,
    record::Commit,
    written::{Written, WrittenBefore},
};

/// How often what is written is compared with what the sources have settled, in nanoseconds.
const PRUNE_EVERY: i64 = 1_000_000_000;

/// Keeps the messages that are in the files already.
pub(crate) struct Once {
    journal: Journal,
    /// The messages in the files that may come again.
    known: Written,
    pruned: i64,
    /// The identities and checksums of the messages in this batch.
    ids: Identities,
    sums: Vec<u32>,
    host: Host,
    metrics: OnceMetrics,
    /// What the log has said already.
    has_said: Said,
}

struct OnceMetrics {
    left_out: Counter,
    unidentified: Counter,
    changed: Counter,
}

#[derive(Default)]
struct Said {
    unidentified: bool,
    changed: bool,
}

impl Once {
    /// Opens the journal, and takes away what a crash has left at the ends of files.
    pub(crate) fn new(host: &Host) -> Result<Self, Error> {
        let folder = host.state_directory()?;
        let (mut journal, known) = Journal::open(&folder).map_err(|error| {
            let said = format!("cannot use the journal in {}: {error}", folder.display());
            match error.kind() {
                io::ErrorKind::WouldBlock => Error::new(said).temporary(),
                _ => Error::new(said).caused_by(&error),
            }
        })?;
        for (path, state) in journal.open_files() {
            cut::cut_back(&path, state)?;
            journal.closed(&path);
        }
        let metric = |name, help| host.metric(name, help).counter();
        let metrics = OnceMetrics {
            left_out: metric(
                "messages_already_written_total",
                "Messages that came again and were left out, as they are in a file already.",
            )?,
            unidentified: metric(
                "messages_without_identity_total",
                "Messages without an identity, which may be written twice.",
            )?,
            changed: metric(
                "messages_changed_total",
                "Messages that came again with other bytes, and were written.",
            )?,
        };
        Ok(Once {
            journal,
            known,
            pruned: i64::MIN,
            ids: Identities::default(),
            sums: Vec::new(),
            host: host.clone(),
            metrics,
            has_said: Said::default(),
        })
    }

    /// Looks at a batch. Returns the messages that are not in a file yet.
    pub(crate) fn begin(&mut self, call: &BatchCall<'_>) -> Vec<Range<usize>> {
        let messages = call.messages();
        self.ids = call.ids(0..messages.len());
        self.sums.clear();
        self.sums.extend(messages.iter().map(|message| crc32fast::hash(message.data())));
        self.prune();
        let (mut new, mut place) = (Vec::<Range<usize>>::new(), 0);
        let (mut left_out, mut unidentified, mut changed) = (0, 0, 0);
        for run in self.ids.runs() {
            let of_origin = self.known.of(&run.origin);
            for at in 0..run.count as usize {
                let before = match run.origin.is_empty() {
                    true => {
                        unidentified += 1;
                        WrittenBefore::Not
                    }
                    false => of_origin.map_or(WrittenBefore::Not, |of_origin| {
                        of_origin.before(run, at, self.sums[place])
                    }),
                };
                changed += u64::from(before == WrittenBefore::WithOtherBytes);
                if before == WrittenBefore::Same {
                    left_out += 1;
                } else if let Some(last) = new.last_mut().filter(|last| last.end == place) {
                    last.end += 1;
                } else {
                    new.push(place..place + 1);
                }
                place += 1;
            }
        }
        self.count(left_out, unidentified, changed);
        new
    }

    fn count(&mut self, left_out: u64, unidentified: u64, changed: u64) {
        self.metrics.left_out.add(left_out);
        self.metrics.unidentified.add(unidentified);
        self.metrics.changed.add(changed);
        if unidentified > 0 && !std::mem::replace(&mut self.has_said.unidentified, true) {
            log::warn!(
                "exactly_once: messages without an identity came, which may be written twice \
                 after a crash (gopiper check names the component that causes it)"
            );
        }
        if changed > 0 && !std::mem::replace(&mut self.has_said.changed, true) {
            log::warn!(
                "exactly_once: messages came again with other bytes than before, and are written: \
                 was their file changed, or a function before this sink?"
            );
        }
    }

    fn prune(&mut self) {
        let now = self.host.monotonic();
        if now.saturating_sub(self.pruned) >= PRUNE_EVERY {
            self.pruned = now;
            self.known.prune(|origin| self.host.settled_below(origin));
        }
    }

    /// A file is open, and so long: because it was opened, or because others have cut it.
    pub(crate) fn opened(&mut self, path: &Path, state: FileState) -> io::Result<()> {
        match self.journal.knows(path, state) {
            true => Ok(()),
            false => self.journal.commit(&mut Commit::of_file(path, state)),
        }
    }

    /// These messages are in a file, on disk.
    pub(crate) fn written(
        &mut self,
        path: &Path,
        state: FileState,
        messages: &[Range<usize>],
    ) -> io::Result<()> {
        let mut commit = Commit::of_file(path, state).with(&self.ids, &self.sums, messages);
        let host = &self.host;
        self.journal.commit(&mut commit)?;
        commit.written.iter().for_each(|run| self.known.add(run));
        self.journal.shorten(|origin| host.settled_below(origin));
        Ok(())
    }

    /// A file was closed; its mark has gone.
    pub(crate) fn closed(&mut self, path: &Path) {
        self.journal.closed(path);
    }
}
