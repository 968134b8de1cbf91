//! One call of `handle`: a batch whose messages are handed out one by one, and taken back.
//!
//! A message is handed out by value, so a component may do what it likes with it: change it, drop
//! it, stash it away, panic. Its slot meanwhile keeps the bits of the message as received, and the
//! index of its delivery; a reference on the payload's owner and on the extra pins what these bits
//! lead to. Only the report Done puts the component's message into the slot; every other end leaves
//! the one received, for the retry or the dead letters. So nothing that a component does, or fails
//! to do, loses a message.
use std::{
    cell::Cell,
    ptr, slice,
    sync::atomic::Ordering::{Relaxed, Release},
};

use crate::raw::{
    BatchHeader, CallFlags, Ending, Extra, HandleFlags, HandledCallback, Identities, Message,
    PayloadOwner, Report,
    author::{
        frame::{Frame, settle_slot},
        scope::log_panic_here,
    },
    batch::run::{delivery_of, end_run, looks_like_run},
    delivery, fence,
    message::{owner, slot},
};

/// The text that a sink writes at once: see [`BatchCall::pieces`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The messages, by their places in [`BatchCall::messages`].
    pub messages: std::ops::Range<usize>,
    /// Their bytes, with the delimiters that lie between and after them.
    pub data: &'a [u8],
    /// Whether a delimiter is to be written before: the message before it had none.
    pub delimiter_before: bool,
    /// Whether a delimiter is to be written after it.
    pub add_delimiter: bool,
}

/// The batch of one call.
pub struct BatchCall<'b> {
    batch: *mut BatchHeader,
    /// The glue's own observations of the call. The component's return value is only a claim.
    said: &'b Cell<HandleFlags>,
}

impl<'b> BatchCall<'b> {
    /// # Safety
    /// `batch` is alive, holds messages from its cursor on, and nothing else uses it for the
    /// lifetime of the result, deferred messages aside.
    pub(in crate::raw) unsafe fn new(batch: *mut BatchHeader, said: &'b Cell<HandleFlags>) -> Self {
        BatchCall { batch, said }
    }

    fn range(&self) -> std::ops::Range<usize> {
        // SAFETY: the batch is alive for as long as the call (`new`); its cursor and length are
        // only read here.
        unsafe { (*self.batch).cursor.load(Relaxed) as usize..(*self.batch).len as usize }
    }

    /// The messages, to look at.
    pub fn messages(&self) -> &[Message] {
        let range = self.range();
        // SAFETY: the slots from the cursor on hold messages (`new`); they are handed out only by
        // the methods that consume the call. Those before it are not touched: a deferred message
        // may be written there.
        unsafe { slice::from_raw_parts((*self.batch).messages.add(range.start), range.len()) }
    }

