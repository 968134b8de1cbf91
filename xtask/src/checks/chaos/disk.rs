//! A disk that loses changes that were not synced: reads the journal that shim.c wrote about a
//! folder, and takes changes back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{root, succeed};

/// The shim, compiled into `folder`.
pub(super) fn compile_shim(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let library = folder.join("shim.so");
    let source = root().join("xtask/src/checks/chaos/shim.c");
    let flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o"];
    succeed(Command::new("cc").args(flags).arg(&library).arg(source))?;
    Ok(library)
}

/// The resource that is missing while the pattern lies in the journal's folder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Control {
    Full,
    NoFiles,
}

impl Control {
    fn file(self) -> &'static str {
        match self {
            Control::Full => "full",
            Control::NoFiles => "nofiles",
        }
    }
}

/// Which syncs count: a left-out one says that it was done, and did nothing.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Syncs {
    Said,
    Done,
}

pub(super) struct Disk {
    folder: PathBuf,
    journal: PathBuf,
    shim: PathBuf,
    /// Files by number, and how long they were when the journal began.
    before: BTreeMap<u64, u64>,
    /// The syncs before it began.
    synced: BTreeSet<String>,
}

struct Record {
    kind: u8,
    /// The number of the file; for a name, that of its previous file; 0 means none.
    file: u64,
    offset: u64,
    before: u64,
    after: u64,
    /// Old bytes, or a path.
    bytes: Vec<u8>,
}

/// Six numbers, as in shim.c.
const HEAD: usize = 6 * 8;

impl Record {
    fn path(&self) -> Result<&str> {
        Ok(std::str::from_utf8(&self.bytes)?)
    }

    /// The first of `bytes`, and how many it takes. None if the program died while it wrote it:
    /// then what it is about was not begun.
    fn read(bytes: &[u8]) -> Option<(Record, usize)> {
        let head = bytes.get(..HEAD)?;
        let number =
            |n: usize| u64::from_le_bytes(head[n * 8..][..8].try_into().expect("eight bytes"));
        let end = HEAD + number(5) as usize;
        let record = Record {
            kind: number(0) as u8,
            file: number(1),
            offset: number(2),
            before: number(3),
            after: number(4),
            bytes: bytes.get(HEAD..end)?.to_vec(),
        };
        Some((record, end))
    }
}

