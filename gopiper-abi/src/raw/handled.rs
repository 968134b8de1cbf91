//! One call of `handle`: a batch whose messages are handed out one by one, and taken back.
//!
//! A message is handed out by value, so a component may do what it likes with it: change it, drop
//! it, stash it away, panic. Its slot meanwhile keeps the bits of the message as it came, and the
//! index of its delivery; a reference on the payload's owner and on the extra pins what these bits
//! lead to. Only the report Done puts the component's message into the slot; every other end leaves
//! the one that came, for the retry or the dead letters. So nothing that a component does, or fails
//! to do, loses a message.
use std::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr,
    sync::atomic::Ordering::{Relaxed, Release},
};

use super::{
    BatchHeader, Extra, HandleFlags, Kept, Message, PayloadOwner, Report, batch, fence,
    message::slot, payload,
};

/// What a sink writes at once: see [`BatchCall::pieces`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The messages, by their places in [`BatchCall::messages`].
    pub messages: std::ops::Range<usize>,
    /// Their bytes, with the delimiters that lie between and behind them.
    pub data: &'a [u8],
    /// Whether a delimiter is to be written behind.
    pub add_delimiter: bool,
}

/// The batch of one call.
pub struct BatchCall<'b> {
    batch: *mut BatchHeader,
    _call: PhantomData<&'b mut BatchHeader>,
}

impl BatchCall<'_> {
    /// # Safety
    /// `batch` is alive, holds messages from its cursor on, and nobody else uses it for the lifetime
    /// of the result, deferred messages aside.
    pub(super) unsafe fn new(batch: *mut BatchHeader) -> Self {
        BatchCall { batch, _call: PhantomData }
    }

    fn range(&self) -> std::ops::Range<usize> {
        // SAFETY: alive for as long as the call (`new`).
        unsafe { (*self.batch).cursor.load(Relaxed) as usize..(*self.batch).len as usize }
    }

    /// The messages, to look at.
    pub fn messages(&self) -> &[Message] {
        // SAFETY: the slots from the cursor on hold messages (`new`); they are handed out only by
        // the methods that consume the call.
        unsafe { std::slice::from_raw_parts((*self.batch).messages, self.range().end) }
            .split_at(self.range().start)
            .1
    }

    /// The messages as a sink that ends each with `delimiter` writes them: neighbours in memory, with
    /// that delimiter behind each, are one piece.
    pub fn pieces<'a>(&'a self, delimiter: &'a [u8]) -> impl Iterator<Item = Piece<'a>> {
        let messages = self.messages();
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = messages.get(next)?;
            let start = next;
            let mut last = first;
            next += 1;
            while last.ends_with_own(delimiter) {
                match messages.get(next).filter(|message| last.is_followed_by(message)) {
                    Some(message) => last = message,
                    None => break,
                }
                next += 1;
            }
            // SAFETY: each message up to `last` was seen to be followed by the next.
            let data = unsafe { first.span_to(last, last.ends_with_own(delimiter)) };
            let add_delimiter = !last.ends_with_own(delimiter) && !last.lacks_delimiter();
            Some(Piece { messages: start..next, data, add_delimiter })
        })
    }

    /// The head of the batch, for code that knows the raw interface (C, a foreign runtime): the
    /// slots from the cursor on hold messages. A slot may be changed only together with its status
    /// being set to 0; [`BatchCall::reported`] ends the call.
    pub fn header(&mut self) -> *mut BatchHeader {
        self.batch
    }

    /// Ends a call in which the statuses of the slots were set through [`BatchCall::header`].
    pub fn reported(self) -> HandleFlags {
        let all_done = self.messages().iter().all(|message| message.status == 0);
        self.end(if all_done { HandleFlags::ALL_DONE } else { HandleFlags::NOT_ALL_DONE })
    }

    /// Reports the same of all messages, as they came.
    pub fn report_all(self, report: Report) -> HandleFlags {
        self.report_each(|_, _| report.clone())
    }

    /// Reports of each message, as it came: `report` gets its place in [`BatchCall::messages`].
    pub fn report_each(self, mut report: impl FnMut(usize, &Message) -> Report) -> HandleFlags {
        let mut flags = HandleFlags::ALL_DONE;
        let range = self.range();
        for i in range.clone() {
            // SAFETY: the slot holds a message that nobody else refers to.
            let message = unsafe { &mut *(*self.batch).messages.add(i) };
            let report = report(i - range.start, message);
            if !report.is_done() {
                flags = HandleFlags::NOT_ALL_DONE;
            }
            message.set_report(report);
        }
        self.end(flags)
    }

    fn end(self, flags: HandleFlags) -> HandleFlags {
        // SAFETY: alive for as long as the call (`new`).
        unsafe { (*self.batch).cursor.store((*self.batch).len, Relaxed) };
        flags
    }

    /// Hands the messages out, one after the other. A panic of `handle` ends the call early, with
    /// that one message failed and the cursor behind it.
    #[inline]
    pub fn each(self, mut handle: impl FnMut(Message, HandledCallback<'_>)) -> HandleFlags {
        let mut range = self.range();
        let batch = self.batch;
        let mut pin = Pin(ptr::null());
        let mut flags = HandleFlags::ALL_DONE;
        let mut handed_out: Option<(*mut Message, *mut Extra)> = None;
        let result = fence(|| {
            for i in range.by_ref() {
                // SAFETY: slot `i` holds a message that nobody else refers to. It is read out by
                // parts, so that the slot keeps its delivery; `settle_slot` makes the slot whole
                // again, whatever `handle` did.
                unsafe {
                    (*batch).cursor.store(i as u32, Relaxed);
                    let slot = (*batch).messages.add(i);
                    let extra = (*slot).extra;
                    pin.on((*slot).payload.owner);
                    if !extra.is_null() {
                        Extra::retain(extra);
                    }
                    let mut message = ptr::read(slot);
                    message.delivery = ptr::null();
                    message.index = 0;
                    Message::atomic_status(slot).store(slot::VACANT, Relaxed);
                    handed_out = Some((slot, extra));
                    handle(message, HandledCallback { slot, batch, _call: PhantomData });
                    flags |= settle_slot(slot, extra, "no report");
                }
            }
        });
        if let (Err(panicked), Some((slot, extra))) = (result, handed_out) {
            // SAFETY: as above; the panic left the loop before `settle_slot`.
            flags |= unsafe { settle_slot(slot, extra, &panicked.to_string()) };
            flags |= HandleFlags::PANICKED;
        }
        // SAFETY: alive for as long as the call (`new`).
        unsafe { (*batch).cursor.store(range.start as u32, Relaxed) };
        flags
    }
}

