//! The journal: a file that is only appended to, and written anew when it has become long.
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    record::{Commit, FileState},
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
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("written")
}

impl Journal {
    /// Opens the journal in a folder; there is an empty one if there was none. Returns the messages
    /// in it, too.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Written)> {
        let path = path_in(folder);
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
        let file = File::options().read(true).write(true).open(&path)?;
        if at < bytes.len() {
            // The process or the machine stopped while it was written: nothing was reported of it.
            file.set_len(at as u64)?;
            file.sync_all()?;
        }
        let (folder, length) = (folder.to_owned(), at as u64);
        let journal = Journal { folder, file, length, is_doubtful: false, shortest: length, files };
        Ok((journal, written.sorted()))
    }

    /// The files that were not closed.
    pub(super) fn open_files(&self) -> Vec<(PathBuf, FileState)> {
        self.files.iter().map(|(path, state)| (path.clone(), *state)).collect()
    }

    /// Appends a commit, and syncs it: all of it or, after an error, nothing.
    pub(super) fn commit(&mut self, commit: Commit) -> io::Result<()> {
        let mut bytes = Vec::new();
        commit.write(&mut bytes)?;
        if self.is_doubtful {
            self.write_anew(|_| 0)?;
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
        note_files(&commit, &mut self.files);
        Ok(())
    }

    /// Writes it anew if it has become long, without the messages that do not come again.
    pub(super) fn shorten(&mut self, settled: impl Fn(&str) -> u64) {
        if self.length < SHORT.max(2 * self.shortest) {
            return;
        }
        if let Err(error) = self.write_anew(settled) {
            log::warn!("cannot shorten {}: {error}", path_in(&self.folder).display());
            // Not with each batch again.
            self.shortest = self.length;
        }
    }

    fn write_anew(&mut self, settled: impl Fn(&str) -> u64) -> io::Result<()> {
        let mut old = vec![0; self.length as usize];
        self.file.read_exact_at(&mut old, 0)?;
        let mut anew = MAGIC.to_vec();
        let mut state = Commit::default();
        self.files.iter().for_each(|(path, file)| state.add_file(path.clone(), *file));
        state.write(&mut anew)?;
        let mut at = MAGIC.len();
        while let Some((commit, length)) = Commit::read(&old[at..]) {
            at += length;
            let runs = commit.written.into_iter();
            let left = runs.filter_map(|run| {
                let below = settled(&run.origin);
                run.without_below(below)
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
