//! Reading blocks: each one once, into the memory that its messages share.
use std::{fs::File, io, os::unix::fs::FileExt, path::Path, sync::Arc};

use super::{Memory, Store, StoredBlock};
use crate::{
    buffer::{
        error::StoreError,
        index::NextBlock,
        record::{BLOCK, BLOCK_HEAD, BlockHead, BlockPlace},
        replay::segment_path,
    },
    disk::entry::{EntryHead, HEAD},
};

impl Store {
    /// Reads the next block, if there is one.
    pub(in super::super) fn next(&self, memory: Memory) -> Result<Option<StoredBlock>, StoreError> {
        loop {
            let next = self.index.lock().next_block().map_err(|error| self.damaged(error))?;
            let (segment, mut offset, end, number) = match next {
                NextBlock::None => return Ok(None),
                NextBlock::At(number, place) => {
                    let block = self.read_at(number, place, memory)?;
                    self.index.lock().was_read(number, place);
                    return Ok(Some(block));
                }
                NextBlock::Behind { segment, offset, end, number } => {
                    (segment, offset, end, number)
                }
            };
            let (file, mut skipped) = (self.segment(segment)?, 0);
            while offset < end && skipped == 0 {
                let (head, next) = self.head(&file, segment, offset, end)?;
                let is_block = head.kind == BLOCK;
                if is_block && !self.index.lock().is_finished(number) {
                    let length = head.length as u64;
                    let block = self.body(&file, head, segment, offset, number, memory)?;
                    let messages = block.messages.into();
                    let mut index = self.index.lock();
                    index.move_cursor(number + 1, next);
                    index.was_read(number, BlockPlace { segment, offset, length, messages });
                    return Ok(Some(block));
                }
                (offset, skipped) = (next, is_block.into());
            }
            self.index.lock().move_cursor(number + skipped, offset);
        }
    }

    fn segment(&self, id: u64) -> Result<Arc<File>, StoreError> {
        let mut reading = self.reading.lock();
        if let Some((_, file)) = reading.as_ref().filter(|(open, _)| *open == id) {
            return Ok(file.clone());
        }
        let path = segment_path(&self.folder, id);
        let file = File::open(&path).map_err(|error| match error.kind() {
            // Without the folder, a disk may be missing.
            io::ErrorKind::NotFound if self.folder.is_dir() => self.missing(id),
            _ => StoreError::Disk { path, error },
        })?;
        Ok(reading.insert((id, file.into())).1.clone())
    }

    /// Reads an entry's head. Returns it with the end of the entry.
    fn head(
        &self,
        file: &File,
        segment: u64,
        offset: u64,
        end: u64,
    ) -> Result<(EntryHead, u64), StoreError> {
        let mut bytes = [0; HEAD];
        self.read_exact(file, &mut bytes, segment, offset)?;
        let head = EntryHead::read(&bytes);
        let next = head.and_then(|head| offset.checked_add((HEAD + head.length) as u64));
        let next = next.filter(|next| *next <= end);
        head.zip(next).ok_or_else(|| self.damaged_at(segment, offset))
    }

    fn body(
        &self,
        file: &File,
        head: EntryHead,
        segment: u64,
        offset: u64,
        number: u64,
        memory: Memory,
    ) -> Result<StoredBlock, StoreError> {
        let mut bytes = memory(head.length);
        let body = bytes.get_mut(..head.length).unwrap_or_default();
        self.read_exact(file, body, segment, offset + HEAD as u64)?;
        let found = BlockHead::read(body).ok().filter(|found| found.number == number);
        match found.filter(|_| head.is_of(body)) {
            Some(found) => {
                let bytes = bytes.split_to(head.length).slice(BLOCK_HEAD..);
                Ok(StoredBlock { number, messages: found.messages, bytes })
            }
            None => Err(self.damaged_at(segment, offset)),
        }
    }

    pub(super) fn read_at(
        &self,
        number: u64,
        place: BlockPlace,
        memory: Memory,
    ) -> Result<StoredBlock, StoreError> {
        let BlockPlace { segment, offset, length, .. } = place;
        let file = self.segment(segment)?;
        let (head, _) = self.head(&file, segment, offset, u64::MAX)?;
        if head.kind != BLOCK || head.length as u64 != length {
            return Err(self.damaged_at(segment, offset));
        }
        self.body(&file, head, segment, offset, number, memory)
    }

    fn read_exact(
        &self,
        file: &File,
        bytes: &mut [u8],
        segment: u64,
        offset: u64,
    ) -> Result<(), StoreError> {
        file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged_at(segment, offset),
            _ => StoreError::Disk { path: segment_path(&self.folder, segment), error },
        })
    }

    fn missing(&self, segment: u64) -> StoreError {
        self.damaged(format!("segment {segment} is missing"))
    }

    fn damaged_at(&self, segment: u64, offset: u64) -> StoreError {
        let path = segment_path(Path::new(""), segment);
        self.damaged(format!("{}, at byte {offset}", path.display()))
    }

    /// The error for a block whose messages cannot be read.
    pub(in super::super) fn damaged_block(&self, number: u64) -> StoreError {
        self.damaged(format!("block {number}"))
    }
}
