//! The entries of a segment.
//!
//! ```text
//! segment     the magic bytes, then entries
//! BLOCK       how far the segment was synced before, the block's number, how many messages it has
//!             (u32), the messages (`block.rs`)
//! STATE       how far it was synced before, the state (`Index::state`); once in a segment, after
//!             copies of older blocks, to which it refers
//! FINISHED    how far it was synced before; of each block that is finished: its number, its
//!             segment, its length, its number of messages
//! ```
//!
//! Unless it says otherwise, a number has 8 bytes, the lowest first.
use super::varint::{Malformed, VarintReader};
use crate::disk::entry::{self, EntryKind, HEAD, TooLarge};

/// The beginning of a segment; the last byte is the version of the format.
pub(super) const MAGIC: &[u8; 8] = b"GPBUFF\0\x01";
/// The beginning of every kind of entry.
pub(super) const KIND_PREFIX: &[u8; 3] = b"\xd1GB";
pub(super) const BLOCK: EntryKind = *b"\xd1GBB";
pub(super) const STATE: EntryKind = *b"\xd1GBS";
pub(super) const FINISHED: EntryKind = *b"\xd1GBF";

/// The length of a block's body before its messages.
pub(super) const BLOCK_HEAD: usize = 8 + 8 + 4;

/// A block on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockPlace {
    /// The segment that it is in.
    pub(super) segment: u64,
    /// The offset of its entry there.
    pub(super) offset: u64,
    /// How long the entry's body is.
    pub(super) length: u64,
    pub(super) messages: u64,
}

/// The beginning of a block's body.
#[derive(Debug)]
pub(super) struct BlockHead {
    /// The block's number.
    pub(super) number: u64,
    pub(super) messages: u32,
}

impl BlockHead {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = VarintReader(body);
        let [_, number] = reader.several()?;
        Ok(BlockHead { number, messages: u32::from_le_bytes(reader.array()?) })
    }
}

/// How far the segment was synced when an entry with this body was written.
pub(super) fn synced_before(body: &[u8]) -> Option<u64> {
    VarintReader(body).fixed().ok()
}

/// Appends numbers as they are in a STATE or FINISHED.
pub(super) fn put_fixed(bytes: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}

/// No number of 8 bytes in a log is larger: so sums of some do not overflow.
const LARGEST: u64 = 1 << 56;

impl VarintReader<'_> {
    /// A number of 8 bytes.
    pub(super) fn fixed(&mut self) -> Result<u64, Malformed> {
        let number = u64::from_le_bytes(self.array()?);
        if number <= LARGEST { Ok(number) } else { Err(Malformed) }
    }

    /// So many numbers of 8 bytes.
    pub(super) fn several<const N: usize>(&mut self) -> Result<[u64; N], Malformed> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.fixed()?;
        }
        Ok(numbers)
    }
}

/// The entries that a commit adds. One is used again and again, with its memory.
#[derive(Debug, Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    blocks: Vec<NewBlock>,
}

/// A block among [`Entries`].
#[derive(Debug, Clone, Copy)]
pub(super) struct NewBlock {
    start: usize,
    pub(super) length: u64,
    pub(super) messages: u32,
}

/// How much memory is kept for the next commit.
const KEPT: usize = 8 << 20;

impl Entries {
    /// Adds a block; `write` appends its messages and counts them. Returns the length of its body.
    pub(super) fn add_block(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u32, Malformed>,
    ) -> Result<u64, Malformed> {
        let start = entry::begin(&mut self.bytes);
        self.bytes.extend_from_slice(&[0; BLOCK_HEAD]);
        let messages = write(&mut self.bytes)?;
        let length = (self.bytes.len() - start - HEAD) as u64;
        self.blocks.push(NewBlock { start, length, messages });
        Ok(length)
    }

    pub(super) fn remove_last_block(&mut self) {
        if let Some(block) = self.blocks.pop() {
            self.bytes.truncate(block.start);
        }
    }

    /// Completes the blocks, which have numbers from `first` on.
    pub(super) fn seal_blocks(&mut self, first: u64, synced: u64) -> Result<(), TooLarge> {
        for (number, block) in (first..).zip(&self.blocks) {
            let end = block.start + HEAD + block.length as usize;
            let entry = &mut self.bytes[block.start..end];
            entry[HEAD..][..8].copy_from_slice(&synced.to_le_bytes());
            entry[HEAD + 8..][..8].copy_from_slice(&number.to_le_bytes());
            entry[HEAD + 16..][..4].copy_from_slice(&block.messages.to_le_bytes());
            entry::seal(entry, BLOCK)?;
        }
        Ok(())
    }

    /// Adds an entry of numbers, complete.
    pub(super) fn add_numbers(&mut self, kind: EntryKind, synced: u64, numbers: &[u64]) {
        let start = entry::begin(&mut self.bytes);
        put_fixed(&mut self.bytes, &[synced]);
        put_fixed(&mut self.bytes, numbers);
        let sealed = entry::seal(&mut self.bytes[start..], kind);
        debug_assert!(sealed.is_ok(), "4 GB of numbers");
    }

    pub(super) fn blocks(&self) -> &[NewBlock] {
        &self.blocks
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes the bytes after the blocks.
    pub(super) fn keep_blocks(&mut self) {
        let last = self.blocks.last();
        self.bytes.truncate(last.map_or(0, |last| last.start + HEAD + last.length as usize));
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.blocks.clear();
    }
}
