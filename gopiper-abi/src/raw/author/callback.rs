//! The callbacks by which a component reports the outcome of a message: at once, or later from any
//! thread.
use std::{
    borrow::Cow,
    mem::{self, ManuallyDrop, offset_of},
    ptr,
    sync::atomic::Ordering::{Relaxed, Release},
};

use crate::raw::{
    BatchHeader, Identity, Kept, Message, Report,
    author::frame::{Frame, release_pin},
    batch::{release_hold, run::identity_of},
    message::{owner, slot},
};

/// The value through which a component reports the outcome of one message, exactly once. If it is
/// dropped without a report, the message has failed ('no report').
///
/// It cannot leave the call of `handle`, so the compiler refuses to send it to another thread or to
/// put it away: [`HandledCallback::defer`] makes a [`Deferred`] of it, which can.
#[must_use = "a callback that is dropped without a report fails its message"]
pub struct HandledCallback<'b> {
    slot: *mut Message,
    frame: &'b Frame,
}

impl<'b> HandledCallback<'b> {
    /// # Safety
    /// `slot` was handed out in the call of `frame`, to this callback alone.
    pub(in crate::raw) unsafe fn new(slot: *mut Message, frame: &'b Frame) -> Self {
        HandledCallback { slot, frame }
    }

    /// The identity of the message: the same in each attempt, and after each restart, as long as
    /// its source gives one. A message made from several others has none.
    ///
    /// A component that writes to a place of its own uses it to write each message once.
    ///
    /// ```
    /// use gopiper_abi::{Component, HandledCallback, Message};
    /// use std::collections::HashSet;
    ///
    /// struct Once(HashSet<String>);
    ///
    /// impl Component for Once {
    ///     fn handle(&mut self, message: Message, handled: HandledCallback) {
    ///         match handled.id() {
    ///             Some(id) if !self.0.insert(id.to_string()) => handled.discard(message),
    ///             _ => handled.done(message),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn id(&self) -> Option<Identity> {
        // SAFETY: the slot is one of this batch's and was handed out to this callback alone. It
        // keeps the message's index until the report, which consumes the callback.
        unsafe {
            let at = self.slot.offset_from((*self.frame.batch).messages) as u32;
            identity_of(self.frame.batch, at)
        }
    }

    /// The next component gets this message.
    #[inline]
    pub fn done(self, message: Message) {
        // SAFETY: the slot was handed out to this callback alone, and its bits have no owner, so
        // `write_back` may overwrite them. If they are the message still, they only get their owner
        // back.
        unsafe {
            if is_as_received(self.slot, &message) {
                mem::forget(message);
                if self.frame.is_run() {
                    return self.frame.is_done.set(true);
                }
            } else {
                self.frame.end_run(self.slot);
                write_back(self.slot, message);
            }
            Message::atomic_status(self.slot).store(0, Release);
        }
    }

    /// Drops the message, on purpose and in silence: shorthand for `report(message, Report::DROP)`.
    #[inline]
    pub fn discard(self, message: Message) {
        self.report(message, Report::DROP);
    }

    /// The message has failed: shorthand for `report(message, Report::fail(0, description))`.
    #[inline]
    pub fn fail(self, message: Message, description: impl Into<Cow<'static, str>>) {
        self.report(message, Report::fail(0, description));
    }

    /// Reports any status. Unless it is Done, a retry or the dead letters get the message as
    /// received, whatever was done to `message`.
    #[inline]
    pub fn report(self, message: Message, report: Report) {
        if report.is_done() && report.description.is_none() {
            return self.done(message);
        }
        // SAFETY: the slot was handed out to this callback alone. Its bits become owned: by the
        // message's own reference if it still has that payload, else by another one, while the
        // loop's pin keeps the owner alive.
        unsafe {
            let slot = self.slot;
            self.frame.end_run(slot);
            if report.is_done() {
                let mut message = message;
                message.set_report(report);
                write_back(slot, message);
                return Message::atomic_status(slot).store(0, Release);
            }
            if message.payload.owner == (*slot).payload.owner {
                release_pin(ManuallyDrop::new(message).extra);
            } else {
                owner::retain((*slot).payload.owner, 1);
                drop(message);
            }
            if let Some(description) = &report.description {
                Message::describe_slot(slot, description);
            }
            Message::atomic_status(slot).store(report.settled_status(), Release);
        }
    }

    /// Keeps the message: the component will send something made from it, which settles it.
    pub fn keep(self, message: Message) -> Kept {
        let mut message = message;
        // SAFETY: the slot was handed out to this callback alone. It gives its delivery to the
        // message, and is left with an empty message.
        unsafe {
            self.frame.end_run(self.slot);
            // The last report was of this message, not of what will be sent in its place.
            message.status = 0;
            message.attempts = 0;
            message.delivery = (*self.slot).delivery;
            message.index = (*self.slot).index;
            (*self.slot).delivery = ptr::null();
            (*self.slot).index = 0;
            write_back(self.slot, Message::vacated());
            Message::atomic_status(self.slot).store(Report::CONTINUE, Release);
        }
        Kept::new(message)
    }

    /// Takes the duty to report out of the call, to any thread. The batch waits for it, so a
    /// component that defers has a bound in time. Its `end` has to wait for the threads that have
    /// deferred messages: a pipeline does not end before they are reported or their `timeout` is
    /// over, unless it is stopped and its time limit for that is over. What the component itself
    /// still holds has failed ('no report'), as it is dropped after `end`.
    pub fn defer(self) -> Deferred {
        // SAFETY: the slot was handed out to this callback alone. It becomes the owner of the
        // message as received (the extra's pin is its reference), and the hold keeps the batch
        // until the report.
        unsafe {
            self.frame.end_run(self.slot);
            owner::retain((*self.slot).payload.owner, 1);
            (*self.frame.batch).holds.fetch_add(1, Relaxed);
            Message::atomic_status(self.slot).store(slot::LATE, Relaxed);
        }
        self.frame.deferred.set(true);
        Deferred { slot: self.slot, batch: self.frame.batch }
    }
}

