//! Locks of files: advisory ones, which end with the process.
use std::{fs::File, io, path::Path, thread};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

/// Locks a file for as long as it is open; false if another process has locked it.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {}
            locked => return Ok(locked.map(|()| true)?),
        }
        // It may only be a look, by `is_locked`: then a shared lock is possible.
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => return Ok(false),
            locked => locked?,
        }
        thread::yield_now();
    }
}

/// Whether a process has locked a file.
pub(crate) fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicBool, Ordering::SeqCst},
    };

    use super::*;

    #[test]
    fn a_file_can_be_locked_while_others_look_whether_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "").unwrap();
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(SeqCst) {
                    is_locked(&path);
                }
            });
            let failed = (0..10_000).filter(|_| !try_lock(&File::open(&path).unwrap()).unwrap());
            let failed = failed.count();
            is_done.store(true, SeqCst);
            assert_eq!(failed, 0);
        });
        let first = File::open(&path).unwrap();
        assert!(try_lock(&first).unwrap() && is_locked(&path));
        assert!(!try_lock(&File::open(&path).unwrap()).unwrap());
    }
}
