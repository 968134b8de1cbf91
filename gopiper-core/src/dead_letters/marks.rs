//! Marks the letters of a segment that were replayed.
use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::disk::{digest::digest, lock};

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
/// When the marks can't be read.
pub fn done(segment: &Path) -> io::Result<BTreeSet<u64>> {
    let mut bytes = Vec::new();
    match File::open(path(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        file => file?.read_to_end(&mut bytes)?,
    };
    let whole = bytes.chunks_exact(MARK).filter(|mark| mark[8..] == digest::<8>(&mark[..8]));
    let offset = |mark: &[u8]| mark[..8].try_into().map(u64::from_le_bytes).ok();
    Ok(whole.filter_map(offset).collect())
}

/// Marks letters of one segment. No other process does so at the same time.
pub(super) struct Marker(File);

impl Marker {
    /// # Errors
    /// When the file can't be made, or another process marks letters of this segment.
    pub(super) fn open(segment: &Path) -> io::Result<Self> {
        let path = path(segment);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        if !lock::try_lock(&file)? {
            let said = format!("{} is being replayed by another process", segment.display());
            return Err(io::Error::other(said));
        }
        // An unfinished mark would shift those that follow.
        let length = file.metadata()?.len();
        file.set_len(length - length % MARK as u64)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Marker(file))
    }

    pub(super) fn mark(&mut self, offsets: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for offset in offsets {
            let offset = offset.to_le_bytes();
            bytes.extend_from_slice(&offset);
            bytes.extend_from_slice(&digest::<8>(&offset));
        }
        self.0.write_all(&bytes)?;
        self.0.sync_data()
    }
}