/// Whether the bits of a slot that was handed out are those of this message.
///
/// # Safety
/// The slot is the caller's.
#[inline]
unsafe fn is_as_received(slot: *mut Message, message: &Message) -> bool {
    // The five fields after `time` are read as two numbers: comparing each costs as much as the
    // rest of the call. As one number it would cost more: `message` has just been copied in two
    // parts, and a load that spans both waits until they are in the cache.
    const _: () = assert!(offset_of!(Message, attempts) == 56 && size_of::<Message>() == 64);
    // SAFETY: the slot is the caller's (`# Safety`); a reference to all of it would overlap the
    // status, which another thread may read. From `attempts` on, both have 8 bytes of plain
    // numbers, and are aligned for that.
    unsafe {
        let message = ptr::from_ref(message);
        let differs = ((*slot).payload.data.addr() ^ (*message).payload.data.addr())
            | ((*slot).payload.len ^ (*message).payload.len)
            | ((*slot).payload.owner.addr() ^ (*message).payload.owner.addr())
            | ((*slot).extra.addr() ^ (*message).extra.addr());
        let (ours, theirs) = (
            (&raw const (*slot).attempts).cast::<u32>(),
            (&raw const (*message).attempts).cast::<u32>(),
        );
        let last = (ours.read() ^ theirs.read()) | (ours.add(1).read() ^ theirs.add(1).read());
        differs == 0 && (*slot).time == (*message).time && last == 0
    }
}

/// Puts a message into a slot whose bits have no owner; the slot's delivery stays, and so does its
/// status.
///
/// # Safety
/// The slot is the caller's.
#[inline]
unsafe fn write_back(slot: *mut Message, message: Message) {
    let message = ManuallyDrop::new(message);
    // SAFETY: the slot is the caller's (`# Safety`) and its bits have no owner; `message` is
    // forgotten, so the slot is its only owner now.
    unsafe {
        ptr::copy_nonoverlapping(&raw const message.payload, &raw mut (*slot).payload, 1);
        (*slot).extra = message.extra;
        (*slot).time = message.time;
        (*slot).attempts = message.attempts;
        (*slot).tail = message.tail;
        (*slot).flags = message.flags;
        (*slot).branch = message.branch;
        (*slot).piece = message.piece;
    }
}

/// A report that comes later, from any thread. If it is dropped without a report, the message has
/// failed. If it is never dropped (a thread that is stuck, a static), its pipeline cannot drain,
/// unless the component has a `timeout`.
#[must_use = "a deferred report that is dropped without a report fails its message"]
pub struct Deferred {
    slot: *mut Message,
    batch: *mut BatchHeader,
}

// SAFETY: the slot is this value's alone, and the hold keeps the batch alive; the thread that gets
// the batch afterwards synchronises with the release of the hold.
unsafe impl Send for Deferred {}

impl Deferred {
    /// The identity of the message, as [`HandledCallback::id`] has it.
    pub fn id(&self) -> Option<Identity> {
        // SAFETY: the slot is one of this batch's, which the hold keeps alive, and belongs to this
        // value alone. It keeps the message's index until the report.
        unsafe {
            let at = self.slot.offset_from((*self.batch).messages) as u32;
            identity_of(self.batch, at)
        }
    }

    /// The next component gets this message.
    pub fn done(self, message: Message) {
        self.report(message, Report::DONE);
    }

    /// Drops the message, as [`HandledCallback::discard`] does.
    pub fn discard(self, message: Message) {
        self.report(message, Report::DROP);
    }

    /// The message has failed: as [`HandledCallback::fail`].
    pub fn fail(self, message: Message, description: impl Into<Cow<'static, str>>) {
        self.report(message, Report::fail(0, description));
    }

    /// Reports any status, as [`HandledCallback::report`] does. Never blocks.
    pub fn report(self, message: Message, report: Report) {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is never used or dropped again (`ManuallyDrop`).
        unsafe { this.conclude(Some(message), report) }
    }

    /// # Safety
    /// `self` is not used again.
    unsafe fn conclude(&self, message: Option<Message>, mut report: Report) {
        // SAFETY: the caller does not use `self` again (`# Safety`). The slot owns the message as
        // received and is this value's alone until the status is stored; only then is the hold
        // given up.
        unsafe {
            let slot = self.slot;
            let status = report.settled_status();
            match message {
                Some(mut message) if report.is_done() => {
                    message.set_report(report);
                    ptr::drop_in_place(&raw mut (*slot).payload);
                    release_pin((*slot).extra);
                    write_back(slot, message);
                }
                other => {
                    drop(other);
                    if let Some(description) = report.description.take() {
                        Message::describe_slot(slot, &description);
                    }
                }
            }
            Message::atomic_status(slot).store(status, Release);
            release_hold(self.batch);
        }
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        // SAFETY: a value that is being dropped is not used again; `report` would have kept this
        // from running.
        unsafe { self.conclude(None, Report::fail(0, "no report")) }
    }
}
