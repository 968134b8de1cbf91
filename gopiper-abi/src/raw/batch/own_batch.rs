//! How this side makes batches, and completes them: with the slots directly after the head, and
//! what waits for deferred messages between the two.
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    mem, ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU32,
            Ordering::{Acquire, Relaxed},
        },
    },
};

use abi_stable::prefix_type::WithMetadata;

use crate::raw::{
    Batch, BatchHeader, BatchVtable, BatchVtable_Ref, DEFAULT_CAPACITY, Message, message::slot,
};

/// Gets a batch back when its last deferred message has been reported, on that report's thread.
pub trait Completion: Send + Sync + 'static {
    /// Takes the batch over. Must not block.
    fn completed(&self, batch: Batch);
}

/// A batch made by this side: the slots follow it directly.
#[repr(C, align(64))]
pub(in crate::raw) struct OwnBatch {
    header: BatchHeader,
    pub(in crate::raw) completion: Option<Arc<dyn Completion>>,
    pub(in crate::raw) awaited: Option<Arc<Awaited>>,
}

static VALUE: WithMetadata<BatchVtable> = WithMetadata::new(BatchVtable { complete, free });
const VTABLE: BatchVtable_Ref = BatchVtable_Ref(VALUE.static_as_prefix());

fn layout(capacity: u32) -> Layout {
    let slots = Layout::array::<Message>(capacity as usize);
    let whole = slots.and_then(|slots| Layout::new::<OwnBatch>().extend(slots));
    whole.expect("a batch fits into memory").0
}

/// How many batches of the usual size are kept for the next ones: a full channel has fewer. None
/// under tools that report uses of freed memory and data races: kept memory would hide both.
const SPARE_BATCHES: usize = if cfg!(any(miri, sanitized)) { 0 } else { 32 };

/// The memory of batches that have gone. One thread fills batches and another one empties them: an
/// allocator would return such memory to the system, and page it in again, for each.
static SPARE: Mutex<Vec<SpareMemory>> = Mutex::new(Vec::new());

/// Memory with the layout of a batch of the usual size, with nothing in it.
struct SpareMemory(*mut OwnBatch);

// SAFETY: nothing else refers to the memory, and any thread may write to it or free it.
unsafe impl Send for SpareMemory {}

fn memory(capacity: u32) -> *mut OwnBatch {
    let kept = if capacity == DEFAULT_CAPACITY { spare().pop() } else { None };
    if let Some(SpareMemory(memory)) = kept {
        return memory;
    }
    // SAFETY: the layout is not of size zero.
    let memory = unsafe { alloc(layout(capacity)) };
    if memory.is_null() {
        handle_alloc_error(layout(capacity));
    }
    memory.cast()
}

fn spare() -> MutexGuard<'static, Vec<SpareMemory>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batch {
    /// An empty batch with room for `capacity` messages.
    pub fn new(capacity: u32) -> Self {
        let own = memory(capacity);
        // SAFETY: the memory has the layout, and is this batch's alone; the header is written
        // before anything reads it, and the slots lie after it, aligned, as the layout says.
        unsafe {
            own.write(OwnBatch {
                header: BatchHeader {
                    messages: own.add(1).cast(),
                    len: 0,
                    capacity,
                    cursor: AtomicU32::new(0),
                    holds: AtomicU32::new(1),
                    sequence: 0,
                    vtable: VTABLE,
                    call: AtomicU32::new(0),
                    run_bytes: 0,
                },
                completion: None,
                awaited: None,
            });
            Batch(own.cast())
        }
    }

    /// Makes room for as many messages again.
    pub fn grow(&mut self) {
        let mut larger = Batch::new(self.header().capacity.saturating_mul(2).max(1));
        larger.set_sequence(self.sequence());
        mem::swap(self, &mut larger);
        // A batch of twice the size has room for all of them.
        let _ = self.append(larger);
    }

    /// Moves the messages from `at` on into a batch of their own.
    ///
    /// # Panics
    /// When there are fewer than `at` messages.
    pub fn split_off(&mut self, at: usize) -> Batch {
        let rest = self.len().checked_sub(at).expect("split_off within the batch");
        let mut other = Batch::new((rest as u32).max(1));
        other.header_mut().run_bytes = self.split_run(at);
        // SAFETY: `other` has room for `rest` messages, and two batches do not overlap. The
        // messages are moved by their bytes, and `len` makes `self` forget them.
        unsafe {
            ptr::copy_nonoverlapping(self.header().messages.add(at), other.header().messages, rest);
        }
        other.header_mut().len = rest as u32;
        self.header_mut().len = at as u32;
        other
    }

    /// The same messages in a batch of this side: only such can wait for deferred messages.
    pub fn into_own(self) -> Batch {
        if self.is_own() {
            return self;
        }
        let mut own = Batch::new(self.header().len.max(1));
        own.set_sequence(self.sequence());
        match own.append(self) {
            Ok(()) => own,
            Err(batch) => batch,
        }
    }

    fn is_own(&self) -> bool {
        ptr::eq(self.header().vtable.0.to_raw_ptr(), VTABLE.0.to_raw_ptr())
    }
}

