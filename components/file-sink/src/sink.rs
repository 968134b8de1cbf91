//! The component: chooses the file for each message, and reports the outcome.
use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use gopiper_abi::{BatchCall, BatchComponent, Ending, Error, HandleFlags, Host, Report};
use jiff::{Timestamp, tz::TimeZone};
use rustix::io::Errno;

use crate::{
    Settings, Sync,
    disk::{Folders, folder_of, sync_folder},
    once::Once,
    target::Target,
    template::{NANOSECONDS, Template},
};

/// The numbers for the reasons in reports.
const CANNOT_WRITE: u8 = 1;
const NO_PATH: u8 = 2;

/// The component of the one worker.
pub struct FileSink {
    template: Template,
    settings: Settings,
    zone: TimeZone,
    host: Host,
    open: HashMap<PathBuf, Target>,
    folders: Folders,
    /// The number of the batch.
    batch: u64,
    /// Files of this batch that could not be written: what else goes there would overtake.
    refused: HashMap<PathBuf, Report>,
    /// The messages of this batch that are not done.
    undone: Vec<(Range<usize>, Report)>,
    /// Whether a moment to sync was asked for.
    waits_to_sync: bool,
    /// With `exactly_once`.
    once: Option<Once>,
}

impl FileSink {
    pub(crate) fn new(
        template: Template,
        settings: Settings,
        zone: TimeZone,
        host: Host,
    ) -> Result<Self, Error> {
        let mut sink = FileSink {
            template,
            settings,
            zone,
            host,
            open: HashMap::new(),
            folders: Folders::default(),
            batch: 0,
            refused: HashMap::new(),
            undone: Vec::new(),
            waits_to_sync: false,
            once: None,
        };
        if sink.settings.exactly_once {
            // Before any file is opened: it may have to be cut.
            sink.once = Some(Once::new(&sink.host)?);
        }
        if let Some(path) = sink.template.constant() {
            let opened = sink.target(&path).map(|_| ());
            opened.map_err(|error| {
                Error::attribute("path", failure(&path, &error)).caused_by(&error)
            })?;
        }
        Ok(sink)
    }

    /// The open file of this name.
    fn target(&mut self, path: &Path) -> io::Result<&mut Target> {
        let (batch, now) = (self.batch, self.host.now());
        let known = match self.open.get_mut(path) {
            Some(target) if target.used != batch => {
                Some(target.look_again(&self.settings.delimiter)?)
            }
            known => known.map(|_| true),
        };
        if known == Some(false) {
            // Others have renamed or removed it, and wait for a new one.
            self.close(path);
        }
        if known != Some(true) {
            if self.open.len() >= self.settings.max_open_files {
                self.close_oldest();
            }
            let Settings { delimiter, sync, .. } = self.settings.clone();
            let target = loop {
                match Target::open(path, &mut self.folders, &delimiter, sync, now) {
                    Err(error) if is_starved(&error) && self.close_oldest() => {}
                    opened => break opened?,
                }
            };
            self.open.insert(path.to_owned(), target);
        }
        let target = self.open.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        if known != Some(true) || target.used != batch {
            if let (Some(once), Some(state)) = (&mut self.once, target.state()) {
                once.opened(path, state)?;
            }
        }
        target.used = batch;
        Ok(target)
    }

    /// Closes the least recently written file, if any.
    fn close_oldest(&mut self) -> bool {
        let oldest = self.open.iter().min_by_key(|(_, target)| target.used);
        let oldest = oldest.map(|(path, _)| path.clone());
        oldest.as_ref().map(|path| self.close(path)).is_some()
    }

    /// Settles and closes a file.
    fn close(&mut self, path: &Path) {
        self.settle(path);
        // If it could not be settled, it is closed already.
        let Some(target) = self.open.remove(path) else { return };
        if let Err(error) = closed(&mut self.once, path, target) {
            // That was reported as done before.
            self.host.fail(&failure(path, &error));
        }
    }

    /// Brings the unsettled messages of this file to disk. On failure, takes them back and closes
    /// the file.
    fn settle(&mut self, path: &Path) {
        let Some(target) = self.open.get_mut(path) else { return };
        let unsettled = std::mem::take(&mut target.unsettled);
        if unsettled.is_empty() {
            return;
        }
        let once = &mut self.once;
        let settled = target.settle(|state| match once {
            Some(once) => once.written(path, state, &unsettled),
            None => Ok(()),
        });
        let Err(error) = settled else { return };
        self.open.remove(path).into_iter().for_each(Target::take_back);
        let report = Report::retry(CANNOT_WRITE, failure(path, &error));
        self.undone.extend(unsettled.into_iter().map(|messages| (messages, report.clone())));
        self.refused.insert(path.to_owned(), report);
    }

    /// Writes messages that go to one file, or to several of that name one after the other.
    fn write(&mut self, call: &BatchCall<'_>, messages: Range<usize>, path: &Path) {
        let mut rest = messages;
        while !rest.is_empty() {
            if let Some(report) = self.refused.get(path) {
                self.undone.push((rest, report.clone()));
                return;
            }
            match self.write_some(call, rest.clone(), path) {
                Ok(written) => rest.start += written,
                Err(error) => {
                    // Its part of this batch is whole: it may stay.
                    self.close(path);
                    let report = Report::retry(CANNOT_WRITE, failure(path, &error));
                    self.refused.entry(path.to_owned()).or_insert(report);
                }
            }
        }
    }

