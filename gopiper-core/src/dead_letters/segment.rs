//! Files of letters: appended to by one process, read by any. The limit of all of them together
//! (`dead_letter_limit`) is checked in `sink.rs`.
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use memchr::memmem;

use super::{Letter, marks};
use crate::disk::{
    appended::AppendedFile,
    entry::{self, EntryKind, HEAD},
    lock,
};

/// The beginning of a segment; the last byte is the version of the format.
const MAGIC: &[u8; 8] = b"GPDEAD\0\x01";
/// The beginning of an entry: it marks the next entry after a damaged one.
const LETTER: EntryKind = *b"\xd1GPL";
const EXTENSION: &str = "letters";

/// A segment that this process is writing.
pub(super) struct Segment {
    file: AppendedFile,
    path: PathBuf,
}

impl Segment {
    /// Creates a segment. It is locked for as long as it is written, and its name is synced.
    pub(super) fn create(folder: &Path, now: i64) -> io::Result<Self> {
        let pid = std::process::id();
        for n in 0.. {
            let path = folder.join(format!("{now:020}-{pid}-{n}.{EXTENSION}"));
            let made =
                OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
            let file = match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            if !lock::try_lock(&file)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut segment = Segment { file: AppendedFile::new(file, 0), path };
            segment.file.append(MAGIC)?;
            File::open(folder)?.sync_all()?;
            return Ok(segment);
        }
        unreachable!("one of all numbers is free")
    }

    pub(super) fn length(&self) -> u64 {
        self.file.synced()
    }

    /// Whether more can be appended.
    pub(super) fn is_sound(&self) -> bool {
        self.file.is_sound()
    }

    /// Writes the first of these letters, until they have `room` bytes, and syncs them: all or, as
    /// far as others can see, none. Returns how many those were.
    pub(super) fn append<'m>(
        &mut self,
        letters: impl Iterator<Item = Letter<'m>>,
        room: u64,
    ) -> io::Result<usize> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for letter in letters {
            count += 1;
            let start = entry::begin(&mut bytes);
            rmp_serde::encode::write_named(&mut bytes, &letter).map_err(io::Error::other)?;
            entry::seal(&mut bytes[start..], LETTER)
                .map_err(|_| io::Error::other("a letter has at most 4 GB"))?;
            if bytes.len() as u64 >= room {
                break;
            }
        }
        self.file.append(&bytes)?;
        Ok(count)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.length() <= MAGIC.len() as u64 {
            // Nothing is in it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The segments in a folder, oldest first; none if there is no folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a process is writing a segment.
pub fn is_written(segment: &Path) -> bool {
    lock::is_locked(segment)
}

/// Removes a segment and its marks.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(segment: &Path) -> io::Result<()> {
    fs::remove_file(segment)?;
    match fs::remove_file(marks::path(segment)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Part of a segment that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// The offset of its beginning.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// A letter in a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLetter {
    /// The offset of its beginning; this identifies it.
    pub offset: u64,
    /// The letter.
    pub letter: Letter<'static>,
}

/// Reads a segment from its beginning. Damage is skipped, and reported.
pub struct SegmentReader {
    bytes: Vec<u8>,
    at: usize,
}

impl SegmentReader {
    /// Opens a segment.
    ///
    /// # Errors
    /// When it cannot be read, or is no segment of a version that is known here.
    pub fn open(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        // A shorter one is just being made, or its process was killed then.
        if bytes.len() > MAGIC.len() && !bytes.starts_with(MAGIC) {
            let error = "not a segment of dead letters, or one of another version of gopiper";
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(SegmentReader { bytes, at: MAGIC.len() })
    }

    /// The entry at `at`, and where it ends.
    fn entry(&self, at: usize) -> Option<(Letter<'static>, usize)> {
        let (head, body) = entry::read(self.bytes.get(at..)?)?;
        if head.kind != LETTER {
            return None;
        }
        Some((rmp_serde::from_slice(body).ok()?, at + HEAD + body.len()))
    }
}

impl Iterator for SegmentReader {
    type Item = Result<StoredLetter, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        if let Some((letter, end)) = self.entry(start) {
            self.at = end;
            return Some(Ok(StoredLetter { offset: start as u64, letter }));
        }
        // The next one that is whole; a mark may also be part of a payload.
        let next = memmem::find_iter(&self.bytes[start + 1..], &LETTER)
            .map(|found| start + 1 + found)
            .find(|at| self.entry(*at).is_some());
        self.at = next.unwrap_or(self.bytes.len());
        Some(Err(Damage { offset: start as u64, bytes: (self.at - start) as u64 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_was_just_begun_has_no_letters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment.letters");
        for bytes in [&b""[..], &MAGIC[..5], MAGIC, &[0; 8]] {
            fs::write(&path, bytes).unwrap();
            assert!(SegmentReader::open(&path).unwrap().next().is_none(), "{bytes:?}");
        }
        fs::write(&path, "another file").unwrap();
        assert!(SegmentReader::open(&path).is_err());
    }
}
