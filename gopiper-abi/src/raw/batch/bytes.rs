//! The size of a batch in bytes, which the bound of a channel counts.
use std::ptr;

use crate::raw::{Batch, Extra, PayloadOwner};

/// A block counts for a batch as the bytes that the batch has in it, but at least this part of it.
/// Batches that were cut from one block then count about as much as the block. A message that is
/// left alone of a large block keeps all of it, and counts a part of that.
const LEAST_PART: usize = 4;

/// The bytes that count for a batch that has `used` bytes in the block of an owner.
///
/// # Safety
/// `owner` is null (static memory), or a reference on it is held for as long as this runs.
unsafe fn part_of(owner: *const PayloadOwner, used: usize) -> usize {
    if owner.is_null() {
        return 0;
    }
    // SAFETY: a reference on the owner is held (`# Safety`), so it is alive.
    let size = unsafe { (*owner).size };
    used.clamp(size / LEAST_PART, size)
}

/// Counts blocks: neighbours in one block together.
struct CountedBlocks {
    owner: *const PayloadOwner,
    used: usize,
    bytes: usize,
}

impl CountedBlocks {
    fn new() -> Self {
        CountedBlocks { owner: ptr::null(), used: 0, bytes: 0 }
    }

    /// # Safety
    /// `owner` is null, or a reference on it is held until `finish` has returned.
    #[inline]
    unsafe fn add(&mut self, owner: *const PayloadOwner, used: usize) {
        if owner != self.owner {
            // SAFETY: a reference on the last owner is held (`# Safety`).
            self.bytes += unsafe { part_of(self.owner, self.used) };
            (self.owner, self.used) = (owner, 0);
        }
        self.used += used;
    }

    /// # Safety
    /// As for `add`.
    unsafe fn finish(self) -> usize {
        // SAFETY: a reference on the last owner is held (`# Safety`).
        self.bytes + unsafe { part_of(self.owner, self.used) }
    }
}

/// The bytes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBytes {
    /// The bytes that count in a channel: payloads and attributes, and at least a quarter of each
    /// block of memory that they lie in. Lists and maps among the attributes do not count.
    pub counted: usize,
    /// The bytes of the payloads.
    pub payload: usize,
}

impl Batch {
    /// The bytes of the batch: those that count in a channel, and those of the payloads.
    pub fn bytes(&self) -> BatchBytes {
        if self.is_run() {
            let (first, bytes) = (&self.messages()[0], self.header().run_bytes as usize);
            // SAFETY: the messages of a run hold references on its one owner.
            let counted = unsafe { part_of(first.payload.owner, bytes) };
            // Each has the same delimiter.
            return BatchBytes { counted, payload: bytes - self.len() * usize::from(first.tail) };
        }
        let (mut blocks, mut chunks, mut apart) = (CountedBlocks::new(), CountedBlocks::new(), 0);
        let mut bytes = 0;
        let mut last: *const Extra = ptr::null();
        for message in self.messages() {
            let (payload, extra) = (&message.payload, message.extra.cast_const());
            bytes += payload.len;
            // SAFETY: the message holds references on the owner of its payload and on its extra,
            // and the extra on its chunk.
            unsafe {
                blocks.add(payload.owner, payload.len + usize::from(message.tail));
                // Neighbours may share one.
                if extra != last && !extra.is_null() {
                    chunks.add((*extra).memory, Extra::fixed_bytes(extra));
                    apart += Extra::bytes_apart(extra);
                    last = extra;
                }
            }
        }
        // SAFETY: the messages still hold those references.
        let counted = unsafe { blocks.finish() + chunks.finish() + apart };
        BatchBytes { counted, payload: bytes }
    }
}
