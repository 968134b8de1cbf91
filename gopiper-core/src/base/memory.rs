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
    home: Arc<Spare>,
}

impl AsMut<[u8]> for Block {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
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
        let mut spare = self.spare.lock();
        let found = spare.iter().rposition(|block| block.len() == length);
        let bytes = match found {
            Some(place) => spare.swap_remove(place),
            None => vec![0; length].into(),
        };
        drop(spare);
        PayloadMut::from_owner(Block { bytes, home: self.spare.clone() }, None)
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
    fn shared_memory_can_be_mapped() {
        let block = Blocks::new(PayloadMemory::Shared).get(8192);
        assert!(block.freeze().region().is_some());
    }
}