/// Makes a slot whole after its message was handed out, and says what has become of it. `extra` is
/// what the slot led to before, with the reference that pinned it.
///
/// # Safety
/// The slot was handed out, its payload's owner is pinned, and `extra` is null or pinned.
#[inline]
unsafe fn settle_slot(slot: *mut Message, extra: *mut Extra, otherwise: &str) -> HandleFlags {
    // SAFETY: by the caller. The status is read atomically: a Deferred on another thread may be
    // writing it.
    unsafe {
        match Message::atomic_status(slot).load(Relaxed) {
            0 => {
                release_pin(extra);
                HandleFlags::ALL_DONE
            }
            Report::CONTINUE => {
                release_pin(extra);
                HandleFlags::NOT_ALL_DONE
            }
            slot::LATE => HandleFlags::DEFERRED,
            slot::VACANT => {
                fail_vacant(slot, otherwise);
                HandleFlags::NOT_ALL_DONE
            }
            // Reported by `HandledCallback::report`: the slot owns what came, the pin included.
            _ => HandleFlags::NOT_ALL_DONE,
        }
    }
}

#[inline]
unsafe fn release_pin(extra: *mut Extra) {
    if !extra.is_null() {
        // SAFETY: the pin is a reference, given up here.
        unsafe { Extra::release(extra) }
    }
}

#[cold]
#[inline(never)]
unsafe fn fail_vacant(slot: *mut Message, description: &str) {
    // SAFETY: the slot's bits are the message as it came; the pin keeps its payload's owner alive
    // until this reference makes the slot own it. The extra's pin becomes the slot's reference.
    unsafe {
        payload::retain((*slot).payload.owner, 1);
        (*slot).set_report(Report::fail(0, description.to_owned()));
    }
}

/// A reference on the owner of the payloads that are being handed out: one for a whole run.
struct Pin(*const PayloadOwner);

impl Pin {
    #[inline]
    fn on(&mut self, owner: *const PayloadOwner) {
        if self.0 != owner {
            payload::retain(owner, 1);
            payload::release(self.0, 1);
            self.0 = owner;
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        payload::release(self.0, 1);
    }
}

/// Through which a component says what it did with one message, exactly once. Let go without a
/// word, the message has failed ('no report').
///
/// It can't leave the call of `handle`; [`HandledCallback::defer`] makes something that can.
#[must_use = "a callback that is let go without a word fails its message"]
pub struct HandledCallback<'b> {
    slot: *mut Message,
    batch: *mut BatchHeader,
    _call: PhantomData<&'b mut Message>,
}

