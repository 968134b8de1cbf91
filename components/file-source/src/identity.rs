//! Which file it is: a name may be given to another one, and so may an inode.
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
};

use serde::{Deserialize, Serialize};

/// How much of a file's beginning tells it from others.
const HEAD: usize = 1024;

/// Which file it is on this machine, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Inode {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Inode {
    fn from(metadata: &Metadata) -> Self {
        Inode { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What a file begins with, as far as there was something when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    length: usize,
    digest: String,
}

impl Fingerprint {
    pub(crate) fn of(head: &[u8]) -> Self {
        Fingerprint { length: head.len(), digest: blake3::hash(head).to_hex().to_string() }
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

/// What a file begins with now.
pub(crate) fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut read = 0;
    while read < HEAD {
        match file.read_at(&mut head[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(read);
    Ok(head)
}
