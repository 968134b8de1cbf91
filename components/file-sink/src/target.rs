//! One file that is being written.
use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Write},
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use gopiper_abi::{BatchCall, Ending};
use memchr::memmem;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::{
    Sync,
    disk::{Folders, Inode, folder_of, sync_folder},
    mark::Mark,
    once::FileState,
};

/// Smaller pieces are put together to this size first.
const TOGETHER: usize = 64 << 10;

/// An open file.
pub(crate) struct Target {
    path: PathBuf,
    file: File,
    sync: Sync,
    /// `None` for anything but a regular file: that is only written to.
    regular: Option<Inode>,
    /// When it was made, where the file system knows.
    born: Option<i64>,
    /// `None` if none could be made.
    mark: Option<Mark>,
    length: u64,
    /// The file's length before the part that is not settled yet.
    settled: u64,
    /// The ending of its text.
    ending: Ending,
    /// After its length are bytes that could not be cut off.
    is_torn: bool,
    /// Some of its content is not on disk yet.
    pub(crate) is_dirty: bool,
    /// When it was made, by the clock of days, in nanoseconds.
    pub(crate) begun: i64,
    /// In which batch it was last written to.
    pub(crate) used: u64,
    /// The messages of this batch that it holds.
    pub(crate) unsettled: Vec<Range<usize>>,
}

impl Target {
    /// Opens a file to append to, and takes away what a crash has left of a line.
    pub(crate) fn open(
        path: &Path,
        folders: &mut Folders,
        delimiter: &[u8],
        sync: Sync,
        now: i64,
    ) -> io::Result<Self> {
        let special = fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
        let file = if special {
            File::options().write(true).open(path)?
        } else {
            folders.make(folder_of(path), sync != Sync::Never)?;
            open_alone(path)?
        };
        let metadata = file.metadata()?;
        let made = metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|made| i64::try_from(made.as_nanos()).ok());
        let mut target = Target {
            path: path.to_owned(),
            file,
            sync,
            regular: (!special).then(|| Inode::from(&metadata)),
            born: made,
            mark: None,
            length: metadata.len(),
            settled: 0,
            ending: Ending::Whole,
            is_torn: false,
            is_dirty: false,
            begun: made.map_or(now, |made| made.min(now)),
            used: 0,
            unsettled: Vec::new(),
        };
        if let Some(inode) = target.regular {
            target.take_over(inode, delimiter)?;
            target.ending = target.find_ending(delimiter)?;
        }
        target.settled = target.length;
        Ok(target)
    }

    fn take_over(&mut self, inode: Inode, delimiter: &[u8]) -> io::Result<()> {
        match Mark::left_at(&self.path, inode) {
            Ok(None) => {}
            Ok(Some(whole)) => self.cut_off_part_of_line(whole, delimiter)?,
            // Then none can be made either.
            Err(error) if may_have_no_mark(&error) => {}
            Err(error) => return Err(error),
        }
        let sync = self.sync != Sync::Never;
        if sync && self.length > 0 {
            // The content that the mark declares whole must be on disk before the mark: a killed
            // process may have left it to the system.
            self.file.sync_data()?;
        }
        match Mark::new(&self.path, inode, self.length, sync) {
            // Syncing the name of the mark has synced that of the file, too.
            Ok(mark) => {
                self.mark = Some(mark);
                return Ok(());
            }
            Err(error) if may_have_no_mark(&error) => log::warn!(
                "{}: cannot create a mark beside it ({error}): after a crash its last line may \
                 remain incomplete",
                self.path.display()
            ),
            Err(error) => return Err(error),
        }
        if sync { sync_folder(folder_of(&self.path)) } else { Ok(()) }
    }

    fn cut_off_part_of_line(&mut self, whole: u64, delimiter: &[u8]) -> io::Result<()> {
        let kept = match delimiter {
            [] => self.length,
            _ => end_of_last_line(&self.file, whole, self.length, delimiter)?,
        };
        if kept < self.length {
            let cut = self.length - kept;
            log::warn!(
                "{}: removed its last {cut} bytes, an incomplete line; the line will be written \
                 again",
                self.path.display()
            );
            self.cut_to(kept)?;
        }
        Ok(())
    }

    /// The ending of a file that was written by others, or in another run.
    fn find_ending(&self, delimiter: &[u8]) -> io::Result<Ending> {
        if self.length == 0 {
            return Ok(Ending::Whole);
        }
        let Some(start) = self.length.checked_sub(delimiter.len() as u64) else {
            return Ok(Ending::Open);
        };
        let mut last = vec![0; delimiter.len()];
        self.file.read_exact_at(&mut last, start)?;
        Ok(if last == delimiter { Ending::Whole } else { Ending::Open })
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.regular.is_some()
    }

    /// What the journal has to know of a regular file.
    pub(crate) fn state(&self) -> Option<FileState> {
        let nonce = self.mark.as_ref().map_or(0, Mark::nonce);
        let (born, length) = (self.born, self.length);
        self.regular.map(|inode| FileState { inode, born, length, nonce })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether its name still leads to this file.
    fn is_in_place(&self) -> bool {
        self.regular.is_none() || self.in_place().is_some()
    }

    fn in_place(&self) -> Option<Metadata> {
        let there = fs::metadata(&self.path).ok();
        there.filter(|there| Some(Inode::from(there)) == self.regular)
    }

    /// Notices changes that others have made since a batch was settled: whether the file is still
    /// in place, and how long it is, as they may have cut it (`copytruncate`) or appended to it.
    pub(crate) fn look_again(&mut self, delimiter: &[u8]) -> io::Result<bool> {
        let Some(there) = self.in_place() else { return Ok(self.regular.is_none()) };
        if let (true, Some(mark)) = (there.len() < self.length, &self.mark) {
            mark.set(there.len())?;
        }
        if there.len() != self.length {
            self.length = there.len();
            self.ending = self.find_ending(delimiter)?;
        }
        self.settled = self.length;
        Ok(true)
    }

    /// Writes all, or nothing.
    pub(crate) fn write(
        &mut self,
        call: &BatchCall<'_>,
        messages: Range<usize>,
        delimiter: &[u8],
    ) -> io::Result<()> {
        let before = self.ending;
        match self.write_pieces(call, messages, delimiter) {
            Ok(written) => {
                self.length += written;
                self.is_dirty = true;
                Ok(())
            }
            Err(error) => {
                self.ending = before;
                if let Err(cut) = self.cut_to(self.length) {
                    self.is_torn = true;
                    log::warn!(
                        "{}: cannot remove a partly written batch: {cut}; the file may contain \
                         some of its lines twice",
                        self.path.display()
                    );
                }
                Err(error)
            }
        }
    }

    fn write_pieces(
        &mut self,
        call: &BatchCall<'_>,
        messages: Range<usize>,
        delimiter: &[u8],
    ) -> io::Result<u64> {
        let mut written = 0;
        let mut file = BufWriter::with_capacity(TOGETHER, &self.file);
        for piece in call.pieces_of(messages, delimiter, &mut self.ending) {
            if piece.delimiter_before {
                file.write_all(delimiter)?;
                written += delimiter.len() as u64;
            }
            file.write_all(piece.data)?;
            written += piece.data.len() as u64;
            if piece.add_delimiter {
                file.write_all(delimiter)?;
                written += delimiter.len() as u64;
            }
        }
        file.flush()?;
        Ok(written)
    }

    /// From now on, the data written since it was last settled stays. A regular file that is on
    /// disk so far is shown to `note`: if that fails, nothing stays.
    pub(crate) fn settle(
        &mut self,
        note: impl FnOnce(FileState) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.sync == Sync::Batch {
            self.sync()?;
        }
        if self.ending != Ending::Whole && self.mark.is_some() {
            if self.sync == Sync::Interval {
                self.sync()?;
            }
            self.mark.iter().try_for_each(|mark| mark.set(self.length))?;
        }
        self.state().map_or(Ok(()), note)?;
        self.settled = self.length;
        Ok(())
    }

    /// Takes back the data written since it was last settled.
    pub(crate) fn take_back(mut self) {
        if let Err(error) = self.cut_to(self.settled) {
            log::warn!(
                "{}: cannot remove an unfinished batch: {error}; the file may contain some of its \
                 lines twice",
                self.path.display()
            );
        }
    }

    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        if self.is_regular() {
            self.file.set_len(length)?;
            self.length = length;
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty && self.is_regular() {
            self.file.sync_data()?;
        }
        self.is_dirty = false;
        Ok(())
    }

    /// Closes it as whole.
    pub(crate) fn close(mut self) -> io::Result<()> {
        if self.sync != Sync::Never {
            self.sync()?;
        }
        if self.is_in_place() && !self.is_torn {
            self.mark.take().into_iter().for_each(Mark::remove);
        }
        Ok(())
    }
}

