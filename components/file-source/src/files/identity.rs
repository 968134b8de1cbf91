//! Identifies a file: its name or its inode may be given to another one.
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

/// The number of bytes at a file's beginning, and of those before a place, that identify it.
pub(crate) const HEAD: usize = 1024;

/// Identifies a file on this machine, for as long as it exists and its file system stays mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Inode {
    device: u64,
    inode: u64,
}

impl Inode {
    /// Its number on its device, which may have another number itself since it was mounted again.
    pub(crate) fn number(self) -> u64 {
        self.inode
    }
}

impl From<&Metadata> for Inode {
    fn from(metadata: &Metadata) -> Self {
        Inode { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// When the file was made, in nanoseconds since 1970, where the file system knows. A removed file's
/// inode may be given to the next one, but then this is another time.
pub(crate) fn born(metadata: &Metadata) -> Option<i64> {
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(born.as_nanos()).ok()
}

/// The beginning of a file, as far as there was one when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    length: usize,
    digest: String,
}

impl Fingerprint {
    pub(crate) fn of(head: &[u8]) -> Self {
        Fingerprint { length: head.len(), digest: digest(head) }
    }

    /// Whether a file that begins like this may be the same one, grown.
    pub(crate) fn fits(&self, head: &[u8]) -> bool {
        head.get(..self.length).is_some_and(|head| Self::of(head) == *self)
    }

    /// Whether this would say more.
    pub(crate) fn grows_with(&self, head: &[u8]) -> bool {
        head.len() > self.length
    }
}

/// The bytes directly before a place of a file: other content that begins the same differs there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) end: u64,
    pub(crate) length: usize,
    digest: String,
}

impl Mark {
    /// These bytes lie before `end`.
    pub(crate) fn of(end: u64, bytes: &[u8]) -> Self {
        Mark { end, length: bytes.len(), digest: digest(bytes) }
    }

    /// Whether this lies there still.
    pub(crate) fn fits(&self, file: &File) -> io::Result<bool> {
        let length = self.length.min(HEAD);
        let bytes = bytes_at(file, self.end.saturating_sub(length as u64), length)?;
        Ok(Self::of(self.end, &bytes) == *self)
    }
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The beginning of a file now.
pub(crate) fn head(file: &File) -> io::Result<Vec<u8>> {
    bytes_at(file, 0, HEAD)
}

/// So many bytes at this place, or what there is of them.
pub(crate) fn bytes_at(file: &File, place: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut read = 0;
    while read < length {
        match file.read_at(&mut bytes[read..], place + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}
