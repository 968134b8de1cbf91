//! The entries of the journal as bytes: how long, their checksum, and the commit.
use std::{
    ffi::OsStr,
    io,
    ops::Range,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use gopiper_abi::{
    raw::{Identities, IdentityRun},
    serde::{Deserialize, Serialize},
};

use crate::disk::Inode;

/// How long the length and the checksum are.
const HEAD: usize = 4 + 4;

/// What is so at one moment, all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(crate = "gopiper_abi::serde")]
pub(super) struct Commit {
    /// The messages that are in a file now.
    pub(super) written: Vec<WrittenRun>,
    pub(super) files: Vec<FileEntry>,
}

/// Messages of one origin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(crate = "gopiper_abi::serde")]
pub(super) struct WrittenRun {
    pub(super) origin: String,
    /// Of each, its number since that of the one before: so most take two bytes.
    steps: Vec<i64>,
    /// Of each, or none of all.
    ordinals: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "gopiper_abi::serde")]
pub(super) struct FileEntry {
    path: Vec<u8>,
    /// Its inode (device, number) and length; none if it was closed.
    open: Option<(u64, u64, u64)>,
}

/// An open file, and how much of it is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FileState {
    pub(crate) inode: Inode,
    pub(crate) length: u64,
}

impl Commit {
    pub(super) fn closed(path: &Path) -> Self {
        let path = path.as_os_str().as_bytes().to_vec();
        Commit { files: vec![FileEntry { path, open: None }], ..Commit::default() }
    }

    pub(super) fn of_file(path: &Path, state: FileState) -> Self {
        let FileState { inode: Inode(device, inode), length } = state;
        let path = path.as_os_str().as_bytes().to_vec();
        let open = Some((device, inode, length));
        Commit { files: vec![FileEntry { path, open }], ..Commit::default() }
    }

    /// The messages at these places of a batch are in the file, too.
    pub(super) fn with(mut self, ids: &Identities, places: &[Range<usize>]) -> Self {
        let mut begin = 0;
        for run in ids.runs() {
            let of_run = begin..begin + run.count as usize;
            begin = of_run.end;
            for range in places {
                let common = range.start.max(of_run.start)..range.end.min(of_run.end);
                if !common.is_empty() && !run.origin.is_empty() {
                    let in_run = common.start - of_run.start..common.end - of_run.start;
                    self.written.push(WrittenRun::of(run, in_run));
                }
            }
        }
        self
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (PathBuf, Option<FileState>)> {
        self.files.iter().map(|FileEntry { path, open }| {
            let state = open
                .map(|(device, inode, length)| FileState { inode: Inode(device, inode), length });
            (PathBuf::from(OsStr::from_bytes(path)), state)
        })
    }

    pub(super) fn add_file(&mut self, path: PathBuf, state: FileState) {
        let FileState { inode: Inode(device, inode), length } = state;
        let path = path.into_os_string().into_vec();
        self.files.push(FileEntry { path, open: Some((device, inode, length)) });
    }

    /// Appends the entry.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; HEAD]);
        let mut taken = std::mem::take(bytes);
        taken = postcard::to_extend(self, taken).map_err(io::Error::other)?;
        *bytes = taken;
        let body = bytes.len() - start - HEAD;
        let length = u32::try_from(body).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let sum = crc32fast::hash(&bytes[start + HEAD..]);
        bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        bytes[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
        Ok(())
    }

    /// The entry at the start of these bytes, and how long it is; `None` if it is not whole.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (length, sum) = (number(0)? as usize, number(4)?);
        let body = bytes.get(HEAD..)?.get(..length)?;
        if crc32fast::hash(body) != sum {
            return None;
        }
        Some((postcard::from_bytes(body).ok()?, HEAD + length))
    }
}

impl WrittenRun {
    fn of(run: &IdentityRun, places: Range<usize>) -> Self {
        let ordinals = run.ordinals.get(places.clone()).unwrap_or_default();
        let ordinals = ordinals.iter().map(|of_one| of_one.to_vec()).collect();
        let mut written =
            WrittenRun { origin: run.origin.to_string(), steps: Vec::new(), ordinals };
        written.set_numbers(run.numbers.get(places).unwrap_or_default().iter().copied());
        written
    }

    fn set_numbers(&mut self, numbers: impl Iterator<Item = u64>) {
        let mut before = 0u64;
        self.steps = numbers
            .map(|number| {
                let step = number.wrapping_sub(std::mem::replace(&mut before, number));
                step as i64
            })
            .collect();
    }

    /// The number of each message, with its ordinals.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, &[u32])> {
        let mut number = 0u64;
        self.steps.iter().enumerate().map(move |(place, step)| {
            number = number.wrapping_add(*step as u64);
            (number, self.ordinals.get(place).map_or(&[][..], |all| all))
        })
    }

    /// Without the messages whose numbers are smaller; `None` if none is left.
    pub(super) fn without_below(self, below: u64) -> Option<Self> {
        if below == 0 {
            return Some(self);
        }
        let kept: Vec<_> = self.each().filter(|(number, _)| *number >= below).collect();
        let has_ordinals = kept.iter().any(|(_, ordinals)| !ordinals.is_empty());
        let of_each = kept.iter().map(|(_, ordinals)| ordinals.to_vec());
        let ordinals = if has_ordinals { of_each.collect() } else { Vec::new() };
        let mut rest = WrittenRun { origin: String::new(), steps: Vec::new(), ordinals };
        rest.set_numbers(kept.iter().map(|(number, _)| *number));
        rest.origin = self.origin;
        (!rest.steps.is_empty()).then_some(rest)
    }
}
