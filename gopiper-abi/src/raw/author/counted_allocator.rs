//! The memory of a component's library, counted as it is allocated and freed.
use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed},
};

/// An allocator that counts the bytes that it has allocated and not yet freed. The export macro
/// makes it the global allocator of a component's library, so that an operator sees what the
/// component holds. Memory that is passed on in messages counts until it is freed, by any thread.
///
/// It counts the requested bytes, without the overhead of the allocator below.
///
/// ```
/// use std::alloc::{GlobalAlloc, Layout, System};
/// use gopiper_abi::raw::CountedAllocator;
/// static ALLOCATOR: CountedAllocator<System> = CountedAllocator::new(System);
///
/// let layout = Layout::new::<[u8; 100]>();
/// // SAFETY: the layout is not empty, and the memory is freed once, with the same layout.
/// unsafe {
///     let memory = ALLOCATOR.alloc(layout);
///     assert_eq!(ALLOCATOR.held(), 100);
///     ALLOCATOR.dealloc(memory, layout);
/// }
/// assert_eq!(ALLOCATOR.held(), 0);
/// ```
#[derive(Debug)]
pub struct CountedAllocator<A> {
    below: A,
    /// Each of the first threads has its own count, which no other thread writes, so counting needs
    /// no locked instruction. All other threads share the last count.
    counts: [Count; COUNTS],
}

const COUNTS: usize = 64;
const SHARED: usize = COUNTS - 1;

/// The bytes that a thread has allocated, minus those that it has freed. It shares no cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Count(AtomicIsize);

thread_local! {
    /// The count of this thread, once it has one. It has no destructor, so it allocates nothing,
    /// and exists until the thread has ended.
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The number of threads that have their own count. A count is not reused by another thread: that
/// would need a destructor in each thread.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

fn own_count() -> usize {
    let own = OWN.get();
    if own != usize::MAX { own } else { take_count() }
}

#[cold]
fn take_count() -> usize {
    let taken = TAKEN.fetch_update(Relaxed, Relaxed, |taken| (taken < SHARED).then_some(taken + 1));
    let own = taken.unwrap_or(SHARED);
    OWN.set(own);
    own
}

impl<A> CountedAllocator<A> {
    /// Counts what `below` allocates.
    pub const fn new(below: A) -> Self {
        CountedAllocator { below, counts: [const { Count(AtomicIsize::new(0)) }; COUNTS] }
    }

    /// The bytes that are allocated now. Any thread may call it. The result may or may not include
    /// changes that other threads make at the same time.
    pub fn held(&self) -> u64 {
        let held = self.counts.iter().fold(0isize, |sum, count| {
            sum.wrapping_add(count.0.load(Relaxed)) // one may be negative: others allocated it
        });
        // A block may be counted as freed and not yet as allocated.
        u64::try_from(held).unwrap_or(0)
    }

    fn count(&self, change: isize) {
        let own = own_count();
        let count = &self.counts[own].0;
        if own == SHARED {
            count.fetch_add(change, Relaxed);
        } else {
            count.store(count.load(Relaxed).wrapping_add(change), Relaxed);
        }
    }
}

/// A size as a change. No allocation is larger than `isize::MAX` (`Layout`).
fn bytes(size: usize) -> isize {
    size as isize
}

// SAFETY: every call goes to the allocator below, which keeps the rules; counting neither
// allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountedAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc`, which are those of the one below.
        let memory = unsafe { self.below.alloc(layout) };
        if !memory.is_null() {
            self.count(bytes(layout.size()));
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc_zeroed`, which are those of the one below.
        let memory = unsafe { self.below.alloc_zeroed(layout) };
        if !memory.is_null() {
            self.count(bytes(layout.size()));
        }
        memory
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `realloc`, which are those of the one below: the
        // memory comes from it.
        let moved = unsafe { self.below.realloc(memory, layout, size) };
        if !moved.is_null() {
            self.count(bytes(size) - bytes(layout.size()));
        }
        moved
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of `dealloc`: the memory comes from the one below,
        // with this layout.
        unsafe { self.below.dealloc(memory, layout) };
        self.count(-bytes(layout.size()));
    }
}

#[cfg(test)]
mod tests {
    use std::{alloc::System, thread};

    use super::*;

    #[test]
    fn memory_counts_until_another_thread_frees_it() {
        let allocator = CountedAllocator::new(System);
        let layout = Layout::array::<u8>(1000).expect("a layout");
        // SAFETY: the layout is not empty.
        let memory = unsafe { allocator.alloc_zeroed(layout) } as usize;
        assert_eq!(allocator.held(), 1000);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                // SAFETY: the memory is of this allocator and layout.
                let moved = unsafe { allocator.realloc(memory as *mut u8, layout, 3000) } as usize;
                assert_eq!(allocator.held(), 3000);
                moved
            });
            let memory = other.join().expect("no panic") as *mut u8;
            let layout = Layout::array::<u8>(3000).expect("a layout");
            // SAFETY: it was moved to a block of this layout, and is freed once.
            unsafe { allocator.dealloc(memory, layout) };
        });
        assert_eq!(allocator.held(), 0);
    }

    #[test]
    fn more_threads_than_counts_share_the_last_one() {
        let allocator = CountedAllocator::new(System);
        let layout = Layout::new::<u64>();
        thread::scope(|scope| {
            for _ in 0..2 * COUNTS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        // SAFETY: the layout is not empty; the memory is freed once, with it.
                        unsafe { allocator.dealloc(allocator.alloc(layout), layout) };
                    }
                    // SAFETY: the layout is not empty. The memory stays.
                    unsafe { allocator.alloc(layout) };
                });
            }
        });
        assert_eq!(allocator.held(), 2 * COUNTS as u64 * 8);
    }
}