    /// Writes the messages that belong into the file of the moment, and says how many those were.
    fn write_some(
        &mut self,
        call: &BatchCall<'_>,
        messages: Range<usize>,
        path: &Path,
    ) -> io::Result<usize> {
        let Settings { rotate_bytes, rotate_every, .. } = self.settings;
        let now = self.host.now();
        let delimiter = self.settings.delimiter.clone();
        let target = self.target(path)?;
        let mut count = messages.len();
        if target.is_regular() {
            let is_old = rotate_every.is_some_and(|every| now - target.begun >= every);
            if let Some(limit) = rotate_bytes {
                count = how_many_fit(call, messages.clone(), &delimiter, target, limit);
            }
            if target.length() > 0 && (is_old || count == 0) {
                self.rotate(path)?;
                return Ok(0);
            }
        }
        let written = messages.start..messages.start + count;
        if let Some(target) = self.open.get_mut(path) {
            target.write(call, written.clone(), &delimiter)?;
            target.unsettled.push(written);
        }
        Ok(count)
    }

    fn rotate(&mut self, path: &Path) -> io::Result<()> {
        self.close(path);
        let first = rotated_name(path, self.host.now() / NANOSECONDS, &self.zone);
        let name = |number: u32| {
            let mut name = first.as_os_str().to_owned();
            name.push(if number == 0 { String::new() } else { format!(".{number}") });
            PathBuf::from(name)
        };
        let is_free = |name: &PathBuf| {
            fs::symlink_metadata(name).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
        };
        let name = (0..).map(name).find(is_free).ok_or(io::ErrorKind::AlreadyExists)?;
        fs::rename(path, &name)?;
        if self.settings.sync == Sync::Never { Ok(()) } else { sync_folder(folder_of(path)) }
    }

    /// Reports the batch.
    fn report(&mut self, call: BatchCall<'_>) -> HandleFlags {
        if self.undone.is_empty() {
            return call.report_all(Report::DONE);
        }
        let mut reports = vec![Report::DONE; call.messages().len()];
        for (messages, report) in self.undone.drain(..) {
            reports[messages].fill(report);
        }
        call.report_each(|message, _| reports[message].clone())
    }

    fn sync_later(&mut self) {
        let is_dirty = self.open.values().any(|target| target.is_dirty);
        if self.settings.sync == Sync::Interval && is_dirty && !self.waits_to_sync {
            self.host.wake_at(self.host.monotonic() + self.settings.sync_interval);
            self.waits_to_sync = true;
        }
    }
}

impl BatchComponent for FileSink {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.batch += 1;
        self.refused.clear();
        self.undone.clear();
        let now = self.host.now();
        // File by file: one that has to be closed for another is not opened again for this batch.
        let mut files = BTreeMap::<PathBuf, Vec<Range<usize>>>::new();
        let all = 0..call.messages().len();
        let new = match &mut self.once {
            Some(once) => once.begin(&call),
            None => Vec::from([all]),
        };
        for mut rest in new {
            while !rest.is_empty() {
                let messages = &call.messages()[rest.clone()];
                let run = rest.start..rest.start + self.template.run(messages, now);
                rest.start = run.end;
                match self.template.render(&messages[0], now) {
                    Ok(path) => files.entry(path).or_default().push(run),
                    Err(why) => self.undone.push((run, Report::fail(NO_PATH, why))),
                }
            }
        }
        for (path, runs) in files {
            runs.into_iter().for_each(|run| self.write(&call, run, &path));
        }
        let batch = self.batch;
        let written = self.open.iter().filter(|(_, target)| target.used == batch);
        let written: Vec<_> = written.map(|(path, _)| path.clone()).collect();
        written.iter().for_each(|path| self.settle(path));
        self.sync_later();
        self.report(call)
    }

    fn timer(&mut self, _now: i64) -> Result<(), Error> {
        self.waits_to_sync = false;
        if self.settings.sync == Sync::Interval {
            for (path, target) in &mut self.open {
                target.sync().map_err(|error| Error::new(failure(path, &error)))?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        for (path, target) in self.open.drain() {
            closed(&mut self.once, &path, target)
                .map_err(|error| Error::new(failure(&path, &error)))?;
        }
        Ok(())
    }
}

impl Drop for FileSink {
    /// It may never have ended: the pipeline did not start, or was ended at once.
    fn drop(&mut self) {
        let settled = self.open.drain().filter(|(_, target)| target.unsettled.is_empty());
        for (path, target) in settled {
            if let Err(error) = closed(&mut self.once, &path, target) {
                log::error!("{}", failure(&path, &error));
            }
        }
    }
}

/// Closes a file as whole.
fn closed(once: &mut Option<Once>, path: &Path, target: Target) -> io::Result<()> {
    target.close()?;
    once.iter_mut().for_each(|once| once.closed(path));
    Ok(())
}

/// The name that a file gets when a new one replaces it in this second.
pub(crate) fn rotated_name(path: &Path, second: i64, zone: &TimeZone) -> PathBuf {
    let time = Timestamp::from_second(second).unwrap_or_default().to_zoned(zone.clone());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", time.strftime("%Y%m%d-%H%M%S")));
    name.into()
}

pub(crate) fn failure(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

fn is_starved(error: &io::Error) -> bool {
    let starved = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| starved.contains(&code))
}

/// How many of the messages fit into a file that is so long; one does into an empty one.
fn how_many_fit(
    call: &BatchCall<'_>,
    messages: Range<usize>,
    delimiter: &[u8],
    target: &Target,
    limit: u64,
) -> usize {
    let width = delimiter.len();
    let (mut length, mut ending) = (target.length(), target.ending());
    let messages = &call.messages()[messages];
    let fit = messages.iter().take_while(|message| {
        let is_first = length == 0;
        let before = if ending.is_apart_from(message) { width } else { 0 };
        let behind = if message.lacks_delimiter() { 0 } else { width };
        length += (before + message.data().len() + behind) as u64;
        ending = Ending::of(message, delimiter);
        is_first || length <= limit
    });
    fit.count()
}
