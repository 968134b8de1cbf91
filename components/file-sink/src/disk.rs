//! Calls that std lacks: creating folders durably, and identifying a file.
use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Identifies a file on this machine, for as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inode(pub(crate) u64, pub(crate) u64);

impl From<&Metadata> for Inode {
    fn from(metadata: &Metadata) -> Self {
        Inode(metadata.dev(), metadata.ino())
    }
}

/// The folder that contains this.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

/// Names that were given or taken in this folder survive a power failure.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// How many folders are remembered. Folders beyond that are synced again.
const REMEMBERED: usize = 1000;

/// A folder, and when it was made: another one may get the inode of a removed one.
type Identity = (Inode, SystemTime);

/// The folders that this process has looked after: none of them has to be synced again.
#[derive(Default)]
pub(crate) struct Folders(HashMap<PathBuf, Identity>);

impl Folders {
    /// Makes a folder, and those that it lies in. One that is there already may have been made by
    /// a process that was killed before it could sync that: so all are synced, as far as they can
    /// be opened.
    pub(crate) fn make(&mut self, folder: &Path, sync: bool) -> io::Result<()> {
        let known = self.0.get(folder);
        if known.is_some() && identity(folder).as_ref() == known {
            return Ok(());
        }
        let outer = folder_of(folder);
        if outer != folder {
            self.make(outer, sync)?;
        }
        match fs::create_dir(folder) {
            Err(error) if !folder.is_dir() => return Err(error),
            Err(_) if sync => File::open(outer).map_or(Ok(()), |outer| outer.sync_all())?,
            Ok(()) if sync => sync_folder(outer)?,
            _ => {}
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        if let Some(identity) = identity(folder) {
            self.0.insert(folder.to_owned(), identity);
        }
        Ok(())
    }
}

/// `None` if the file system does not record when a folder was made.
fn identity(folder: &Path) -> Option<Identity> {
    let there = fs::metadata(folder).ok()?;
    Some((Inode::from(&there), there.created().ok()?))
}

#[cfg(test)]
mod tests {
    use std::{thread::sleep, time::Duration};

    use super::*;

    #[test]
    fn a_folder_that_was_replaced_is_another_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("logs");
        let mut folders = Folders::default();
        folders.make(&folder, true).unwrap();
        let known = folders.0.get(&folder).copied();
        assert_eq!(known, identity(&folder));
        fs::remove_dir(&folder).unwrap();
        // The kernel's clock for files has steps of a few milliseconds.
        sleep(Duration::from_millis(50));
        fs::create_dir(&folder).unwrap();
        folders.make(&folder, true).unwrap();
        let replaced = folders.0.get(&folder).copied();
        assert!(known.is_none() || replaced != known, "{known:?}");
        assert_eq!(replaced, identity(&folder));
    }
}
