//! Blocks of messages on disk, by number.
//!
//! If the last commit is damaged, the database treats it as interrupted, and goes back to the one
//! before. So the number of the next block is also kept in a file beside it, written when a commit
//! has been synced, and not synced itself: after a crash of the machine it can only be too low.
use std::{
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use parking_lot::RwLock;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use thiserror::Error;

use super::block;
use crate::{base::plural::plural, disk::digest::digest};

/// The number in the name is the version of the block format.
const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks.1");
/// `next`: the number of the next block.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers.1");
const NEXT: &str = "next";
/// Blocks are usually read again soon; the system has a cache, too.
const CACHE_BYTES: usize = 16 << 20;
/// How much of a store is read to count its messages: each start would wait for it.
const COUNTED_BYTES: usize = 16 << 20;

/// Errors of the disk.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// No further attempt can succeed.
    #[error(
        "{path} is damaged ({error}); to continue without its messages, stop gopiper and move away \
         both this file and buffer.next beside it"
    )]
    Damaged { path: PathBuf, error: String },
    /// A further attempt may succeed.
    #[error("{path}: {error}")]
    Disk { path: PathBuf, error: redb::Error },
}

impl StoreError {
    /// For the start of a component, which waits if an error is temporary.
    pub(super) fn on_start(self) -> gopiper_abi::Error {
        let error = gopiper_abi::Error::new(self.to_string());
        match &self {
            StoreError::Disk { error: redb::Error::Io(cause), .. } => error.caused_by(cause),
            _ => error,
        }
    }
}

/// The contents when the store was opened.
pub(super) struct Content {
    pub(super) blocks: Vec<StoredBlock>,
    /// The number of the next block.
    pub(super) next: u64,
}

/// A block.
pub(super) struct StoredBlock {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) messages: u64,
}

/// Blocks in a file.
pub(super) struct Store {
    path: PathBuf,
    /// None after an error of the disk, until it is opened again.
    database: RwLock<Option<Database>>,
    /// The number of the next block, outside of the database.
    next: File,
}

impl Store {
    /// Opens or creates the store in `folder`, and checks all of it for damage.
    pub(super) fn open(folder: &Path) -> Result<(Self, Content), StoreError> {
        let path = folder.join("buffer.redb");
        let failed =
            |error: io::Error| StoreError::Disk { path: path.clone(), error: error.into() };
        let (next, expected) = open_next(&folder.join("buffer.next")).map_err(failed)?;
        if !path.exists() {
            create(&path).map_err(|error| StoreError::Disk { path: path.clone(), error })?;
        }
        let store = Store { path, database: RwLock::new(None), next };
        store.reopen(true)?;
        let content = store.with(|database| {
            let transaction = database.begin_read()?;
            let next = transaction.open_table(NUMBERS)?.get(NEXT)?.map_or(0, |next| next.value());
            let mut blocks = Vec::new();
            for entry in transaction.open_table(BLOCKS)?.iter()? {
                let (number, block) = entry?;
                let messages = block::count(block.value())
                    .map_err(|_| corrupted(&format!("block {}", number.value())))?;
                blocks.push(StoredBlock {
                    number: number.value(),
                    bytes: block.value().len() as u64,
                    messages: messages.into(),
                });
            }
            Ok(Content { blocks, next })
        })?;
        if content.next < expected {
            let missing = expected - content.next;
            return Err(
                store.failed(corrupted(&format!("{} missing", plural(missing as usize, "block"))))
            );
        }
        store.write_next(content.next);
        Ok((store, content))
    }

    fn reopen(&self, check: bool) -> Result<(), StoreError> {
        let mut database = self.database.write();
        if database.is_some() {
            return Ok(());
        }
        let opened = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(check)
            .open(&self.path);
        *database = Some(opened.map_err(|error| self.failed(error.into()))?);
        Ok(())
    }

