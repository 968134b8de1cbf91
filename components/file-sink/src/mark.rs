//! A small file beside one that is being written: it says up to where that is whole.
//!
//! When the process or the machine dies in the middle of a write, the last line may be a part of
//! one. Its message was not reported as Done, so it comes again, and the part must go. But a last
//! line without a delimiter may also be a whole message that had none, or have been there before.
//! So the mark says how long the file was when it was opened, or when a message without a delimiter
//! was last written whole: only what lies after that, and after the last delimiter, is cut off.
//! The mark goes when the file is closed.
use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::disk::{Inode, folder_of, sync_folder};

const FORMAT: &str = "gopiper file_sink 1";

/// The mark of one file.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    inode: Inode,
    sync: bool,
    /// A random number, which no other mark has: the journal knows by it whether the file was
    /// closed, or opened by another run.
    nonce: u64,
}

impl Mark {
    fn path_of(file: &Path) -> PathBuf {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        folder_of(file).join(format!(".{name}.gopiper"))
    }

    /// Up to where the file is whole, if a mark was left behind: it was not closed.
    ///
    /// # Errors
    /// The mark cannot be read now (no descriptors are left). Without it, part of a line would
    /// stay.
    pub(crate) fn left_at(file: &Path, inode: Inode) -> io::Result<Option<u64>> {
        match fs::read(Self::path_of(file)) {
            Ok(mark) => Ok(Self::parse(&String::from_utf8_lossy(&mark), inode)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number of the mark that was left behind; 0 if there is none.
    pub(crate) fn nonce_left_at(file: &Path) -> io::Result<u64> {
        let text = match fs::read_to_string(Self::path_of(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            text => text?,
        };
        let last = text.trim_end().rsplit(' ').next().unwrap_or_default();
        let has_one = text.strip_prefix(FORMAT).is_some_and(|it| it.split(' ').count() > 4);
        Ok(if has_one { last.parse().unwrap_or(0) } else { 0 })
    }

    pub(crate) fn nonce(&self) -> u64 {
        self.nonce
    }

    fn parse(text: &str, inode: Inode) -> Option<u64> {
        let mut fields = text.strip_prefix(FORMAT)?.strip_suffix('\n')?.split(' ').skip(1);
        let mut number = || fields.next()?.parse().ok();
        let marked = Inode(number()?, number()?);
        let whole = number()?;
        (marked == inode).then_some(whole)
    }

    /// Marks a file as one that is being written.
    pub(crate) fn new(file: &Path, inode: Inode, whole: u64, sync: bool) -> io::Result<Self> {
        let nonce = RandomState::new().hash_one(whole).max(1);
        let mark = Mark { path: Self::path_of(file), inode, sync, nonce };
        mark.set(whole)?;
        Ok(mark)
    }

    /// The file is whole up to here.
    pub(crate) fn set(&self, whole: u64) -> io::Result<()> {
        let aside = self.path.with_extension("gopiper-new");
        let Inode(device, inode) = self.inode;
        let mut file = File::create(&aside)?;
        let nonce = self.nonce;
        file.write_all(format!("{FORMAT} {device} {inode} {whole} {nonce}\n").as_bytes())?;
        if self.sync {
            file.sync_all()?;
        }
        fs::rename(&aside, &self.path)?;
        if self.sync { sync_folder(folder_of(&self.path)) } else { Ok(()) }
    }

    /// The file was closed.
    pub(crate) fn remove(self) {
        // One that stays says nothing wrong: the file is whole.
        let _ = fs::remove_file(self.path);
    }
}
