//! Marks the letters of a segment that were replayed.
use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::disk::{
    appended::AppendedFile,
    digest::{digest, fits},
    lock,
};

const EXTENSION: &str = "done";
/// An offset and its digest.
const MARK: usize = 16;

/// The marks beside a segment.
pub(super) fn path(segment: &Path) -> PathBuf {
    segment.with_extension(EXTENSION)
}

/// The offsets of the letters that were replayed. A damaged or unfinished mark has no effect: its
/// letter is replayed again.
///
/// # Errors
/// When the marks cannot be read.
pub fn done(segment: &Path) -> io::Result<BTreeSet<u64>> {
    let mut bytes = Vec::new();
    match File::open(path(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        file => file?.read_to_end(&mut bytes)?,
    };
    let offset = |mark: &[u8]| {
        let (offset, digest) = (mark.first_chunk::<8>()?, mark.last_chunk::<8>()?);
        fits(digest, offset).then(|| u64::from_le_bytes(*offset))
    };
    Ok(bytes.chunks_exact(MARK).filter_map(offset).collect())
}

/// Marks letters of one segment. No other process does so at the same time.
pub(super) struct Marker(AppendedFile);

impl Marker {
    /// # Errors
    /// When the file cannot be made, or another process marks letters of this segment.
    pub(super) fn open(segment: &Path) -> io::Result<Self> {
        let path = path(segment);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        if !lock::try_lock(&file)? {
            let said = format!("{} is being replayed by another process", segment.display());
            return Err(io::Error::other(said));
        }
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        // An unfinished mark would shift those that follow: the next one is written over it.
        let length = file.metadata()?.len();
        Ok(Marker(AppendedFile::new(file, length - length % MARK as u64)))
    }

    /// Marks the letters at these offsets, synced.
    ///
    /// # Errors
    /// When that fails: those letters are replayed again.
    pub(super) fn mark(&mut self, offsets: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for offset in offsets {
            let offset = offset.to_le_bytes();
            bytes.extend_from_slice(&offset);
            bytes.extend_from_slice(&digest::<8>(&offset));
        }
        self.0.append(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    /// A process that was killed leaves one, or a full disk that cannot shorten the file either.
    #[test]
    fn a_half_written_mark_does_not_shift_those_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("segment.letters");
        let tear = || {
            let mut file = OpenOptions::new().append(true).open(path(&segment)).unwrap();
            file.write_all(&[7; MARK / 2 + 1]).unwrap();
        };
        let mut marker = Marker::open(&segment).unwrap();
        marker.mark([8, 100].into_iter()).unwrap();
        tear();
        marker.mark([200].into_iter()).unwrap();
        marker.mark([300].into_iter()).unwrap();
        assert_eq!(done(&segment).unwrap(), BTreeSet::from([8, 100, 200, 300]));
        tear();
        drop(marker);
        Marker::open(&segment).unwrap().mark([400].into_iter()).unwrap();
        assert_eq!(done(&segment).unwrap(), BTreeSet::from([8, 100, 200, 300, 400]));
        assert_eq!(fs::metadata(path(&segment)).unwrap().len(), 5 * MARK as u64);
    }
}
