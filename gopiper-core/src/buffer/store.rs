//! Blocks of messages on disk, by number.
//!
//! Segments are files that are only appended to. The newest one describes the buffer: it begins
//! with the state of all of it, and changes are appended, so an opening reads this one alone. A
//! segment is written under another name first, with its state, so it is whole or not there. When
//! it is large, or cannot be trusted any more, another one begins. Live blocks move there if so
//! little of their segment is live that too much lies on disk.
//!
//! A torn entry at the end of the newest segment was being written when the process or the machine
//! stopped: nothing was reported of it. One that had been synced is damaged. Two things tell them
//! apart: each entry says how far the segment was synced before, so an intact one after a damaged
//! one is proof; and a note beside the segments says how far the newest one is synced. It is
//! written after each sync, and not synced itself: after a crash of the machine it can only name
//! too little.
mod read;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use gopiper_abi::{Payload, PayloadMut};
use parking_lot::Mutex;

use super::{
    block,
    error::StoreError,
    index::{Index, NewState},
    record::{BlockPlace, Entries, FINISHED, MAGIC, STATE},
    replay::{FoundBuffer, new_path, note, note_path, replay, segment_path},
};
use crate::disk::{appended::AppendedFile, entry::TooLarge};

/// An empty buffer keeps a segment of at most so many bytes.
const EMPTY_BYTES: u64 = 256 << 10;

/// Memory of a length.
pub(super) type Memory<'a> = &'a dyn Fn(usize) -> PayloadMut;

/// A block, read from disk.
#[derive(Debug)]
pub(super) struct StoredBlock {
    pub(super) number: u64,
    pub(super) messages: u32,
    /// The messages, as [`block`] has written them.
    pub(super) bytes: Payload,
}

/// Blocks in a folder, which is this process's.
pub(super) struct Store {
    folder: PathBuf,
    /// The name that no other buffer has.
    origin: String,
    /// Held while the log is written. Locked before `index`.
    log: Mutex<Log>,
    pub(super) index: Mutex<Index>,
    /// The segment that was read last.
    reading: Mutex<Option<(u64, Arc<File>)>>,
}

/// The end of the log.
#[derive(Default)]
struct Log {
    /// The newest segment, unless it is closed.
    newest: Option<AppendedFile>,
    note: Option<File>,
}

impl Store {
    /// Opens the store in `folder`, whose segments get about so many bytes each. No other buffer
    /// has this `origin`.
    pub(super) fn open(
        folder: &Path,
        origin: String,
        segment_bytes: u64,
    ) -> Result<Self, StoreError> {
        let FoundBuffer { mut index, needless } = replay(folder)?;
        index.segment_bytes = segment_bytes;
        let failed = |error| StoreError::Disk { path: folder.to_owned(), error };
        let mut newest = None;
        if let Some((id, segment)) = index.newest() {
            let open = || {
                // A process that was killed may have named it, or written, without a sync.
                File::open(folder)?.sync_all()?;
                let path = segment_path(folder, id);
                let file = OpenOptions::new().read(true).write(true).open(path)?;
                file.set_len(segment.length)?;
                file.sync_data()?;
                Ok(AppendedFile::new(file, segment.length))
            };
            newest = Some(open().map_err(failed)?);
        }
        for path in needless {
            fs::remove_file(path).map_err(failed)?;
        }
        // Segments whose blocks were all finished.
        index.synced(Vec::new());
        let store = Store {
            folder: folder.to_owned(),
            origin,
            log: Mutex::new(Log { newest, note: None }),
            index: Mutex::new(index),
            reading: Mutex::default(),
        };
        store.remove_dead();
        Ok(store)
    }

    /// The origin of the messages of a block that came without an identity: they have their places
    /// in it as numbers, from 1 on.
    pub(super) fn origin_of(&self, block: u64) -> String {
        format!("{}/{block}", self.origin)
    }

    /// Closes its files. If it is used again, another segment begins.
    pub(super) fn close(&self) {
        *self.log.lock() = Log::default();
        *self.reading.lock() = None;
    }

    fn failed(&self, error: io::Error) -> StoreError {
        StoreError::Disk { path: self.folder.clone(), error }
    }

    fn damaged(&self, error: String) -> StoreError {
        StoreError::Damaged { path: self.folder.clone(), error }
    }