    /// The messages as a sink that ends each with `delimiter` writes them: neighbours in memory,
    /// with that delimiter after each, are one piece. `ending` describes the end of the text
    /// before them and, after the last piece, the end of theirs.
    pub fn pieces<'a>(
        &'a self,
        delimiter: &'a [u8],
        ending: &'a mut Ending,
    ) -> impl Iterator<Item = Piece<'a>> {
        self.pieces_of(0..self.messages().len(), delimiter, ending)
    }

    /// The same of some messages, by their places in [`BatchCall::messages`]: for a sink that
    /// writes to several places.
    ///
    /// # Panics
    /// When there are fewer messages.
    pub fn pieces_of<'a>(
        &'a self,
        places: std::ops::Range<usize>,
        delimiter: &'a [u8],
        ending: &'a mut Ending,
    ) -> impl Iterator<Item = Piece<'a>> {
        let mut next = places.start;
        let is_run = self.is_run();
        let messages = &self.messages()[..places.end];
        std::iter::from_fn(move || {
            let first = messages.get(next)?;
            let start = next;
            let mut last = first;
            next += 1;
            if is_run && first.ends_with_own(delimiter) {
                next = messages.len();
                last = &messages[next - 1];
            }
            while last.ends_with_own(delimiter) {
                match messages.get(next).filter(|message| last.is_followed_by(message)) {
                    Some(message) => last = message,
                    None => break,
                }
                next += 1;
            }
            // SAFETY: the loop has seen that each message up to `last` is followed by the next
            // (`is_followed_by`), or it is so as they are of one run.
            let data = unsafe { first.span_to(last, last.ends_with_own(delimiter)) };
            let add_delimiter = !last.ends_with_own(delimiter) && !last.lacks_delimiter();
            let delimiter_before = ending.is_apart_from(first);
            *ending = Ending::of(last, delimiter);
            Some(Piece { messages: start..next, data, delimiter_before, add_delimiter })
        })
    }

    /// The identities of messages, by their places in [`BatchCall::messages`]: see
    /// [`HandledCallback::id`].
    ///
    /// # Panics
    /// When there are fewer messages.
    pub fn ids(&self, places: std::ops::Range<usize>) -> Identities {
        let range = self.range();
        assert!(places.end <= range.len(), "there are {} messages", range.len());
        let mut identities = Identities::default();
        let mut places = places.map(|place| (range.start + place) as u32);
        // SAFETY: the batch is alive for as long as the call (`new`), and the slots from the cursor
        // on hold messages that are not reported yet.
        let parts =
            std::iter::from_fn(|| places.next().map(|at| unsafe { delivery_of(self.batch, at) }));
        let mut parts = parts.peekable();
        while let Some((delivery, first)) = parts.next() {
            let mut count = 1;
            // Neighbours of one delivery are asked for at once.
            while parts.next_if_eq(&(delivery, first + count)).is_some() {
                count += 1;
            }
            // SAFETY: these slots hold messages that are not reported yet, so they hold the
            // indices.
            unsafe { delivery::identities(delivery, first, count, &mut identities) }
        }
        identities
    }

    /// How many bytes the messages have together.
    pub fn bytes(&self) -> usize {
        match self.messages() {
            messages @ [first, .., last] if self.is_run() => {
                // SAFETY: in a run, each message is followed by the next one (`is_followed_by`).
                let span = unsafe { first.span_to(last, true) };
                span.len() - messages.len() * usize::from(first.tail)
            }
            messages => messages.iter().map(|message| message.data().len()).sum(),
        }
    }

    /// Whether the messages are one run, and nothing has changed one of them.
    fn is_run(&self) -> bool {
        // SAFETY: the batch is alive for as long as the call (`new`).
        let is_run = unsafe { (*self.batch).is_run() };
        debug_assert!(!is_run || looks_like_run(self.messages()), "this is not a run");
        is_run
    }

    /// The head of the batch, for code that knows the raw interface (C, a foreign runtime): the
    /// slots from the cursor on hold messages. A slot may be changed only together with its status
    /// being set to 0; [`BatchCall::reported`] ends the call.
    pub fn header(&mut self) -> *mut BatchHeader {
        // SAFETY: the batch is alive for as long as the call, and the slots from the cursor on are
        // the call's; those before it are not in the hands of others, as long as it is a run.
        unsafe { end_run(self.batch) };
        self.batch
    }

    /// Ends a call in which the statuses of the slots were set through [`BatchCall::header`].
    pub fn reported(self) -> HandleFlags {
        let all_done = self.messages().iter().all(|message| message.status == 0);
        self.end(if all_done { HandleFlags::ALL_DONE } else { HandleFlags::NOT_ALL_DONE })
    }

    /// Reports the same of all messages, as received.
    pub fn report_all(self, report: Report) -> HandleFlags {
        if report.is_plain_done() && self.is_run() {
            // They have no reports on them.
            return self.end(HandleFlags::ALL_DONE);
        }
        self.report_each(|_, _| report.clone())
    }

    /// Reports of each message, as received: `report` gets its place in [`BatchCall::messages`].
    pub fn report_each(self, mut report: impl FnMut(usize, &Message) -> Report) -> HandleFlags {
        let mut flags = HandleFlags::ALL_DONE;
        let range = self.range();
        for i in range.clone() {
            // SAFETY: `new` says that slot `i`, which lies from the cursor on, holds a message that
            // nothing else refers to.
            let slot = unsafe { (*self.batch).messages.add(i) };
            // SAFETY: slot `i` holds a message that is the call's alone (`new`), and nothing
            // changes it before the reference ends.
            let report = report(i - range.start, unsafe { &*slot });
            if !report.is_done() {
                flags = HandleFlags::NOT_ALL_DONE;
            }
            // SAFETY: slot `i` holds a message that is the call's alone (`new`). While the batch is
            // a run, none of its slots is in the hands of others, so it can be ended.
            unsafe {
                if report.description.is_some() {
                    end_run(self.batch);
                    (*slot).set_report(report);
                } else if report.settled_status() != (*slot).status {
                    end_run(self.batch);
                    (*slot).status = report.settled_status();
                }
            }
        }
        self.end(flags)
    }

    fn end(self, flags: HandleFlags) -> HandleFlags {
        // SAFETY: the batch is alive for as long as the call (`new`).
        unsafe { (*self.batch).cursor.store((*self.batch).len, Release) };
        self.said.set(self.said.get() | flags);
        flags
    }

    /// Hands the messages out, one after the other. A panic of `handle` ends the call early, with
    /// that one message failed and the cursor after it.
    #[inline]
    pub fn each(self, mut handle: impl FnMut(Message, HandledCallback<'_>)) -> HandleFlags {
        let mut range = self.range();
        let batch = self.batch;
        let frame = Frame::new(batch);
        let mut pin = Pin(ptr::null());
        let mut flags = HandleFlags::ALL_DONE;
        let mut handed_out: Option<(*mut Message, *mut Extra)> = None;
        // SAFETY: the batch is alive for as long as the call (`new`), and `call` is atomic.
        let call = unsafe { &(*batch).call };
        let mut is_first = true;
        let result = fence(|| {
            for i in range.by_ref() {
                // SAFETY: slot `i` holds a message that nothing else refers to, and which holds
                // references on its owner and its extra. The message is read out without its
                // delivery, which the slot keeps; `settle_slot` makes the slot whole again,
                // whatever `handle` did.
                unsafe {
                    let slot = (*batch).messages.add(i);
                    let extra = (*slot).extra;
                    pin.on((*slot).payload.owner);
                    if !extra.is_null() {
                        Extra::retain(extra);
                    }
                    let status = Message::atomic_status(slot).load(Relaxed);
                    if !frame.is_run() {
                        Message::atomic_status(slot).store(slot::VACANT, Relaxed);
                    }
                    handed_out = Some((slot, extra));
                    // Release: a thread that sees it sees that this one is out, and may read the
                    // slots before it (`Watch`).
                    (*batch).cursor.store(i as u32, Release);
                    if is_first {
                        // Not before: the slot at the cursor must be out by then.
                        call.fetch_or(CallFlags::SINGLY, Release);
                        is_first = false;
                    }
                    // Last: where `handle` returns the message as it is, the compiler sees that it
                    // still equals its slot, and compares nothing. A store between the two could
                    // have changed the slot, as far as it knows.
                    let mut message = ptr::read(slot);
                    message.status = status;
                    message.delivery = ptr::null();
                    message.index = 0;
                    handle(message, HandledCallback::new(slot, &frame));
                    if !frame.take_done() {
                        flags |= settle_slot(slot, extra, &frame, "no report");
                    }
                }
                if call.load(Relaxed) & CallFlags::GIVEN_UP != 0 {
                    // Another worker continues with copies of the rest.
                    return;
                }
            }
        });
        if let (Err(panicked), Some((slot, extra))) = (result, handed_out) {
            // SAFETY: the slot is the one that was handed out last, its owner and extra are still
            // pinned, and the panic left the loop before `settle_slot`.
            flags |= unsafe {
                if frame.is_reported(slot) {
                    log_panic_here(
                        "after it had reported, kept or deferred its message",
                        &panicked,
                    );
                }
                settle_slot(slot, extra, &frame, &panicked.to_string())
            };
            flags |= HandleFlags::PANICKED;
        }
        call.fetch_or(CallFlags::SETTLED, Relaxed);
        // SAFETY: the batch is alive for as long as the call (`new`).
        unsafe { (*batch).cursor.store(range.start as u32, Release) };
        self.said.set(self.said.get() | flags);
        flags
    }
}

/// A reference on the owner of the payloads that are being handed out: one for a whole run.
struct Pin(*const PayloadOwner);

impl Pin {
    /// # Safety
    /// `owner` is null, or a reference on it is held for as long as this runs.
    #[inline]
    unsafe fn on(&mut self, owner: *const PayloadOwner) {
        if self.0 != owner {
            // SAFETY: a reference on the new owner is held (`# Safety`), and the pin itself holds
            // the one on the old owner, which it does not use again.
            unsafe {
                owner::retain(owner, 1);
                owner::release(self.0, 1);
            }
            self.0 = owner;
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // SAFETY: the pin holds one reference on its owner (null: none), and is not used again.
        unsafe { owner::release(self.0, 1) };
    }
}