    /// Closes the file until it is needed again.
    pub(super) fn close(&self) {
        *self.database.write() = None;
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.reopen(false)?;
        let done = match &*self.database.read() {
            Some(database) => work(database),
            None => Err(io::Error::other("the file was closed").into()),
        };
        done.map_err(|error| {
            // It takes nothing more after an error of the disk.
            self.close();
            self.failed(error)
        })
    }

    fn failed(&self, error: redb::Error) -> StoreError {
        let path = self.path.clone();
        match error {
            redb::Error::Corrupted(error) => StoreError::Damaged { path, error },
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                StoreError::Damaged { path, error: error.to_string() }
            }
            error => StoreError::Disk { path, error },
        }
    }

    /// Adds blocks, in the order of their numbers, and removes others: synced, all or nothing.
    pub(super) fn change(&self, put: &[(u64, &[u8])], take: &[u64]) -> Result<(), StoreError> {
        let next = put.last().map(|(number, _)| number + 1);
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut blocks = transaction.open_table(BLOCKS)?;
                for number in take {
                    blocks.remove(number)?;
                }
                for (number, block) in put {
                    blocks.insert(number, *block)?;
                }
                if let Some(next) = next {
                    transaction.open_table(NUMBERS)?.insert(NEXT, next)?;
                }
            }
            Ok(transaction.commit()?)
        })?;
        if let Some(next) = next {
            self.write_next(next);
        }
        Ok(())
    }

    /// Replaces a block, synced.
    pub(super) fn replace(&self, number: u64, block: &[u8]) -> Result<(), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(BLOCKS)?.insert(number, block)?;
            Ok(transaction.commit()?)
        })
    }

    fn write_next(&self, next: u64) {
        let number = next.to_le_bytes();
        let bytes = [number, digest::<8>(&number)].concat();
        if let Err(error) = self.next.write_all_at(&bytes, 0) {
            // Without it only damage to the last block would go unnoticed.
            tracing::warn!(path = %self.path.display(), "the number of the next block: {error}");
        }
    }

    /// The first block with one of these numbers.
    pub(super) fn next(&self, numbers: Range<u64>) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        if numbers.is_empty() {
            return Ok(None);
        }
        self.with(|database| {
            let blocks = database.begin_read()?.open_table(BLOCKS)?;
            let first = blocks.range(numbers)?.next().transpose()?;
            Ok(first.map(|(number, block)| (number.value(), block.value().to_vec())))
        })
    }

    /// The error for a block that cannot be read.
    pub(super) fn damaged(&self, number: u64) -> StoreError {
        self.failed(corrupted(&format!("block {number}")))
    }
}

/// Messages in a store, as far as they were counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredMessages {
    pub(crate) messages: u64,
    /// There are more: only the first ones were counted.
    pub(crate) and_more: bool,
}

/// The messages that the store in a folder holds, if there is one. `None` if that is not known
/// without changing it: a store that was not closed has to be repaired first.
pub(crate) fn stored_messages(folder: &Path) -> Option<StoredMessages> {
    let path = folder.join("buffer.redb");
    if !path.is_file() {
        return Some(StoredMessages::default());
    }
    let database = match Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path) {
        // Another process delivers them.
        Err(DatabaseError::DatabaseAlreadyOpen) => return Some(StoredMessages::default()),
        opened => opened.ok()?,
    };
    let blocks = database.begin_read().ok()?.open_table(BLOCKS).ok()?;
    let (mut stored, mut bytes) = (StoredMessages::default(), 0);
    for entry in blocks.iter().ok()? {
        let (_, block) = entry.ok()?;
        stored.messages += u64::from(block::count(block.value()).ok()?);
        bytes += block.value().len();
        if bytes >= COUNTED_BYTES {
            stored.and_more = true;
            break;
        }
    }
    Some(stored)
}