    /// Adds blocks, in order, synced: all or none. Finished ones are removed.
    pub(super) fn append(&self, entries: &mut Entries) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        let (to_copy, is_full) = {
            let index = self.index.lock();
            (index.to_copy(), index.is_newest_full())
        };
        match log.sound() {
            Some(newest) if to_copy.is_empty() && !is_full => {
                self.append_to(newest, entries)?;
                log.write_note(self);
                Ok(())
            }
            _ => {
                let copies = to_copy.into_iter().map(|number| (number, [].as_slice()));
                self.begin_segment(&mut log, copies, entries)
            }
        }
    }

    fn append_to(
        &self,
        newest: &mut AppendedFile,
        entries: &mut Entries,
    ) -> Result<(), StoreError> {
        let (first, done) = {
            let mut index = self.index.lock();
            (index.next, index.take_done())
        };
        let mut write = || -> Result<(), StoreError> {
            entries.seal_blocks(first, newest.synced())?;
            add_finished(entries, newest.synced(), &done);
            let written = newest.append(entries.bytes());
            entries.keep_blocks();
            written.map_err(|error| self.failed(error))
        };
        let written = write();
        let mut index = self.index.lock();
        match written {
            Ok(()) => {
                index.added(newest.synced(), entries.blocks());
                index.synced(done);
            }
            Err(_) => index.put_back(done),
        }
        written
    }

    /// Begins another segment, with copies of some blocks, without those of their messages that
    /// are finished, and then adds blocks.
    fn begin_segment<'a>(
        &self,
        log: &mut Log,
        copies: impl Iterator<Item = (u64, &'a [Range<u32>])>,
        entries: &mut Entries,
    ) -> Result<(), StoreError> {
        let id = self.index.lock().newest().map_or(1, |(id, _)| id + 1);
        let (path, aside) = (segment_path(&self.folder, id), new_path(&self.folder, id));
        let (mut taken, mut is_named) = (Vec::new(), false);
        let begin = || -> Result<AppendedFile, StoreError> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = AppendedFile::new(options.open(&aside).map_err(|e| self.failed(e))?, 0);
            let mut write = |bytes: &[u8]| file.write(bytes).map_err(|e| self.failed(e));
            write(MAGIC)?;
            let (mut moved, mut own) = (BTreeMap::new(), Entries::default());
            let mut offset = MAGIC.len() as u64;
            for (number, finished) in copies {
                let Some(place) = self.index.lock().place(number) else { continue };
                let old = self.read_at(number, place, &PayloadMut::new)?;
                own.clear();
                let length = own
                    .add_block(|bytes| {
                        let origin = self.origin_of(number);
                        let block = (&old.bytes, old.messages);
                        block::write_without(block, finished, &origin, bytes)
                    })
                    .map_err(|_| self.damaged(format!("block {number}")))?;
                own.seal_blocks(number, 0)?;
                write(own.bytes())?;
                let messages = own.blocks()[0].messages.into();
                moved.insert(number, BlockPlace { segment: id, offset, length, messages });
                offset += own.bytes().len() as u64;
            }
            own.clear();
            let NewState { numbers, done } = self.index.lock().state(id, &moved);
            taken = done;
            own.add_numbers(STATE, 0, &numbers);
            write(own.bytes())?;
            let start = offset + own.bytes().len() as u64;
            entries.seal_blocks(self.index.lock().next, 0)?;
            write(entries.bytes())?;
            let mut finish = || {
                let folder = File::open(&self.folder)?;
                file.sync()?;
                is_named = true;
                fs::rename(&aside, &path)?;
                folder.sync_all()
            };
            finish().map_err(|error| self.failed(error))?;
            let mut index = self.index.lock();
            index.began(id, start, file.synced(), moved, std::mem::take(&mut taken));
            index.added(file.synced(), entries.blocks());
            Ok(file)
        };
        match begin() {
            Ok(file) => {
                log.newest = Some(file);
                log.write_note(self);
                Ok(())
            }
            Err(error) => {
                self.index.lock().put_back(taken);
                let _ = fs::remove_file(&aside);
                if is_named {
                    // An opening may read the new one, and then nothing that is added to the old
                    // one. Another attempt replaces it.
                    log.newest = None;
                }
                Err(error)
            }
        }
    }

    /// Logs finished blocks, if nothing else is being written. A sync is only needed to free disk:
    /// without one, the blocks do not come again after a kill.
    pub(super) fn log_finished(&self) {
        let Some(mut log) = self.log.try_lock() else { return };
        let Some(newest) = log.sound() else { return };
        if self.index.lock().has_much_unsynced() {
            // If that fails, the next commit tries again.
            if self.append_to(newest, &mut Entries::default()).is_ok() {
                log.write_note(self);
            }
            return;
        }
        let mut entries = Entries::default();
        let done = self.index.lock().take_done();
        add_finished(&mut entries, newest.synced(), &done);
        let written = newest.write(entries.bytes());
        let mut index = self.index.lock();
        match written {
            Ok(()) => index.logged(done),
            Err(_) => index.put_back(done),
        }
    }

    /// Whether [`Store::tidy`] has something to do.
    pub(super) fn is_untidy(&self) -> bool {
        let index = self.index.lock();
        index.has_unsynced() || is_large_and_empty(&index)
    }

    /// Removes finished blocks, synced; an empty buffer becomes small.
    pub(super) fn tidy(&self) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        let is_large_and_empty = is_large_and_empty(&self.index.lock());
        match log.sound() {
            Some(newest) if !is_large_and_empty => {
                self.append_to(newest, &mut Entries::default())?;
                log.write_note(self);
            }
            _ => self.begin_segment(&mut log, [].into_iter(), &mut Entries::default())?,
        }
        drop(log);
        self.remove_dead();
        Ok(())
    }

    /// Replaces blocks by copies without their finished messages.
    pub(super) fn shorten(
        &self,
        finished: &BTreeMap<u64, Vec<Range<u32>>>,
    ) -> Result<(), StoreError> {
        let copies = finished.iter().map(|(number, messages)| (*number, messages.as_slice()));
        self.begin_segment(&mut self.log.lock(), copies, &mut Entries::default())?;
        self.remove_dead();
        Ok(())
    }

    /// Removes segments that are not needed any more. Only the thread that reads blocks does so.
    pub(super) fn remove_dead(&self) {
        let dead = std::mem::take(&mut self.index.lock().dead);
        for id in dead {
            // An open file would still take disk.
            self.reading.lock().take_if(|(open, _)| *open == id);
            let path = segment_path(&self.folder, id);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // The next opening does.
                    tracing::warn!(path = %path.display(), code = "leftover_segment", "cannot remove it: {error}");
                }
                _ => {}
            }
        }
    }

    #[cfg(test)]
    pub(super) fn replace_file(&self, file: File) {
        let length = self.index.lock().newest().map_or(0, |(_, newest)| newest.length);
        self.log.lock().newest = Some(AppendedFile::new(file, length));
    }
}

