//! The component: which file is read when, and when the checkpoint is written.
mod following;
mod lag;

use std::{
    collections::{HashSet, VecDeque},
    io,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use gopiper_abi::{Error, Outcome, Postponed, Produced, Source, lines::Format};
use rustix::io::Errno;

use self::lag::Lag;
use crate::{
    Attributes, Start,
    files::{
        found::{Found, Index, find, find_beside, find_renamed, is_in_place, real, without_match},
        watch::Watch,
    },
    outlet::Outlet,
    progress::{
        checkpoint::Store, ledger::Ledger, resume::say_missing, saving::Saving, series::Series,
    },
    reading::reader::{Reader, Step},
};

const MILLISECOND: i64 = 1_000_000;
/// The time between two searches for files that are new or have grown, because not all file systems
/// report them; and between two attempts to open a file.
const LOOK_EVERY: i64 = 1000 * MILLISECOND;
/// So much time lies between two checkpoints at least.
const SAVE_PAUSE: i64 = 10 * MILLISECOND;
/// So much time lies between two looks, however much happens.
const LOOK_PAUSE: i64 = 50 * MILLISECOND;
/// For so long a file that is not found by its name any more may still be written to.
const GRACE: i64 = 60_000 * MILLISECOND;
/// So many file descriptors are left to others when there are no more.
const SPARE: usize = 8;
/// So many blocks are read of a file before it is another one's turn.
const TURN: u32 = 16;

/// The component of the one worker.
pub struct FileSource {
    paths: Vec<String>,
    from: Start,
    outlet: Outlet,
    saving: Option<Saving>,
    /// `None` if the files are not followed.
    watch: Option<Watch>,
    /// Followed: all of them. Else the one that is read.
    readers: Vec<Reader>,
    /// Not followed: the files whose turn has not come; `None` before they were looked for.
    waiting: Option<VecDeque<(Found, Option<PathBuf>)>>,
    /// So many files were opened.
    opened: u64,
    turn: usize,
    blocks: u32,
    last_look: Option<i64>,
    next_look: i64,
    /// The files that could not be opened, as reported.
    refused: HashSet<PathBuf>,
    /// There are no file descriptors left, as was said.
    starved: bool,
    /// So many files are followed at most.
    most_open: usize,
    lag: Lag,
    /// The files that could not be read to their end.
    failed: Vec<String>,
    has_ended: bool,
}

impl FileSource {
    pub(crate) fn new(
        attributes: &Attributes,
        paths: Vec<String>,
        format: Format,
        interval: Duration,
        postponed: Postponed,
    ) -> Result<Self, Error> {
        let (mut saving, mut ledger, mut from) = (None, None, attributes.from);
        let host = postponed.host().clone();
        let lag = Lag::new(&host)?;
        if attributes.checkpoint {
            let directory = postponed.host().state_directory().map_err(|error| {
                Error::new(format!("cannot open the checkpoint: {error}")).caused_by(&error)
            })?;
            let (opened, known) = Store::open(directory)?;
            if known.is_some() {
                // A file that is not remembered has appeared since.
                from = Start::Beginning;
            }
            let interval = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX);
            let interval = interval.max(SAVE_PAUSE);
            let series = Series::open(opened.directory(), known.is_some())?;
            let known = known.unwrap_or_default();
            let checkpoint = Saving::new(opened, host.clone(), series, interval)?;
            checkpoint.tell_settled(&known);
            ledger = Some(Ledger::new(known, checkpoint.origin().to_owned()));
            saving = Some(checkpoint);
        }
        let path_attribute = attributes.path_attribute.clone();
        let offset_attribute = attributes.offset_attribute.clone();
        Ok(FileSource {
            paths,
            from,
            outlet: Outlet { format, postponed, ledger, path_attribute, offset_attribute },
            saving,
            watch: attributes.follow.then(|| Watch::new(host)),
            readers: Vec::new(),
            waiting: None,
            opened: 0,
            turn: 0,
            blocks: 0,
            last_look: None,
            next_look: i64::MIN,
            refused: HashSet::new(),
            starved: false,
            most_open: usize::MAX,
            lag,
            failed: Vec::new(),
            has_ended: false,
        })
    }

    /// The files that are there, and at first those of the checkpoint that were renamed since.
    fn find(&mut self, is_first: bool) -> Vec<Found> {
        let (mut found, troubles) = find(&self.paths);
        self.refused.retain(|path| {
            found.iter().any(|file| file.path == *path) || troubles.iter().any(|t| t.path == *path)
        });
        for trouble in troubles {
            if self.refused.insert(trouble.path.clone()) {
                log::error!("{trouble}");
            }
            self.failed.push(trouble.path.display().to_string());
        }
        let now = self.outlet.postponed.host().now();
        if let Some(ledger) = &mut self.outlet.ledger {
            if is_first {
                let there = Index::of(&found);
                let known = ledger.known().iter();
                let gone = known.filter(|entry| !there.has(entry) && !is_in_place(entry));
                let beside = find_beside(&gone.cloned().collect::<Vec<_>>());
                found.splice(0..0, beside);
                ledger.missing(&Index::of(&found)).iter().for_each(say_missing);
            }
            let there = Index::of(&found);
            ledger.saw(|entry| there.has(entry), now);
        }
        if is_first && self.watch.is_some() {
            for error in without_match(&self.paths, true) {
                log::warn!("{error}");
            }
        }
        found
    }

    /// Opens a file; reports errors to the operator. `false` if it must be tried again.
    fn open(&mut self, path: &Path, from: Start) -> bool {
        match Reader::open(path, from, &mut self.outlet) {
            Ok(mut reader) => {
                self.opened += 1;
                reader.turn = self.opened;
                self.readers.push(reader);
                self.refused.remove(path);
                if self.outlet.ledger.as_ref().is_some_and(|ledger| ledger.is_replaced) {
                    self.checkpoint(Saving::save_if_due);
                }
            }
            Err(error) if is_starved(&error) => {
                if !self.starved {
                    log::warn!(
                        "cannot open {}: {error}; it is opened when another file has ended",
                        path.display()
                    );
                }
                self.starved = true;
                return false;
            }
            Err(_) if self.refused.contains(path) => {}
            Err(error) => {
                if self.watch.is_none() || error.kind() != io::ErrorKind::NotFound {
                    log::error!("cannot open {}: {error}", path.display());
                    self.refused.insert(path.to_owned());
                }
                self.failed.push(path.display().to_string());
            }
        }
        true
    }

    /// Reads one file after the other.
    fn read_through(&mut self, now: i64) -> Result<Produced, Error> {
        if self.waiting.is_none() {
            let found = self.find(true).into_iter();
            self.waiting = Some(found.map(|file| (file.clone(), real(&file.path))).collect());
        }
        while self.readers.is_empty() {
            let Some((next, real_path)) = self.waiting.as_mut().and_then(VecDeque::pop_front)
            else {
                return self.all_read();
            };
            if let Some(renamed) = find_renamed(&next, real_path.as_deref()) {
                // While others were read. It comes first.
                let waiting = self.waiting.get_or_insert_default();
                let renamed =
                    renamed.into_iter().rev().map(|file| (file.clone(), real(&file.path)));
                renamed.for_each(|file| waiting.push_front(file));
                continue;
            }
            if !self.open(&next.path, self.from) {
                self.waiting
                    .iter_mut()
                    .for_each(|waiting| waiting.push_front((next.clone(), real_path.clone())));
                return Ok(Produced::waiting_until(now + LOOK_EVERY));
            }
        }
        let step = self.readers[0].step(&mut self.outlet)?;
        match step {
            Step::Read | Step::Overwritten => {}
            Step::AtEnd => self.readers.remove(0).finish(&mut self.outlet)?,
            Step::Failed(error, place) => {
                let reader = self.readers.remove(0);
                self.failed.push(reader.path().display().to_string());
                log::error!("{}", unreadable(&reader, &error, place));
                self.end_unreadable(reader, &error)?;
            }
        }
        Ok(Produced::MORE)
    }

    fn all_read(&self) -> Result<Produced, Error> {
        match &self.failed[..] {
            [] => Ok(Produced::FINISHED),
            [failed] => Err(Error::new(format!("{failed} could not be read to its end"))),
            failed => Err(Error::new(format!(
                "{} files could not be read to their ends: {}",
                failed.len(),
                failed.join(", ")
            ))),
        }
    }

    /// A file that cannot be read any further. Of one whose content is damaged all that could be
    /// read is sent; of others the line that has begun is read again the next time.
    fn end_unreadable(&mut self, reader: Reader, error: &io::Error) -> Result<(), Error> {
        if error.raw_os_error().is_none() {
            return reader.finish(&mut self.outlet);
        }
        reader.abandon(&mut self.outlet);
        Ok(())
    }

    /// Does something with the checkpoint, if there is one.
    fn checkpoint(&mut self, act: fn(&mut Saving, &mut Ledger)) {
        if let (Some(saving), Some(ledger)) = (&mut self.saving, &mut self.outlet.ledger) {
            act(saving, ledger);
        }
    }
}