impl HandledCallback<'_> {
    /// The next component gets this message.
    #[inline]
    pub fn done(self, message: Message) {
        // SAFETY: the slot was handed out to this callback alone; its bits are owned by nobody.
        unsafe {
            write_back(self.slot, message);
            Message::atomic_status(self.slot).store(0, Relaxed);
        }
    }

    /// Drops the message, on purpose and in silence: shorthand for `report(message, Report::DROP)`.
    #[inline]
    pub fn drop(self, message: Message) {
        self.report(message, Report::DROP);
    }

    /// Reports any status. Unless it is Done, what goes to a retry or to the dead letters is the
    /// message as it came, whatever was done to `message`.
    #[inline]
    pub fn report(self, message: Message, report: Report) {
        if report.is_done() && report.description.is_none() {
            return self.done(message);
        }
        // SAFETY: as for `done`. The slot's bits become owned: by the message's own reference if it
        // still has that payload, else by another one, while the loop's pin keeps the owner alive.
        unsafe {
            let slot = self.slot;
            if report.is_done() {
                let mut message = message;
                message.set_report(report);
                write_back(slot, message);
                return Message::atomic_status(slot).store(0, Relaxed);
            }
            if message.payload.owner == (*slot).payload.owner {
                let mut message = ManuallyDrop::new(message);
                release_pin(message.extra);
                message.extra = ptr::null_mut();
            } else {
                payload::retain((*slot).payload.owner, 1);
                drop(message);
            }
            let status = match report.status {
                // Reserved by the contract, and Continue without keeping: a fault of the component.
                ..=Report::CONTINUE => 2,
                status => status,
            };
            (*slot).set_report(Report { status, ..report });
        }
    }

    /// Keeps the message: the component will send something made from it, which settles it.
    pub fn keep(self, message: Message) -> Kept {
        let mut message = message;
        // SAFETY: as for `done`: the slot gives its delivery to the message, and is left with an
        // empty one.
        unsafe {
            message.delivery = (*self.slot).delivery;
            message.index = (*self.slot).index;
            let mut vacated = Message::new(super::Payload::empty());
            vacated.status = Report::CONTINUE;
            self.slot.write(vacated);
        }
        Kept::new(message)
    }

    /// Takes the duty to report out of the call, to any thread. The batch waits for it, so a
    /// component that defers has a bound in time.
    pub fn defer(self) -> Deferred {
        // SAFETY: the slot becomes the owner of the message as it came (the extra's pin is its
        // reference); the hold keeps the batch until the report.
        unsafe {
            payload::retain((*self.slot).payload.owner, 1);
            (*self.batch).holds.fetch_add(1, Relaxed);
            Message::atomic_status(self.slot).store(slot::LATE, Relaxed);
        }
        Deferred { slot: self.slot, batch: self.batch }
    }
}

/// Puts a message into a slot whose bits are owned by nobody; the slot's delivery stays, and so does
/// its status.
#[inline]
unsafe fn write_back(slot: *mut Message, message: Message) {
    let message = ManuallyDrop::new(message);
    // SAFETY: by the callers the slot is theirs; `message` is forgotten, the slot owns it now.
    unsafe {
        ptr::copy_nonoverlapping(&raw const message.payload, &raw mut (*slot).payload, 1);
        (*slot).extra = message.extra;
        (*slot).time = message.time;
        (*slot).attempts = message.attempts;
        (*slot).tail = message.tail;
        (*slot).flags = message.flags;
        (*slot).reserved = message.reserved;
    }
}

/// A report that comes later, from any thread. Let go without a word, the message has failed.
#[must_use = "a deferred report that is let go without a word fails its message"]
pub struct Deferred {
    slot: *mut Message,
    batch: *mut BatchHeader,
}

// SAFETY: the slot is this value's alone, and the hold keeps the batch alive; whoever gets the batch
// afterwards synchronises with the release of the hold.
unsafe impl Send for Deferred {}

impl Deferred {
    /// The next component gets this message.
    pub fn done(self, message: Message) {
        self.report(message, Report::DONE);
    }

    /// Reports any status, as [`HandledCallback::report`] does. Never blocks.
    pub fn report(self, message: Message, report: Report) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the slot owns the message as it came and is this value's alone; the status is
        // stored last, then the hold is given up.
        unsafe { this.conclude(Some(message), report) }
    }

    unsafe fn conclude(&self, message: Option<Message>, mut report: Report) {
        // SAFETY: by the callers, who do not use `self` again.
        unsafe {
            let slot = self.slot;
            let mut status = report.status;
            match message {
                Some(mut message) if report.is_done() => {
                    message.set_report(report);
                    ptr::drop_in_place(&raw mut (*slot).payload);
                    release_pin((*slot).extra);
                    write_back(slot, message);
                }
                other => {
                    if status <= Report::CONTINUE {
                        status = 2;
                    }
                    drop(other);
                    if let Some(description) = report.description.take() {
                        (*slot).describe(&description);
                    }
                }
            }
            Message::atomic_status(slot).store(status, Release);
            batch::release_hold(self.batch);
        }
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        // SAFETY: as for `report`.
        unsafe { self.conclude(None, Report::fail(0, "no report")) }
    }
}
