//! The journal: a file that is only appended to, and written anew when it has become long.
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use memchr::memmem;
use rustix::fs::{FlockOperation, flock};

use super::{
    record::{BEGIN, Commit, FileState},
    written::Written,
};
use crate::disk::sync_folder;

/// The beginning of a journal; the last byte is the version of the format.
const MAGIC: &[u8; 8] = b"GPONCE\0\x01";
/// The journal is not written anew before it has so many bytes, and twice as many as the last time.
const SHORT: u64 = 1 << 20;

pub(super) struct Journal {
    folder: PathBuf,
    file: File,
    /// Up to here it is whole, and on disk.
    length: u64,
    /// A sync has failed: what is on disk is not known, so it has to be written anew.
    is_doubtful: bool,
    /// How long it was when it was last written anew.
    shortest: u64,
    /// The files that are open, and how much of each is done.
    files: BTreeMap<PathBuf, FileState>,
    /// Files that were closed since the last entry. It need not be on disk: their marks have gone.
    closed: Vec<PathBuf>,
    /// Locked, so that a component that is stuck does not write to it beside the one that was put
    /// in its place.
    _lock: File,
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("written")
}

impl Journal {
    /// Opens the journal in a folder; there is an empty one if there was none. Returns the messages
    /// in it, too.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Written)> {
        let path = path_in(folder);
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(folder.join("written.lock"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let error = "another worker of this component still has it: it is stuck in a call";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, error));
        }
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_whole(folder, MAGIC)?;
                MAGIC.to_vec()
            }
            bytes => bytes?,
        };
        if !bytes.starts_with(MAGIC) {
            let error = "it is not a journal, or one of another version; remove it to begin anew: \
                         messages under way may then be written twice";
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let (mut files, mut written, mut at) = (BTreeMap::new(), Written::default(), MAGIC.len());
        while let Some((commit, length)) = Commit::read(&bytes[at..]) {
            commit.written.iter().for_each(|run| written.add(run));
            note_files(&commit, &mut files);
            at += length;
        }
        // An entry that was being written is the last one.
        let rest = bytes.get(at + 1..).unwrap_or_default();
        if memmem::find_iter(rest, &BEGIN).any(|begin| Commit::read(&rest[begin..]).is_some()) {
            let error = format!(
                "it is damaged at byte {at}; remove it to begin anew: messages under way may then \
                 be written twice"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let file = File::options().read(true).write(true).open(&path)?;
        if at < bytes.len() {
            // The process or the machine stopped while it was written: nothing was reported of it.
            file.set_len(at as u64)?;
            file.sync_all()?;
        }
        let (folder, length) = (folder.to_owned(), at as u64);
        let journal = Journal {
            folder,
            file,
            length,
            is_doubtful: false,
            shortest: length,
            files,
            closed: Vec::new(),
            _lock: lock,
        };
        Ok((journal, written))
    }

    /// The files that were not closed.
    pub(super) fn open_files(&self) -> Vec<(PathBuf, FileState)> {
        self.files.iter().map(|(path, state)| (path.clone(), *state)).collect()
    }

    /// Whether this is what it has of a file.
    pub(super) fn knows(&self, path: &Path, state: FileState) -> bool {
        self.files.get(path) == Some(&state)
    }

    /// A file was closed.
    pub(super) fn closed(&mut self, path: &Path) {
        self.files.remove(path);
        self.closed.push(path.to_owned());
    }

    /// Appends a commit, and syncs it: all of it or, after an error, nothing.
    pub(super) fn commit(&mut self, commit: &mut Commit) -> io::Result<()> {
        // Before what is said of them now: a file may be open again.
        let opened = std::mem::take(&mut commit.files);
        self.closed.iter().for_each(|path| commit.add_file(path, None));
        commit.files.extend(opened);
        let mut bytes = Vec::new();
        commit.write(&mut bytes)?;
        if self.is_doubtful {
            self.write_anew(|_| Some(0))?;
        }
        if let Err(error) = self.file.write_all_at(&bytes, self.length) {
            self.is_doubtful |= self.file.set_len(self.length).is_err();
            return Err(error);
        }
        if let Err(error) = self.file.sync_data() {
            self.is_doubtful = true;
            // At the next start the commit must not be there.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.closed.clear();
        note_files(commit, &mut self.files);
        Ok(())
    }

    /// Writes it anew if it has become long, without the messages that do not come again.
    pub(super) fn shorten(&mut self, settled: impl Fn(&str) -> u64) {
        if self.length < SHORT.max(2 * self.shortest) {
            return;
        }
        let told = |origin: &str| Some(settled(origin)).filter(|below| *below > 0);
        if let Err(error) = self.write_anew(told) {
            log::warn!("cannot shorten {}: {error}", path_in(&self.folder).display());
            // Not with each batch again.
            self.shortest = self.length;
        }
    }

    fn write_anew(&mut self, settled: impl Fn(&str) -> Option<u64>) -> io::Result<()> {
        let mut old = vec![0; self.length as usize];
        self.file.read_exact_at(&mut old, 0)?;
        let mut anew = MAGIC.to_vec();
        let mut state = Commit::default();
        self.files.iter().for_each(|(path, file)| state.add_file(path, Some(*file)));
        state.write(&mut anew)?;
        let (mut at, middle) = (MAGIC.len(), old.len() / 2);
        while let Some((commit, length)) = Commit::read(&old[at..]) {
            at += length;
            let runs = commit.written.into_iter();
            let left = runs.filter_map(|run| match settled(&run.origin) {
                Some(below) => run.without_below(below),
                // The source may never say that these are settled, and the journal must not grow
                // for ever: exactly once is not promised for them.
                None if at < middle => None,
                None => Some(run),
            });
            let left = Commit { written: left.collect(), ..Commit::default() };
            if !left.written.is_empty() {
                left.write(&mut anew)?;
            }
        }
        write_whole(&self.folder, &anew)?;
        self.file = File::options().read(true).write(true).open(path_in(&self.folder))?;
        (self.length, self.shortest) = (anew.len() as u64, anew.len() as u64);
        self.is_doubtful = false;
        Ok(())
    }
}

fn note_files(commit: &Commit, files: &mut BTreeMap<PathBuf, FileState>) {
    for (path, state) in commit.files() {
        match state {
            Some(state) => _ = files.insert(path, state),
            None => _ = files.remove(&path),
        }
    }
}

/// Writes the journal under another name first: the one of its name is always whole.
fn write_whole(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = folder.join("written.new");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    fs::rename(&aside, path_in(folder))?;
    sync_folder(folder)
}