impl Source for FileSource {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        self.checkpoint(Saving::save_if_due);
        let now = self.outlet.postponed.host().monotonic();
        let produced = match self.watch {
            Some(_) => self.follow(now),
            None => self.read_through(now),
        };
        let all_is_read = produced.as_ref().is_ok_and(|produced| *produced != Produced::MORE);
        let waiting = self.waiting.iter().flatten().map(|(file, _)| file);
        self.lag.look((now, all_is_read), &self.readers, waiting);
        produced
    }

    fn settled(&mut self, token: u64, places: Range<u32>, outcome: Outcome) {
        let Some(ledger) = &mut self.outlet.ledger else { return };
        if outcome.is_final() {
            ledger.settled(token, places);
        }
        if self.has_ended {
            self.checkpoint(Saving::save_if_due);
        }
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.has_ended = true;
        self.watch = None;
        self.readers.clear();
        self.checkpoint(Saving::save_if_due);
        Ok(())
    }
}

impl Drop for FileSource {
    /// The outcomes of messages left under way when the pipeline ended are not reported: this is
    /// the last moment.
    fn drop(&mut self) {
        self.checkpoint(Saving::save_at_last);
    }
}

fn unreadable(reader: &Reader, error: &io::Error, place: u64) -> String {
    let path = reader.path().display();
    match error.raw_os_error() {
        None => format!("{path} is damaged: cannot decompress beyond byte {place}: {error}"),
        Some(_) => format!("cannot read {path} at byte {place}: {error}"),
    }
}

fn is_starved(error: &io::Error) -> bool {
    let starved = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| starved.contains(&code))
}
