//! The messages that move together through a channel and across the boundary. Here are their slots
//! and how they are settled; the calls that hand them to a component are in `author/` and `host/`.
mod bytes;
pub(in crate::raw) mod own_batch;
pub(in crate::raw) mod run;
pub(in crate::raw) mod runs;
mod slices;

use std::{
    mem::{self, ManuallyDrop},
    ptr,
    sync::{
        Arc,
        atomic::{
            AtomicU32,
            Ordering::{Acquire, Release},
        },
    },
};

use abi_stable::StableAbi;

use crate::raw::{
    Delivery, Fate, Message, Outcome, Positions, Settle, Trace, batch::runs::Runs, delivery,
};

/// The capacity of the batches that hosts hand out, in messages.
pub const DEFAULT_CAPACITY: u32 = 512;

/// The calls that the maker of a batch offers for it. Any thread may call them.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = BatchVtable_Ref, prefix_fields = BatchVtable_Prefix)))]
pub struct BatchVtable {
    /// The last deferred message has been reported: the batch goes back to its waiting owner.
    pub complete: unsafe extern "C" fn(batch: *mut BatchHeader),
    /// Frees the batch, which holds no messages any more.
    #[sabi(last_prefix_field)]
    pub free: unsafe extern "C" fn(batch: *mut BatchHeader),
}

/// The head of a batch.
#[repr(C)]
#[derive(StableAbi)]
pub struct BatchHeader {
    /// The slots; the first `len` hold messages.
    pub messages: *mut Message,
    /// How many messages.
    pub len: u32,
    /// How many slots.
    pub capacity: u32,
    /// The slot that `handle` is at: it starts there, and leaves behind `len`, or the slot after
    /// the one that panicked.
    pub cursor: AtomicU32,
    /// Holds: one for the host, one for each deferred message.
    pub holds: AtomicU32,
    /// The batch's place in the order of its channel; the host's.
    pub sequence: u64,
    /// The functions of the side that made it.
    pub vtable: BatchVtable_Ref,
    /// How far the component and the host have come with this call: bits of
    /// [`CallFlags`](crate::raw::CallFlags).
    pub call: AtomicU32,
    /// While the messages are one run, their bytes with all delimiters; else 0. A run consists of
    /// slices of one block, each directly after the one before and its delimiter, with equal
    /// delimiters, and without attributes, marks or reports. The first slot holds the indices of
    /// the delivery for all of them, the others hold none. Code that changes a slot sets it to 0
    /// first, and gives each slot its index.
    pub run_bytes: u32,
}

/// A batch, owned. Dropped with messages in it, they are settled as Returned.
pub struct Batch(pub(in crate::raw) *mut BatchHeader);

// SAFETY: a Batch is the only owner of its slots, and messages are Send; while messages are
// deferred there is no Batch of them (`Handling::finish`).
unsafe impl Send for Batch {}

impl Batch {
    /// Not public: its counters are atomic, so code that can see them can change them.
    pub(in crate::raw) fn header(&self) -> &BatchHeader {
        // SAFETY: a Batch owns the memory of its header, which is freed in its drop alone.
        unsafe { &*self.0 }
    }

    pub(in crate::raw) fn header_mut(&mut self) -> &mut BatchHeader {
        // SAFETY: a Batch owns the memory of its header, and `&mut self` makes this the only
        // reference to it.
        unsafe { &mut *self.0 }
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.header().len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.header().len == 0
    }

    /// How many more fit.
    pub fn room(&self) -> usize {
        (self.header().capacity - self.header().len) as usize
    }

    /// The messages.
    pub fn messages(&self) -> &[Message] {
        // SAFETY: the first `len` slots hold messages, and nothing else has the batch.
        unsafe { std::slice::from_raw_parts(self.header().messages, self.len()) }
    }

    /// The messages, to change or exchange.
    pub fn messages_mut(&mut self) -> &mut [Message] {
        self.end_run();
        // SAFETY: the first `len` slots hold messages, and `&mut self` makes this the only
        // reference to them.
        unsafe { std::slice::from_raw_parts_mut(self.header().messages, self.len()) }
    }

    /// Puts a message at the end; gives it back when the batch is full.
    #[inline]
    pub fn push(&mut self, message: Message) -> Result<(), Message> {
        if self.room() == 0 {
            return Err(message);
        }
        self.end_run();
        // SAFETY: there is room for one more, and the slot after the last message holds nothing
        // that `write` would lose.
        unsafe {
            let header = self.header_mut();
            header.messages.add(header.len as usize).write(message);
            header.len += 1;
        }
        Ok(())
    }

    /// Takes the messages of `other` over, if they fit; gives it back if not.
    pub fn append(&mut self, mut other: Batch) -> Result<(), Batch> {
        if other.len() > self.room() {
            return Err(other);
        }
        self.end_run();
        match self.is_empty() {
            true => self.header_mut().run_bytes = other.header().run_bytes,
            false => other.end_run(),
        }
        // SAFETY: they fit, and two batches do not overlap. A message is moved by its bytes, and
        // `other` forgets those it had.
        unsafe {
            let header = self.header_mut();
            let end = header.messages.add(header.len as usize);
            ptr::copy_nonoverlapping(other.header().messages, end, other.len());
            header.len += mem::take(&mut other.header_mut().len);
        }
        Ok(())
    }

