//! The memory that sources read into.
use std::sync::Arc;

use gopiper_abi::PayloadMut;
use parking_lot::Mutex;

/// How many blocks wait for the next reader. No more are in flight at once.
const SPARE_BLOCKS: usize = 64;
/// Smaller and larger blocks are not worth keeping.
const REUSED: std::ops::RangeInclusive<usize> = 4 << 10..=1 << 20;

/// The memory that payloads live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PayloadMemory {
    /// In this process alone.
    #[default]
    Private,
    /// In memory that a child process can map: see [`gopiper_abi::Payload::region`].
    Shared,
}

/// Lends blocks of memory, and takes them back when their last message has gone: fresh memory would
/// have to be cleared, and faulted in page by page, for every block that is read.
pub(crate) struct Blocks {
    memory: PayloadMemory,
    spare: Arc<Spare>,
}

type Spare = Mutex<Vec<Box<[u8]>>>;

/// A block that goes back when it is dropped.
struct Block {
    bytes: Box<[u8]>,
    /// How many of them were asked for.
    length: usize,
    home: Arc<Spare>,
}

impl AsMut<[u8]> for Block {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

/// The size of a block for so many bytes: blocks of few sizes fit again. Less than a quarter of one
/// is unused, or less than 4 KB.
fn size(length: usize) -> usize {
    let step = (length.next_power_of_two() / 8).max(*REUSED.start());
    length.next_multiple_of(step)
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut spare = self.home.lock();
        if spare.len() == SPARE_BLOCKS {
            // The oldest: its size may not be needed any more.
            spare.remove(0);
        }
        spare.push(std::mem::take(&mut self.bytes));
    }
}

impl Blocks {
    pub(crate) fn new(memory: PayloadMemory) -> Self {
        Blocks { memory, spare: Arc::default() }
    }

    pub(crate) fn get(&self, length: usize) -> PayloadMut {
        if self.memory == PayloadMemory::Shared {
            match gopiper_abi::raw::shared_memory(length) {
                Ok(block) => return block,
                Err(error) => {
                    tracing::warn!(%error, length, code = "no_shared_memory", "no shared memory: using private memory")
                }
            }
        }
        if !REUSED.contains(&length) {
            return PayloadMut::new(length);
        }
        let size = size(length);
        let mut spare = self.spare.lock();
        let found = spare.iter().rposition(|block| block.len() == size);
        let found = found.map(|place| spare.swap_remove(place));
        drop(spare);
        let bytes = found.unwrap_or_else(|| vec![0; size].into());
        PayloadMut::from_owner(Block { bytes, length, home: self.spare.clone() }, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_when_its_last_payload_has_gone() {
        let blocks = Blocks::new(PayloadMemory::Private);
        let mut block = blocks.get(8192);
        block[0] = 7;
        let payload = block.freeze();
        let part = payload.slice(..1);
        drop(payload);
        assert_eq!(blocks.spare.lock().len(), 0);
        drop(part);
        assert_eq!(blocks.spare.lock().len(), 1);
        let again = blocks.get(8192);
        assert_eq!((again[0], blocks.spare.lock().len()), (7, 0), "the same memory again");
    }

    #[test]
    fn a_block_of_almost_the_same_length_fits_again() {
        let blocks = Blocks::new(PayloadMemory::Private);
        assert_eq!(blocks.get(50_000).len(), 50_000);
        assert_eq!(blocks.get(51_001).len(), 51_001);
        assert_eq!(blocks.spare.lock().len(), 1);
        for length in [4096, 4097, 50_000, 65_536, 65_537, 100_000, 1 << 20] {
            assert!(size(length) >= length && size(length) - length < (length / 4).max(4096));
        }
        assert_eq!((size(1 << 18), size(50_000)), (1 << 18, 57_344));
    }

    #[test]
    fn shared_memory_can_be_mapped() {
        let block = Blocks::new(PayloadMemory::Shared).get(8192);
        assert!(block.freeze().region().is_some());
    }
}