impl Disk {
    /// Makes an empty one in `round`, with its journal beside it.
    pub(super) fn new(round: &Path, shim: &Path) -> Result<Disk> {
        let round = round.canonicalize()?;
        let (folder, journal) = (round.join("disk"), round.join("journal"));
        fs::create_dir(&folder)?;
        let (before, synced) = Default::default();
        let mut disk = Disk { folder, journal, shim: shim.to_owned(), before, synced };
        disk.begin()?;
        Ok(disk)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has a program use it, without some syncs, and die at some record.
    pub(super) fn used_by(
        &self,
        program: &mut Command,
        leave_out: Option<&str>,
        die_at: Option<u64>,
    ) {
        program.env("LD_PRELOAD", &self.shim);
        program.env("CHAOS_DISK", &self.folder).env("CHAOS_JOURNAL", &self.journal);
        if let Some(pattern) = leave_out {
            program.env("CHAOS_LEAVE_OUT", pattern.trim_start_matches('/'));
        }
        if let Some(record) = die_at {
            program.env("CHAOS_DIE_AT", record.to_string());
        }
    }

    /// Begins or ends trouble for what fits a pattern.
    pub(super) fn trouble(&self, control: Control, pattern: Option<&str>) -> Result<()> {
        let file = self.journal.join(control.file());
        match pattern {
            Some(pattern) => {
                // Never seen half written.
                let aside = self.journal.join("aside");
                fs::write(&aside, pattern)?;
                fs::rename(aside, file)?;
            }
            None if file.exists() => fs::remove_file(file)?,
            None => {}
        }
        Ok(())
    }

    /// The current content is permanent.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.journal.exists() {
            self.synced = self.synced()?;
            fs::remove_dir_all(&self.journal)?;
        }
        fs::create_dir_all(self.journal.join("files"))?;
        self.before = self.files()?.into_iter().map(|(_, file, length)| (file, length)).collect();
        Ok(())
    }

    /// Every file on it, its number, its length.
    fn files(&self) -> Result<Vec<(PathBuf, u64, u64)>> {
        let files = files_in(&self.folder)?.into_iter().map(|path| {
            let metadata = path.metadata()?;
            Ok((path, metadata.ino(), metadata.len()))
        });
        files.collect()
    }

    /// How much was written down so far.
    pub(super) fn journal_length(&self) -> u64 {
        self.journal.join("records").metadata().map_or(0, |metadata| metadata.len())
    }

    fn records(&self) -> Result<Vec<Record>> {
        let path = self.journal.join("records");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes?,
        };
        let (mut records, mut end) = (Vec::new(), 0);
        while let Some((record, length)) = Record::read(&bytes[end..]) {
            records.push(record);
            end += length;
        }
        // The next life of the program appends.
        File::options().write(true).open(path)?.set_len(end as u64)?;
        Ok(records)
    }

    fn kept(&self, file: u64) -> PathBuf {
        self.journal.join("files").join(file.to_string())
    }

    /// Fails if something has changed that the shim did not see: each record must find its file as
    /// the one before has left it.
    pub(super) fn check(&self) -> Result<()> {
        let exactly = |length: u64| length..=length;
        let mut lengths: BTreeMap<u64, RangeInclusive<u64>> =
            self.before.iter().map(|(file, length)| (*file, exactly(*length))).collect();
        let (records, mut named) = (self.records()?, BTreeSet::new());
        for record in records.iter().filter(|record| record.kind == b'N') {
            named.extend(Path::new(record.path()?).file_name().map(ToOwned::to_owned));
        }
        for record in records.iter().filter(|record| b"WT".contains(&record.kind)) {
            let length = lengths.entry(record.file).or_insert(exactly(0));
            ensure!(
                length.contains(&record.before),
                "file {} had {} bytes, and should have had {length:?}: the shim missed a write",
                record.file,
                record.before
            );
            // A write may write less, and the program that was to do it may have died.
            let (before, after) = (record.before, record.after);
            *length = before.min(after)..=before.max(after);
        }
        for (path, file, length) in self.files()? {
            let shown = path.display();
            match lengths.get(&file) {
                Some(expected) if expected.contains(&length) => {}
                // It may have died before the file was linked. Its folder may have another name
                // since: the sink's, which was away for a while.
                None if length == 0
                    && (path.file_name().is_some_and(|name| named.contains(name))
                        || self.kept(file).exists()) => {}
                Some(_) => bail!("{shown} has {length} bytes: the shim missed a write"),
                None => bail!("{shown} was created or changed: the shim missed a write"),
            }
        }
        Ok(())
    }

    /// Takes back changes that were not synced, last things first; but for the bytes of some files,
    /// as `survives` says: a system also writes without a request.
    pub(super) fn lose_power(&self, count: Syncs, survives: impl Fn(u64) -> bool) -> Result<()> {
        let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for record in self.records()?.iter().rev() {
            match record.kind {
                b'L' if count == Syncs::Done => {}
                b'S' | b'L' if record.file > 0 => _ = files.insert(record.file),
                b'S' | b'L' => _ = folders.insert(self.folder.join(record.path()?)),
                b'W' | b'T' if files.contains(&record.file) || survives(record.file) => {}
                b'W' | b'T' => self.put_bytes_back(record)?,
                _ => {
                    let path = self.folder.join(record.path()?);
                    if !folders.contains(path.parent().context("no name at all")?) {
                        let shown = path.display();
                        self.put_name_back(record, &path)
                            .with_context(|| format!("cannot put {shown} back"))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn put_bytes_back(&self, record: &Record) -> io::Result<()> {
        let file = File::options().write(true).open(self.kept(record.file))?;
        file.write_all_at(&record.bytes, record.offset)?;
        file.set_len(record.before)
    }

    /// It may not have been changed, or have been put back already.
    fn put_name_back(&self, record: &Record, path: &Path) -> io::Result<()> {
        if !path.parent().is_some_and(Path::exists) {
            // It was in a folder that is gone for good.
            return Ok(());
        }
        let unless = |kind, done: io::Result<()>| match done {
            Err(error) if error.kind() == kind => Ok(()),
            done => done,
        };
        match record.kind {
            b'M' => unless(io::ErrorKind::NotFound, fs::remove_dir_all(path)),
            b'R' => unless(io::ErrorKind::AlreadyExists, fs::create_dir(path)),
            b'N' => {
                unless(io::ErrorKind::NotFound, fs::remove_file(path))?;
                if record.file > 0 {
                    fs::hard_link(self.kept(record.file), path)?;
                }
                Ok(())
            }
            kind => Err(io::Error::other(format!("a record of an unknown kind: {kind}"))),
        }
    }

    /// The syncs, as patterns that can be left out: numbers in names do not matter.
    pub(super) fn synced(&self) -> Result<BTreeSet<String>> {
        let digits = regex::Regex::new("[0-9]+")?;
        let records = self.records()?;
        let syncs = records.iter().filter(|record| b"SL".contains(&record.kind));
        // The disk itself has no name.
        let pattern = |path: &str| match path {
            "" => "/".to_owned(),
            path => digits.replace_all(path, "*").into_owned(),
        };
        let now = syncs.map(|record| Ok(pattern(record.path()?)));
        self.synced.iter().map(|earlier| Ok(earlier.clone())).chain(now).collect()
    }
}

/// All files below a folder; none if there is no folder.
pub(super) fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in ignore::WalkBuilder::new(folder).standard_filters(false).build() {
        let entry = entry?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