/// The folder is not ours to write to, or the name is too long to get longer.
fn may_have_no_mark(error: &io::Error) -> bool {
    let refusals = [Errno::ACCESS, Errno::PERM, Errno::NAMETOOLONG].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| refusals.contains(&code))
}

/// Opens it, and locks it: two that append to one file would cut each other's lines.
fn open_alone(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().read(true).append(true).create(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => {
                // The kernel shows the list in parts: when others lock and unlock meanwhile, a lock
                // may fall between two of them.
                let holder = |there: Metadata| (0..5).find_map(|_| holder(&there));
                let process = file.metadata().ok().and_then(holder);
                let process = process.map_or_else(String::new, |id| format!(" (process {id})"));
                let said = format!("another file_sink has it open{process}: stop that one first");
                io::Error::new(io::ErrorKind::WouldBlock, said)
            }
            error => io::Error::other(format!("it cannot be locked: {error}")),
        })?;
        // Meanwhile it may have been renamed.
        if fs::metadata(path).is_ok_and(|there| match file.metadata() {
            Ok(ours) => Inode::from(&there) == Inode::from(&ours),
            Err(_) => false,
        }) {
            return Ok(file);
        }
    }
}

/// The process that has locked a file, if the system shows it. A line of `/proc/locks` is
/// `1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF`, with the inode after the last colon.
fn holder(there: &Metadata) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let inode = format!(":{}", there.ino());
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (kind, process) = (words.next()?, words.nth(2)?);
        let is_it = kind == "FLOCK" && words.next()?.ends_with(&inode);
        process.parse().ok().filter(|id| is_it && *id > 0)
    })
}

/// Behind the last delimiter in the file's first `length` bytes, but not before `whole`.
fn end_of_last_line(file: &File, whole: u64, length: u64, delimiter: &[u8]) -> io::Result<u64> {
    let mut block = vec![0; (64 << 10) + delimiter.len()];
    let mut end = length;
    while end > whole {
        let start = end.saturating_sub(64 << 10).max(whole);
        // A delimiter may lie across the end of the block.
        let stop = length.min(end + delimiter.len() as u64 - 1);
        let bytes = &mut block[..(stop - start) as usize];
        file.read_exact_at(bytes, start)?;
        if let Some(found) = memmem::rfind(bytes, delimiter) {
            return Ok(start + (found + delimiter.len()) as u64);
        }
        end = start;
    }
    Ok(whole.min(length))
}
