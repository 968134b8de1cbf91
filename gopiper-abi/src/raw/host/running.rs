//! A batch while components handle it, and while it waits for what they deferred.
use std::{
    cell::Cell,
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
};

use crate::raw::{
    Awaited, Batch, BatchHeader, CallFlags, Completion, HandleFlags, Message,
    batch::release_hold,
    message::slot,
    own_batch::{OwnBatch, take_reported},
};

/// A batch while components handle it. The messages can be had again when all of them are reported.
pub struct Handling {
    batch: ManuallyDrop<Batch>,
    flags: Cell<HandleFlags>,
    lent: Cell<bool>,
}

impl Handling {
    /// Starts with the first message of a batch of this side.
    pub fn new(batch: Batch) -> Self {
        let batch = batch.into_own();
        batch.header().cursor.store(0, Relaxed);
        batch.header().call.store(0, Relaxed);
        let flags = Cell::new(HandleFlags::ALL_DONE);
        Handling { batch: ManuallyDrop::new(batch), flags, lent: Cell::new(false) }
    }

    /// Goes on with a batch whose messages before `cursor` are reported already.
    pub fn resume(batch: Batch, cursor: u32) -> Self {
        let handling = Self::new(batch);
        handling.batch.header().cursor.store(cursor, Relaxed);
        if cursor > 0 {
            handling.flags.set(HandleFlags::NOT_ALL_DONE);
        }
        handling
    }

    /// For another thread, while a component has the batch.
    pub fn watch(&self) -> Watch {
        self.batch.header().holds.fetch_add(1, Relaxed);
        Watch(self.batch.0)
    }

    /// Whether the cursor stands behind the last message.
    pub fn is_through(&self) -> bool {
        self.cursor() >= self.batch.header().len
    }

    /// The message that is being handled, or the first that is not yet.
    pub fn cursor(&self) -> u32 {
        self.batch.header().cursor.load(Relaxed)
    }

    /// Lends the batch to one component: its messages from the cursor on are that one's meanwhile.
    ///
    /// # Panics
    /// When it is lent already (a component that is called inside another's call).
    pub(in crate::raw) fn lend(
        &self,
        to: impl FnOnce(*mut BatchHeader) -> HandleFlags,
    ) -> HandleFlags {
        assert!(!self.lent.replace(true), "a batch that is being handled is given to a component");
        self.batch.header().call.fetch_and(CallFlags::GIVEN_UP, Relaxed);
        let flags = to(self.batch.0);
        self.lent.set(false);
        let mut all = self.flags.get();
        all |= flags;
        self.flags.set(all);
        flags
    }

    /// Whether every message is Done.
    pub fn all_done(&self) -> bool {
        self.flags.get() == HandleFlags::ALL_DONE
    }

    /// The batch, or what waits for the deferred ones of its messages.
    pub fn finish(self) -> Result<Batch, DeferredBatch> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again.
        let batch = unsafe { ManuallyDrop::take(&mut this.batch) };
        // The holds say it, not the flags: those are a component's word. One hold is this one;
        // seeing that the others have gone, one sees all that was done before they went.
        match batch.header().holds.load(Acquire) {
            1 => Ok(batch),
            _ => Err(DeferredBatch(batch.into_raw())),
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        // SAFETY: not used again. With deferred messages out, whoever reports the last one drops
        // it.
        let batch = unsafe { ManuallyDrop::take(&mut self.batch) };
        drop(DeferredBatch(batch.into_raw()));
    }
}

/// A batch some of whose messages were deferred. Dropped, it goes when the last one is reported.
#[derive(Debug)]
pub struct DeferredBatch(*mut BatchHeader);

// SAFETY: only the header is touched, and that by the rules of the holds.
unsafe impl Send for DeferredBatch {}

impl DeferredBatch {
    /// Takes out what is reported: the places of the deferred messages hold
    /// [`Message::vacated`] instead, and so do the others' in the batch that is awaited.
    pub fn take_reported(&mut self) -> Batch {
        // SAFETY: alive by this hold.
        unsafe { take_reported(self.0) }
    }

    /// For looking at it while it is awaited.
    pub fn awaited(&mut self) -> Arc<Awaited> {
        let awaited = Arc::new(Awaited::new(self.0));
        // SAFETY: a batch of this side (`Handling::new`). This hold is still counted, so nobody
        // else reads `awaited` yet.
        unsafe { (*self.0.cast::<OwnBatch>()).awaited = Some(awaited.clone()) };
        awaited
    }

    /// Leaves the batch to its deferred messages: when the last one is reported, `completion` gets
    /// it, at once if that has been so already.
    pub fn await_deferred(self, completion: Arc<dyn Completion>) {
        // SAFETY: a batch of this side (`Handling::new`). This hold is still counted, so nobody
        // else reads `completion` yet; it is given up by the drop.
        unsafe { (*self.0.cast::<OwnBatch>()).completion = Some(completion) };
    }
}

/// Looks after a batch that a component has, from another thread. It is to be dropped before
/// [`Handling::finish`], for it holds the batch.
#[derive(Debug)]
pub struct Watch(*mut BatchHeader);

// SAFETY: it holds the batch; what it reads is written by the component's thread before, and
// published by the cursor and the statuses.
unsafe impl Send for Watch {}

impl Watch {
    /// Gives the call up: the component gets no further message of the batch (but for one that it
    /// is being given at this moment). Returns copies of what it has reported, by place, without
    /// their deliveries; `None` where it has the message and has not reported. What lies behind was
    /// not begun.
    pub fn give_up(&self) -> Vec<Option<Message>> {
        // SAFETY: alive by the hold. Only slots that the component's thread has published are read:
        // those before the cursor, and those whose status says that they are reported.
        unsafe {
            let header = self.0;
            (*header).call.fetch_or(CallFlags::GIVEN_UP, Relaxed);
            let (mut cursor, len) = ((*header).cursor.load(Acquire), (*header).len);
            // What the flags say goes with the cursor, if that is still the same.
            let call = loop {
                let call = (*header).call.load(Acquire);
                match (*header).cursor.load(Acquire) {
                    same if same == cursor => break call,
                    moved => cursor = moved,
                }
            };
            let singly = call & CallFlags::SINGLY != 0;
            let begun = match singly {
                _ if call & CallFlags::SETTLED != 0 => cursor,
                true => len.min(cursor + 1),
                false => len,
            };
            let copy = |i: u32| match singly || i < cursor {
                true => copy_reported((*header).messages.add(i as usize)),
                false => None,
            };
            (0..begun).map(copy).collect()
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: its hold, given up once.
        unsafe { release_hold(self.0) }
    }
}

/// # Safety
/// `slot` is a slot of a batch that is alive, and was handed out or is behind the cursor.
unsafe fn copy_reported(slot: *mut Message) -> Option<Message> {
    // SAFETY: by the caller; a slot whose status is no slot's own is not written any more.
    unsafe {
        let status = Message::atomic_status(slot).load(Acquire);
        if status == slot::VACANT || status == slot::LATE {
            return None;
        }
        let mut copy = (*slot).duplicate();
        (copy.status, copy.attempts) = (status, (*slot).attempts);
        Some(copy)
    }
}

impl Drop for DeferredBatch {
    fn drop(&mut self) {
        // SAFETY: the host's hold, given up once.
        unsafe { release_hold(self.0) }
    }
}