/// A batch that waits for its deferred messages, as its host sees it.
#[derive(Debug)]
pub struct Awaited(Mutex<Option<AwaitedBatch>>);

#[derive(Debug)]
struct AwaitedBatch(*mut BatchHeader);

// SAFETY: the pointer is only used under the lock of [`Awaited`], and the slots after it by their
// statuses, which are atomic.
unsafe impl Send for AwaitedBatch {}

impl Awaited {
    pub(in crate::raw) fn new(header: *mut BatchHeader) -> Self {
        Awaited(Mutex::new(Some(AwaitedBatch(header))))
    }

    /// Takes out the messages reported so far; `None` if the last report has come, and the
    /// [`Completion`] gets the batch, or already has it.
    pub fn take_reported(&self) -> Option<Batch> {
        // SAFETY: the thread that completes the batch takes it out of here first, under this lock,
        // so it is alive. The component's call had ended before there was a DeferredBatch
        // (`Handling::finish`).
        self.lock().as_ref().map(|waiting| unsafe { take_reported(waiting.0) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<AwaitedBatch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Safety
/// The batch is alive, and no component's call on it is running.
unsafe fn take_reported(header: *mut BatchHeader) -> Batch {
    // SAFETY: the batch is alive, and the component's call has ended (`# Safety`). A slot whose
    // status is not LATE is the host's alone: no Deferred of it is out any more.
    unsafe {
        let mut reported = Batch::new((*header).len.max(1));
        for i in 0..(*header).len as usize {
            let slot = (*header).messages.add(i);
            let message = match Message::atomic_status(slot).load(Acquire) {
                slot::LATE => Message::vacated(),
                _ => slot.replace(Message::vacated()),
            };
            let full = reported.push(message).is_err();
            debug_assert!(!full, "there is room for all");
        }
        reported
    }
}

unsafe extern "C" fn complete(header: *mut BatchHeader) {
    // SAFETY: this vtable is only found in batches of this side; the last hold has gone, so nothing
    // else refers to this one.
    unsafe {
        (*header).holds.store(1, Relaxed);
        if let Some(awaited) = (*header.cast::<OwnBatch>()).awaited.take() {
            awaited.lock().take();
        }
        let completion = (*header.cast::<OwnBatch>()).completion.take();
        let batch = Batch(header);
        match completion {
            Some(completion) => completion.completed(batch),
            None => drop(batch),
        }
    }
}

unsafe extern "C" fn free(header: *mut BatchHeader) {
    // SAFETY: this vtable is only found in batches of this side, which `Batch::new` allocated with
    // this layout; the messages have gone, and its owner gives it up (BatchVtable).
    unsafe {
        let capacity = (*header).capacity;
        ptr::drop_in_place(header.cast::<OwnBatch>());
        if capacity == DEFAULT_CAPACITY {
            let mut spare = spare();
            if spare.len() < SPARE_BATCHES {
                return spare.push(SpareMemory(header.cast()));
            }
        }
        dealloc(header.cast(), layout(capacity));
    }
}
