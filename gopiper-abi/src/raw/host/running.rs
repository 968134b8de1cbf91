//! A batch while components handle it, and while it waits for what they deferred.
use std::{
    cell::Cell,
    fmt,
    mem::ManuallyDrop,
    ptr,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
};

use crate::raw::{
    Awaited, Batch, BatchHeader, CallFlags, Completion, HandleFlags, Message,
    batch::{
        own_batch::OwnBatch,
        release_hold,
        run::{delivery_of, end_run},
    },
    delivery,
    message::slot,
};

thread_local! {
    /// The batch that a component handles on this thread; null while none does. One word, which
    /// needs no initialization and no destructor: a signal handler may read it.
    static HANDLED_HERE: Cell<*const BatchHeader> = const { Cell::new(ptr::null()) };
}

/// Writes the position of the message that a component handles on this thread, if its source gives
/// one. Of a component that handles the messages of a batch together, the first one's.
///
/// A handler of a fatal signal may call it: it takes no lock and no memory.
///
/// # Errors
/// `to` refuses.
pub fn write_position_here(to: &mut dyn fmt::Write) -> fmt::Result {
    let batch = HANDLED_HERE.get();
    // SAFETY: the batch is alive while it is lent on this thread (`lend`). The slot at the cursor
    // holds a delivery of the message, whether it is out or not, and of a run the first slot does.
    // The component holds their indices until it reports the message, which ends this thread's use
    // of the slot.
    let position = unsafe {
        let Some(header) = batch.as_ref() else { return Ok(()) };
        let at = header.cursor.load(Relaxed);
        if at >= header.len {
            return Ok(());
        }
        let (delivery, index) = delivery_of(header, at);
        let position = delivery::position(delivery, index);
        position.positions.as_ref().map(|all| (all, position.index))
    };
    position.map_or(Ok(()), |(positions, index)| positions.write_of(index, to))
}

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

    /// For another thread, while a component has the batch. A watch reads from each slot whether
    /// its message is out, and the slots of a run do not say so: this ends a run.
    ///
    /// # Panics
    /// When it is a run that a component already has.
    pub fn watch(&self) -> Watch {
        let header = self.batch.header();
        assert!(!(header.is_run() && self.lent.get()), "a run is watched from before it is lent");
        header.holds.fetch_add(1, Relaxed);
        // SAFETY: the batch is alive. While it is a run no message of it is deferred, and no
        // component has it (the assertion): nothing else uses the slots.
        unsafe { end_run(self.batch.0) };
        Watch(self.batch.0)
    }

    /// Whether the cursor is past the last message.
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
        let before = HANDLED_HERE.replace(self.batch.0);
        let flags = to(self.batch.0);
        HANDLED_HERE.set(before);
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
        // SAFETY: `this` is neither used nor dropped again (`ManuallyDrop`).
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
        // SAFETY: a Handling that is being dropped is not used again. With deferred messages out,
        // the thread that reports the last one drops the batch.
        let batch = unsafe { ManuallyDrop::take(&mut self.batch) };
        drop(DeferredBatch(batch.into_raw()));
    }
}

/// A batch some of whose messages were deferred. Dropped, it goes when the last one is reported.
#[derive(Debug)]
pub struct DeferredBatch(*mut BatchHeader);

// SAFETY: the fields that another thread changes meanwhile are atomic (the holds, the statuses);
// the rest is touched by the owner of this value alone, or after the last hold has gone.
unsafe impl Send for DeferredBatch {}

impl DeferredBatch {
    /// Takes out the reported messages: the places of the deferred messages hold
    /// [`Message::vacated`] instead, and so do the others' in the batch that is awaited.
    pub fn take_reported(&mut self) -> Batch {
        // Under the lock: the caller of `awaited` may be taking out the same messages.
        let reported = self.awaited().take_reported();
        reported.unwrap_or_else(|| unreachable!("this hold keeps the batch from being completed"))
    }

    /// For looking at it while it is awaited. There is one of it: the batch takes it back when it
    /// is completed.
    pub fn awaited(&mut self) -> Arc<Awaited> {
        // SAFETY: it is a batch of this side (`Handling::new`), kept alive by this hold. While that
        // is counted, nothing else reads `awaited`.
        let awaited = unsafe { &mut (*self.0.cast::<OwnBatch>()).awaited };
        awaited.get_or_insert_with(|| Arc::new(Awaited::new(self.0))).clone()
    }

    /// Leaves the batch to its deferred messages: when the last one is reported, `completion` gets
    /// it, at once if that has been so already.
    pub fn await_deferred(self, completion: Arc<dyn Completion>) {
        // SAFETY: it is a batch of this side (`Handling::new`), kept alive by this hold. While that
        // is counted, nothing else reads `completion`; the drop gives it up.
        unsafe { (*self.0.cast::<OwnBatch>()).completion = Some(completion) };
    }
}

/// A view of a batch that a component has, for another thread. Drop it before
/// [`Handling::finish`]: it holds the batch.
#[derive(Debug)]
pub struct Watch(*mut BatchHeader);

// SAFETY: it holds the batch, so the memory stays. It reads only slots that the component's thread
// has written before, and published by the cursor or a status.
unsafe impl Send for Watch {}

impl Watch {
    /// Abandons the call: the component gets no further message of the batch, except one that it
    /// receives at this moment. Returns copies of the reported messages, by place, without their
    /// deliveries; `None` for a message that the component has and has not reported. The messages
    /// after these were not begun.
    pub fn give_up(&self) -> Vec<Option<Message>> {
        // SAFETY: this hold keeps the batch alive. Only slots that the component's thread has
        // published are read: those before the cursor, and those whose status says that they are
        // reported.
        unsafe {
            let header = self.0;
            (*header).call.fetch_or(CallFlags::GIVEN_UP, Relaxed);
            let (mut cursor, len) = ((*header).cursor.load(Acquire), (*header).len);
            // The flags belong to the cursor, if that is still the same.
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
        // SAFETY: `watch` has added this hold, and it is given up once, here.
        unsafe { release_hold(self.0) }
    }
}

/// # Safety
/// `slot` is a slot of a batch that is alive, and was handed out or comes after the cursor.
unsafe fn copy_reported(slot: *mut Message) -> Option<Message> {
    // SAFETY: the batch is alive, and the slot was handed out or comes after the cursor
    // (`# Safety`). A slot whose status is neither VACANT nor LATE is reported, and not written any
    // more.
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
        // SAFETY: this is the host's hold, which the Batch before it had; it is given up once,
        // here.
        unsafe { release_hold(self.0) }
    }
}
