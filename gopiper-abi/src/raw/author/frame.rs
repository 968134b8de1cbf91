//! A slot whose message a component has, and how it becomes whole again.
use std::{
    cell::Cell,
    sync::atomic::Ordering::{Relaxed, Release},
};

use crate::raw::{
    BatchHeader, Extra, HandleFlags, Message, Report,
    batch::run::end_run,
    message::{owner, slot},
};

/// The data shared by the messages that are handed out in one call.
pub(in crate::raw) struct Frame {
    pub(in crate::raw) batch: *mut BatchHeader,
    /// Whether the message that is out was deferred. Its slot then belongs to the `Deferred`, on
    /// whatever thread, and may have been reported already: only this says so, not its status.
    pub(in crate::raw) deferred: Cell<bool>,
    /// Whether the message that is out was reported as done, unchanged: of a run only this says so.
    /// The slots of a run are not written to, so that their memory need not move between
    /// processors.
    pub(in crate::raw) is_done: Cell<bool>,
}

impl Frame {
    pub(in crate::raw) fn new(batch: *mut BatchHeader) -> Self {
        Frame { batch, deferred: Cell::new(false), is_done: Cell::new(false) }
    }

    /// Whether the batch is a run still.
    ///
    /// # Safety
    /// The batch is alive.
    #[inline]
    pub(in crate::raw) unsafe fn is_run(&self) -> bool {
        // SAFETY: the batch is alive (`# Safety`).
        unsafe { (*self.batch).is_run() }
    }

    /// Whether the message that is out was reported as done, and its slot, of a run, is whole as it
    /// is: the slots of a run have no extra.
    #[inline]
    pub(in crate::raw) fn take_done(&self) -> bool {
        self.is_done.replace(false)
    }

    /// Whether the outcome of the message that is out is decided, or is to be by a `Deferred`.
    ///
    /// # Safety
    /// The batch is alive, `slot` was handed out and is the caller's, unless it was deferred.
    pub(in crate::raw) unsafe fn is_reported(&self, slot: *mut Message) -> bool {
        // SAFETY: the batch is alive, and the status of a slot that was not deferred is the
        // caller's (`# Safety`). The slots of a run have a status only once it has ended.
        self.deferred.get()
            || self.is_done.get()
            || unsafe { !self.is_run() && (*slot).status != slot::VACANT }
    }

    /// Ends the run, before the slot that is out is written to.
    ///
    /// # Safety
    /// The batch is alive, `slot` was handed out and is the caller's.
    #[inline]
    pub(in crate::raw) unsafe fn end_run(&self, slot: *mut Message) {
        // SAFETY: the batch is alive, and the slot is the caller's (`# Safety`). No slot of a run
        // is in the hands of others.
        unsafe {
            if self.is_run() {
                end_run(self.batch);
                Message::atomic_status(slot).store(slot::VACANT, Relaxed);
            }
        }
    }
}

/// Makes a slot whole after its message was handed out, and records the outcome of the message.
/// `extra` is the slot's previous pointer, with the reference that pinned it.
///
/// # Safety
/// The slot was handed out, its payload's owner is pinned, and `extra` is null or pinned.
#[inline]
pub(in crate::raw) unsafe fn settle_slot(
    slot: *mut Message,
    extra: *mut Extra,
    frame: &Frame,
    otherwise: &str,
) -> HandleFlags {
    if frame.deferred.get() {
        // The slot is the Deferred's from here on, the pin of the extra included.
        frame.deferred.set(false);
        return HandleFlags::DEFERRED;
    }
    // SAFETY: the slot was handed out and its payload and extra are pinned (`# Safety`). It was not
    // deferred, so nothing else refers to it.
    unsafe {
        if frame.take_done() {
            return HandleFlags::ALL_DONE;
        }
        frame.end_run(slot);
        match (*slot).status {
            0 => {
                release_pin(extra);
                HandleFlags::ALL_DONE
            }
            Report::CONTINUE => {
                release_pin(extra);
                HandleFlags::NOT_ALL_DONE
            }
            slot::VACANT => {
                fail_vacant(slot, otherwise);
                HandleFlags::NOT_ALL_DONE
            }
            // Reported by `HandledCallback::report`: the slot owns what came, the pin included.
            _ => HandleFlags::NOT_ALL_DONE,
        }
    }
}

/// # Safety
/// `extra` is null, or the caller gives up a reference on it.
#[inline]
pub(in crate::raw) unsafe fn release_pin(extra: *mut Extra) {
    if !extra.is_null() {
        // SAFETY: the caller gives up a reference on `extra` (`# Safety`), which is therefore
        // alive.
        unsafe { Extra::release(extra) }
    }
}

#[cold]
#[inline(never)]
unsafe fn fail_vacant(slot: *mut Message, description: &str) {
    // SAFETY: the caller's slot was handed out and is vacant, so its bits are the message as
    // received. The pin keeps the payload's owner alive until `retain` makes the slot own it; the
    // pin of the extra becomes the slot's reference.
    unsafe {
        owner::retain((*slot).payload.owner, 1);
        Message::describe_slot(slot, description);
        let status = Report::fail(0, "").settled_status();
        Message::atomic_status(slot).store(status, Release);
    }
}