/// Creates an empty database under another name first, so that an existing one is always complete.
fn create(path: &Path) -> Result<(), redb::Error> {
    let aside = path.with_extension("new");
    // A part of one may be left of a process that was killed.
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    options.open(&aside)?;
    let database = Database::create(&aside)?;
    let transaction = database.begin_write()?;
    transaction.open_table(BLOCKS)?;
    transaction.open_table(NUMBERS)?;
    transaction.commit()?;
    drop(database);
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |folder| Ok(File::open(folder)?.sync_all()?))
}

/// Opens the file of the next block's number, and reads it; 0 if it is empty.
fn open_next(path: &Path) -> io::Result<(File, u64)> {
    let said = fs::read(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(error),
    })?;
    let number = said.first_chunk::<8>().filter(|number| said[8..] == digest::<8>(&number[..]));
    if number.is_none() && !said.is_empty() {
        let path = path.display();
        tracing::warn!("{path} is damaged: the last block may be incomplete");
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok((file, number.map_or(0, |number| u64::from_le_bytes(*number))))
}

fn corrupted(what: &str) -> redb::Error {
    redb::Error::Corrupted(what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use gopiper_abi::Message;

    use super::*;

    fn written(text: &str) -> Vec<u8> {
        block::write(&[Message::new(text.to_owned())])
    }

    fn content(store: &Store) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let (mut all, mut from) = (Vec::new(), 0);
        while let Some((number, block)) = store.next(from..u64::MAX)? {
            all.push((number, block));
            from = number + 1;
        }
        Ok(all)
    }

    #[test]
    fn stored_blocks_are_there_after_a_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let (store, found) = Store::open(folder.path()).unwrap();
        assert_eq!((found.blocks.len(), found.next), (0, 0));
        for number in 0..5 {
            store.change(&[(number, &written(&format!("block {number}")))], &[]).unwrap();
        }
        store.change(&[], &[0, 2]).unwrap();
        drop(store);
        let (store, found) = Store::open(folder.path()).unwrap();
        assert_eq!(found.blocks.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(found.blocks.iter().all(|one| one.messages == 1));
        assert_eq!(found.next, 5);
        assert_eq!(content(&store).unwrap()[1], (3, written("block 3")));
        assert_eq!(store.next(2..3).unwrap(), None, "it lies behind");
        assert_eq!(store.next(2..4).unwrap(), Some((3, written("block 3"))));
    }

    /// Takes seconds: each place is one opening.
    #[test]
    fn a_flipped_bit_is_told_or_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        for number in 0..20 {
            let text = format!("block {number} {}", "x".repeat(300 * number as usize));
            store.change(&[(number, &written(&text))], &[]).unwrap();
        }
        store.change(&[], &[1, 2, 3]).unwrap();
        store.change(&[(20, &written("the last one"))], &[]).unwrap();
        let expected = content(&store).unwrap();
        let path = store.path.clone();
        let while_open = fs::read(&path).unwrap();
        drop(store);
        let closed = fs::read(&path).unwrap();
        let next = fs::read(folder.path().join("buffer.next")).unwrap();
        let (mut reported, mut harmless) = (0, 0);
        for whole in [while_open, closed] {
            for at in (0..whole.len()).filter(|at| *at < 320 || at % 509 == 0) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                fs::write(&path, bytes).unwrap();
                fs::write(folder.path().join("buffer.next"), &next).unwrap();
                let read = catch_unwind(AssertUnwindSafe(|| {
                    Store::open(folder.path()).and_then(|(store, _)| content(&store))
                }));
                match read {
                    // Removed blocks may come again.
                    Ok(Ok(read)) if expected.iter().all(|block| read.contains(block)) => {
                        harmless += 1;
                    }
                    Ok(Err(_)) => reported += 1,
                    Ok(Ok(_)) => panic!("a bit flipped in byte {at}: blocks are missing silently"),
                    Err(_) => panic!("a bit flipped in byte {at}: a panic"),
                }
            }
        }
        assert!(reported > 100 && harmless > 100, "reported {reported}, harmless {harmless}");
    }
}
