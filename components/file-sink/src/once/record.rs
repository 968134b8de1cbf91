//! The entries of the journal as bytes: a mark, how long it is, a checksum, and the commit.
use std::{
    ffi::OsStr,
    io,
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use gopiper_abi::{
    raw::{Identities, IdentityRun},
    serde::{Deserialize, Serialize},
};

use crate::disk::Inode;

/// The beginning of an entry: by it, an entry behind a damaged one is found.
pub(super) const BEGIN: [u8; 4] = *b"\xd1GPO";
/// How long the beginning, the length and the checksum are.
const HEAD: usize = 4 + 4 + 4;

/// A change of the journal: all of it is there, or nothing.
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
    /// Of each, the checksum of its bytes: four bytes, which are not worth packing.
    sums: Vec<u8>,
    /// Of each, or none of all.
    ordinals: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "gopiper_abi::serde")]
pub(super) struct FileEntry {
    path: Vec<u8>,
    /// None if it was closed.
    open: Option<OpenEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(crate = "gopiper_abi::serde")]
struct OpenEntry {
    device: u64,
    inode: u64,
    born: Option<i64>,
    length: u64,
    nonce: u64,
}

/// An open file, and how much of it is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FileState {
    pub(crate) inode: Inode,
    /// When it was made, where the file system knows.
    pub(crate) born: Option<i64>,
    pub(crate) length: u64,
    /// The number of its mark; 0 if none could be made.
    pub(crate) nonce: u64,
}

impl From<FileState> for OpenEntry {
    fn from(FileState { inode: Inode(device, inode), born, length, nonce }: FileState) -> Self {
        OpenEntry { device, inode, born, length, nonce }
    }
}

impl From<&OpenEntry> for FileState {
    fn from(&OpenEntry { device, inode, born, length, nonce }: &OpenEntry) -> Self {
        FileState { inode: Inode(device, inode), born, length, nonce }
    }
}

impl Commit {
    pub(super) fn of_file(path: &Path, state: FileState) -> Self {
        let mut commit = Commit::default();
        commit.add_file(path, Some(state));
        commit
    }

    /// A file is so, or was closed.
    pub(super) fn add_file(&mut self, path: &Path, state: Option<FileState>) {
        let path = path.as_os_str().as_bytes().to_vec();
        self.files.push(FileEntry { path, open: state.map(OpenEntry::from) });
    }

    /// The messages at these places of a batch are in the file, too.
    pub(super) fn with(mut self, ids: &Identities, sums: &[u32], places: &[Range<usize>]) -> Self {
        let mut begin = 0;
        for run in ids.runs() {
            let of_run = begin..begin + run.count as usize;
            begin = of_run.end;
            for range in places {
                let common = range.start.max(of_run.start)..range.end.min(of_run.end);
                if !common.is_empty() && !run.origin.is_empty() {
                    let in_run = common.start - of_run.start..common.end - of_run.start;
                    self.written.push(WrittenRun::of(run, in_run, &sums[common]));
                }
            }
        }
        self
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (PathBuf, Option<FileState>)> {
        self.files.iter().map(|FileEntry { path, open }| {
            (PathBuf::from(OsStr::from_bytes(path)), open.as_ref().map(FileState::from))
        })
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
        bytes[start..start + 4].copy_from_slice(&BEGIN);
        bytes[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        bytes[start + 8..start + HEAD].copy_from_slice(&sum.to_le_bytes());
        Ok(())
    }

    /// The entry at the start of these bytes, and how long it is; `None` if it is not whole.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (length, sum) = (number(4)? as usize, number(8)?);
        if !bytes.starts_with(&BEGIN) {
            return None;
        }
        let body = bytes.get(HEAD..)?.get(..length)?;
        if crc32fast::hash(body) != sum {
            return None;
        }
        Some((postcard::from_bytes(body).ok()?, HEAD + length))
    }
}

impl WrittenRun {
    fn of(run: &IdentityRun, places: Range<usize>, sums: &[u32]) -> Self {
        let ordinals = run.ordinals.get(places.clone()).unwrap_or_default();
        let ordinals = ordinals.iter().map(|of_one| of_one.to_vec()).collect();
        let sums = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let origin = run.origin.to_string();
        let mut written = WrittenRun { origin, steps: Vec::new(), sums, ordinals };
        written.set_numbers(run.numbers.get(places).unwrap_or_default().iter().copied());
        written
    }

    fn set_numbers(&mut self, numbers: impl Iterator<Item = u64>) {
        let mut before = 0u64;
        self.steps = numbers
            .map(|number| number.wrapping_sub(std::mem::replace(&mut before, number)) as i64)
            .collect();
    }

    /// The number of each message, with its ordinals and its checksum.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, &[u32], u32)> {
        let mut number = 0u64;
        let sums = self.sums.chunks_exact(4);
        self.steps.iter().zip(sums).enumerate().map(move |(place, (step, sum))| {
            number = number.wrapping_add(*step as u64);
            let ordinals = self.ordinals.get(place).map_or(&[][..], |all| all);
            let sum = sum.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            (number, ordinals, sum)
        })
    }

    /// Without the messages whose numbers are smaller; `None` if none is left.
    pub(super) fn without_below(self, below: u64) -> Option<Self> {
        if below == 0 {
            return Some(self);
        }
        let kept: Vec<_> = self.each().filter(|(number, ..)| *number >= below).collect();
        let has_ordinals = kept.iter().any(|(_, ordinals, _)| !ordinals.is_empty());
        let of_each = kept.iter().map(|(_, ordinals, _)| ordinals.to_vec());
        let ordinals = if has_ordinals { of_each.collect() } else { Vec::new() };
        let sums = kept.iter().flat_map(|(.., sum)| sum.to_le_bytes()).collect();
        let mut rest =
            WrittenRun { origin: self.origin.clone(), steps: Vec::new(), sums, ordinals };
        rest.set_numbers(kept.iter().map(|(number, ..)| *number));
        (!rest.steps.is_empty()).then_some(rest)
    }
}
