//! Cuts a file that was not closed to the length of its last entry in the journal.
use std::{
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use gopiper_abi::Error;
use rustix::fs::{FlockOperation, flock};

use super::FileState;
use crate::{
    disk::{Inode, folder_of},
    mark::Mark,
};

/// Cuts a file, unless it was closed, or opened by a run without this journal: then its mark has
/// gone, or is another one. It may have been renamed meanwhile.
pub(super) fn cut_back(path: &Path, state: FileState) -> Result<(), Error> {
    let failed = |what: &str, error: io::Error| {
        Error::new(format!("cannot {what} {}: {error}", path.display())).caused_by(&error)
    };
    let nonce = Mark::nonce_left_at(path).map_err(|error| failed("read the mark of", error))?;
    if nonce == 0 || nonce != state.nonce {
        return Ok(());
    }
    let Some(path) = find(path, state).map_err(|error| failed("look for", error))? else {
        log::warn!(
            "{} is not in its folder any more: if a crash has left messages at its end that are \
             not done, they are written again to another file",
            path.display()
        );
        return Ok(());
    };
    match cut(&path, state.length) {
        Ok(0) => {}
        Ok(bytes) => log::info!(
            "{}: removed its last {bytes} bytes, whose messages were not done and will come again",
            path.display()
        ),
        Err(error) => return Err(failed("cut", error)),
    }
    Ok(())
}

/// Returns how many bytes were too many.
fn cut(path: &Path, length: u64) -> io::Result<u64> {
    let file = File::options().write(true).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let there = file.metadata()?.len();
    if there > length {
        file.set_len(length)?;
        file.sync_all()?;
    }
    Ok(there.saturating_sub(length))
}

/// The file, under its name or another one in its folder.
fn find(path: &Path, state: FileState) -> io::Result<Option<PathBuf>> {
    let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| is_of(&it, state));
    if is_it(&path.to_owned()) {
        return Ok(Some(path.to_owned()));
    }
    let beside = fs::read_dir(folder_of(path))?;
    Ok(beside.flatten().map(|entry| entry.path()).find(is_it))
}

/// A device that was mounted again may have another number, and another file the inode of one that
/// was removed: where there is a time of birth, it decides.
fn is_of(there: &Metadata, state: FileState) -> bool {
    let Inode(device, inode) = Inode::from(there);
    let born = there.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born = born.and_then(|born| i64::try_from(born.as_nanos()).ok());
    inode == state.inode.1
        && match (born, state.born) {
            (Some(born), Some(known)) => born == known,
            _ => device == state.inode.0,
        }
}