impl Log {
    /// The newest segment, if it can be appended to.
    fn sound(&mut self) -> Option<&mut AppendedFile> {
        self.newest.as_mut().filter(|newest| newest.is_sound())
    }

    /// Notes how far the newest segment is synced.
    fn write_note(&mut self, store: &Store) {
        let (Some(newest), Some((id, _))) = (&self.newest, store.index.lock().newest()) else {
            return;
        };
        let path = note_path(&store.folder);
        let written = match &self.note {
            Some(note) => Ok(note),
            None => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(false).mode(0o600);
                options.open(&path).map(|file| &*self.note.insert(file))
            }
        };
        let written = written.and_then(|file| file.write_all_at(&note(id, newest.synced()), 0));
        if let Err(error) = written {
            // Without it only damage to the last entries would go unnoticed.
            tracing::warn!(path = %path.display(), code = "buffer_note_unwritten", "{error}");
        }
    }
}

impl From<TooLarge> for StoreError {
    fn from(TooLarge: TooLarge) -> Self {
        StoreError::TooLarge
    }
}

fn is_large_and_empty(index: &Index) -> bool {
    index.bytes == 0 && index.newest().is_some_and(|(_, newest)| newest.length > EMPTY_BYTES)
}

fn add_finished(entries: &mut Entries, synced: u64, done: &[(u64, BlockPlace)]) {
    if !done.is_empty() {
        let of = |(number, place): &(u64, BlockPlace)| {
            [*number, place.segment, place.length, place.messages]
        };
        let numbers: Vec<_> = done.iter().flat_map(of).collect();
        entries.add_numbers(FINISHED, synced, &numbers);
    }
}
