//! A file that one process appends to.
use std::{fs::File, io, os::unix::fs::FileExt};

/// A file that one process appends to. Bytes count when they are synced; after a failure, those
/// that do not count are removed, as far as that is possible.
#[derive(Debug)]
pub(crate) struct AppendedFile {
    file: File,
    written: u64,
    synced: u64,
    is_sound: bool,
}

impl AppendedFile {
    /// The first `length` bytes of the file are there already, synced.
    pub(crate) fn new(file: File, length: u64) -> Self {
        AppendedFile { file, written: length, synced: length, is_sound: true }
    }

    /// Everything up to here is synced.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// Whether more can be appended. After a sync that failed, the system may take bytes for
    /// written that are not: no further sync of this file proves anything, so another file has to
    /// continue it.
    pub(crate) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// Writes bytes at the end, and syncs them: all or, as far as readers can see, none.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        self.sync()
    }

    /// Writes bytes at the end, not synced: all or none. Bytes that a failure has left there are
    /// overwritten.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.written) {
            // On a full disk a part of it would take the last room.
            self.is_sound &= self.file.set_len(self.written).is_ok();
            return Err(error);
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Syncs what is written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.written == self.synced {
            return Ok(());
        }
        if let Err(error) = self.file.sync_data() {
            self.is_sound = false;
            // Readers must not take it for something that was synced. If this fails too, they have
            // another way to tell, or see it twice.
            let _ = self.file.set_len(self.synced);
            self.written = self.synced;
            return Err(error);
        }
        self.synced = self.written;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn bytes_that_do_not_count_are_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut appended = AppendedFile::new(file.reopen().unwrap(), 0);
        appended.append(b"one ").unwrap();
        fs::write(file.path(), "one tor").unwrap();
        appended.append(b"two ").unwrap();
        appended.append(b"three").unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"one two three");
        assert_eq!((appended.synced(), appended.is_sound()), (13, true));
    }

    /// `/dev/full` has no room, and `/dev/null` cannot be synced.
    #[test]
    fn a_file_that_could_not_be_shortened_or_synced_is_not_sound() {
        for device in ["/dev/full", "/dev/null"] {
            let mut appended = AppendedFile::new(File::create(device).unwrap(), 0);
            assert!(appended.append(b"lost").is_err(), "{device}");
            assert_eq!((appended.synced(), appended.is_sound()), (0, false), "{device}");
        }
    }
}