    /// Gives the messages the indices of a delivery, from `first` on.
    pub(in crate::raw) fn attach(&mut self, delivery: *const Delivery, first: u32) {
        let slots = if self.is_run() { 1 } else { self.header().len };
        for i in 0..slots {
            // SAFETY: slot `i` is one of the first `len`, which hold messages, and `&mut self`
            // keeps others from them. The first one of a run holds the indices of all.
            unsafe {
                let message = &mut *self.header().messages.add(i as usize);
                message.delivery = delivery;
                message.index = first + i;
            }
        }
    }

    /// Whether no message has a report on it.
    pub fn is_without_reports(&self) -> bool {
        self.is_run() || self.messages().iter().all(|message| message.status == 0)
    }
}

/// For hosts: components have no use for these.
impl Batch {
    /// # Safety
    /// `batch` was given up by [`Batch::into_raw`], on either side.
    pub unsafe fn from_raw(batch: *mut BatchHeader) -> Self {
        Batch(batch)
    }

    /// Gives it up for the other side.
    pub fn into_raw(self) -> *mut BatchHeader {
        ManuallyDrop::new(self).0
    }

    /// The address of the batch's head, for code that knows the raw interface.
    pub fn as_raw(&self) -> *mut BatchHeader {
        self.0
    }

    /// Its place in the order of its channel.
    pub fn sequence(&self) -> u64 {
        self.header().sequence
    }

    /// Gives it a place in the order of its channel.
    pub fn set_sequence(&mut self, sequence: u64) {
        self.header_mut().sequence = sequence;
    }

    /// Opens a delivery for the whole batch: its outcomes are reported to `hears`, under `token`.
    pub fn open_delivery(&mut self, token: u64, hears: Arc<dyn Settle>) {
        self.open_delivery_at(token, None, hears);
    }

    /// As [`Batch::open_delivery`], of messages whose positions in their source are known.
    pub fn open_delivery_at(
        &mut self,
        token: u64,
        positions: Option<Box<Positions>>,
        hears: Arc<dyn Settle>,
    ) {
        if !self.is_empty() {
            self.attach(delivery::open(self.header().len, token, positions, hears), 0);
        }
    }

    /// Whether the messages have a delivery already (all of a batch have, or none).
    pub fn has_delivery(&self) -> bool {
        self.messages().first().is_some_and(|message| !message.delivery.is_null())
    }

    /// The messages that belong to a sampled trace: the place of each, and its trace.
    pub fn traced(&self) -> impl Iterator<Item = (usize, Trace)> {
        let messages = if self.is_run() { &[] } else { self.messages() };
        let traces = messages.iter().map(Message::trace).enumerate();
        traces.filter_map(|(place, trace)| Some((place, trace.filter(|it| it.is_sampled())?)))
    }

    /// Looks at each message: keeps it in the batch, in order, or settles it. Neighbours of one
    /// block or one delivery are released together. When `judge` panics, the messages that it did
    /// not settle stay.
    pub fn retain(&mut self, mut judge: impl FnMut(&Message) -> Fate) {
        /// Closes the gap between the messages that were kept and those not looked at yet, even
        /// when `judge` panics.
        struct Sieve {
            header: *mut BatchHeader,
            kept: usize,
            next: usize,
            len: usize,
        }
        impl Drop for Sieve {
            fn drop(&mut self) {
                let rest = self.len - self.next;
                // SAFETY: `header` is the batch that `retain` borrows. The slots from `next` to
                // `len` hold messages, those between `kept` and `next` hold none.
                unsafe {
                    let slots = (*self.header).messages;
                    ptr::copy(slots.add(self.next), slots.add(self.kept), rest);
                    (*self.header).len = (self.kept + rest) as u32;
                }
            }
        }
        self.end_run();
        let (slots, len) = (self.header().messages, self.len());
        let mut runs = Runs::default();
        let mut sieve = Sieve { header: self.0, kept: 0, next: 0, len };
        while sieve.next < len {
            // SAFETY: slot `next` holds a message that was not moved yet, and `kept` is at most
            // `next`. A message that `runs` takes is not looked at again.
            unsafe {
                let slot = slots.add(sieve.next);
                match judge(&*slot) {
                    Fate::Keep => {
                        if sieve.kept != sieve.next {
                            ptr::copy_nonoverlapping(slot, slots.add(sieve.kept), 1);
                        }
                        sieve.kept += 1;
                    }
                    Fate::Settle(outcome) => runs.take(slot, outcome),
                }
            }
            sieve.next += 1;
        }
    }

    /// Settles all messages alike, and leaves the batch empty.
    pub fn settle(&mut self, outcome: Outcome) {
        if self.is_run() {
            return self.settle_run(outcome);
        }
        self.retain(|_| Fate::Settle(outcome));
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.messages()).finish()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.settle(Outcome::RETURNED);
        // SAFETY: the batch is empty and not used again, and the maker's own `free` gets it.
        unsafe { (self.header().vtable.free())(self.0) }
    }
}

/// Gives up a hold; the last one completes the batch.
///
/// # Safety
/// The caller has a hold, and does not use the batch again.
pub(in crate::raw) unsafe fn release_hold(header: *mut BatchHeader) {
    // SAFETY: the caller has a hold (`# Safety`), so the batch is alive until it is given up here;
    // the thread that gives up the last one is alone with the batch.
    unsafe {
        if (*header).holds.fetch_sub(1, Release) == 1 {
            // A load and not a fence: ThreadSanitizer understands it.
            (*header).holds.load(Acquire);
            ((*header).vtable.complete())(header);
        }
    }
}
