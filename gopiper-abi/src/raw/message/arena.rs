//! The memory that the attributes of messages are written to: large chunks, one after the other,
//! instead of several small allocations for each message.
//!
//! Each thread writes to a chunk of its own, so writing takes no lock. Any thread may release the
//! attributes: a chunk counts its references as the memory of payloads does, and the last one gives
//! it back to the allocator that it came from.
use std::{cell::RefCell, mem::MaybeUninit, ptr, slice};

use crate::raw::{
    PayloadOwner,
    message::owner::{self, Owner},
};

/// The size of a chunk in bytes, unless a message needs more. A message that is kept for long keeps
/// its whole chunk.
const CHUNK: usize = 16 << 10;
/// Everything that counts as a reference of its own takes at least so many bytes.
pub(in crate::raw) const LEAST: usize = 64;

thread_local! {
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena::new()) };
}

/// The chunk that a thread writes to: structs from its start on, and text from its end back.
pub(in crate::raw) struct Arena {
    /// Null: there is none yet.
    owner: *const PayloadOwner,
    /// The free bytes lie between these two. `low` is aligned for all structs.
    low: *mut u8,
    high: *mut u8,
    /// References on the chunk that are held here and not handed out yet. They were bought with the
    /// chunk, so handing one out is no atomic operation.
    references: usize,
}

impl Arena {
    const fn new() -> Self {
        Arena { owner: ptr::null(), low: ptr::null_mut(), high: ptr::null_mut(), references: 0 }
    }

    /// Calls `write` with this thread's arena. `write` runs no code of others: such code could come
    /// back here.
    pub(in crate::raw) fn with<R>(write: impl FnOnce(&mut Arena) -> R) -> R {
        if ARENA.try_with(|_| ()).is_err() {
            // The thread is ending, and its arena has gone.
            return write(&mut Arena::new());
        }
        ARENA.with_borrow_mut(write)
    }

    /// Makes room for `len` bytes, in a new chunk if this one lacks it.
    pub(in crate::raw) fn reserve(&mut self, len: usize) {
        if self.room() < len {
            // Twice: so attributes that come one by one are not copied to a new chunk each time.
            let words = CHUNK.max(2 * len).div_ceil(size_of::<u64>());
            let memory: Vec<MaybeUninit<u64>> = Vec::with_capacity(words);
            let size = words * size_of::<u64>();
            // One stays here for as long as this is the thread's chunk.
            let references = size / LEAST + 1;
            // SAFETY: the owner is new, and its memory is that of a Vec, which stays in place.
            unsafe {
                let owner = Owner::leak(memory, size, references, None);
                self.release_rest();
                self.low = (*owner).memory.as_mut_ptr().cast();
                self.high = self.low.add(size);
                self.owner = owner.cast();
                self.references = references;
            }
        }
    }

    pub(in crate::raw) fn room(&self) -> usize {
        self.high.addr() - self.low.addr()
    }

    /// Whether the struct that ends at `end` was the last one pushed, in the chunk of `owner`.
    pub(in crate::raw) fn continues(&self, owner: *const PayloadOwner, end: *const u8) -> bool {
        self.is_of(owner) && end == self.low.cast_const()
    }

    pub(in crate::raw) fn is_of(&self, owner: *const PayloadOwner) -> bool {
        self.owner == owner
    }

    /// Memory for a struct of `len` bytes, a multiple of 8; uninitialised.
    ///
    /// # Safety
    /// There is room for it (`reserve`).
    pub(in crate::raw) unsafe fn push(&mut self, len: usize) -> *mut u8 {
        debug_assert!(len % 8 == 0 && len <= self.room());
        let start = self.low;
        // SAFETY: there is room for it (`# Safety`).
        self.low = unsafe { start.add(len) };
        start
    }

    /// Copies bytes into the arena; returns their address.
    ///
    /// # Safety
    /// There is room for it (`reserve`).
    pub(in crate::raw) unsafe fn copy(&mut self, bytes: &[u8]) -> *const u8 {
        debug_assert!(bytes.len() <= self.room());
        // SAFETY: there is room for it (`# Safety`), and nothing else refers to free bytes.
        unsafe {
            self.high = self.high.sub(bytes.len());
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.high, bytes.len());
        }
        self.high
    }

    /// Hands out one reference on the chunk, for a struct that `push` made.
    pub(in crate::raw) fn reference(&mut self) -> *const PayloadOwner {
        debug_assert!(self.references > 1, "each takes at least {LEAST} bytes");
        self.references -= 1;
        self.owner
    }

    fn release_rest(&mut self) {
        // SAFETY: these references are held here, and not used again.
        unsafe { owner::release(self.owner, self.references) };
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.release_rest();
    }
}

/// The bytes that lie in an arena.
///
/// # Safety
/// `start` leads to `len` bytes whose chunk outlives the result.
pub(in crate::raw) unsafe fn bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: they lie in a chunk that outlives the result (`# Safety`). It may be null for none,
    // which a slice's pointer must not be.
    if len == 0 { &[] } else { unsafe { slice::from_raw_parts(start, len) } }
}
