//! One unit of data with its attributes: 64 bytes, the same on both sides. A message refers to its
//! delivery, but does not know the batch that it is in.
pub(in crate::raw) mod arena;
pub(in crate::raw) mod attributes;
pub(in crate::raw) mod change;
pub(in crate::raw) mod ending;
pub(in crate::raw) mod extra;
pub(in crate::raw) mod map;
pub(in crate::raw) mod object;
pub(in crate::raw) mod owner;
pub(in crate::raw) mod payload;
pub(in crate::raw) mod report;
pub(in crate::raw) mod slot;
pub(in crate::raw) mod value;

use std::{fmt, ptr};

use abi_stable::StableAbi;

use crate::raw::{
    AttributeValue, Attributes, Delivery, Extra, Identity, Payload, Report, Trace, Value, delivery,
};

/// Set in `flags`: the payload was the end of its input, without a delimiter after it.
const NO_DELIMITER: u8 = 1;
/// Set in `flags`: the rest of the line follows in the next message of its input.
const CONTINUES: u8 = 2;

/// One unit of data with its attributes.
///
/// ```
/// use gopiper_abi::Message;
/// let mut message = Message::new("GET /index.html 404");
/// message.set_attribute("kind", "missing");
/// assert_eq!(message.data(), b"GET /index.html 404");
/// assert_eq!(message.attribute("kind").and_then(|v| v.as_str()), Some("missing"));
/// ```
#[repr(C)]
#[derive(StableAbi)]
pub struct Message {
    pub(super) payload: Payload,
    /// Null for none. Owned: one reference.
    pub(super) extra: *mut Extra,
    /// Null in an author's hands: the slot or a `Kept` holds the index meanwhile.
    pub(super) delivery: *const Delivery,
    pub(super) index: u32,
    pub(super) status: i32,
    pub(super) time: i64,
    pub(super) attempts: u16,
    pub(super) tail: u8,
    pub(super) flags: u8,
    pub(super) branch: u16,
    /// Which piece of a long line it is; 0 for a whole line.
    pub(super) piece: u16,
}

const _: () = assert!(size_of::<Message>() == 64);

// SAFETY: a message owns what it refers to; its shared parts (payload, extra, delivery) count
// atomically and are not changed while shared.
unsafe impl Send for Message {}
// SAFETY: nothing changes through a shared message, and what it shares with others counts
// atomically.
unsafe impl Sync for Message {}

impl Message {
    /// A message of these bytes, without attributes.
    #[inline]
    pub fn new(payload: impl Into<Payload>) -> Self {
        Message {
            payload: payload.into(),
            extra: ptr::null_mut(),
            delivery: ptr::null(),
            index: 0,
            status: 0,
            time: 0,
            attempts: 0,
            tail: 0,
            flags: 0,
            branch: 0,
            piece: 0,
        }
    }

    /// The message with a report on it: how a source sends what it has failed with, or dropped. It
    /// does not reach the next component.
    pub fn with_report(mut self, report: Report) -> Self {
        self.set_report(report);
        self
    }

    /// The bytes.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes as something to share: cloning or slicing it copies none of them.
    #[inline]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Puts other bytes in place. Attributes and all else stay.
    pub fn set_data(&mut self, payload: impl Into<Payload>) {
        self.payload = payload.into();
        self.tail = 0;
    }

    /// The bytes after the payload that are its delimiter; empty if it has none of its own.
    #[inline]
    pub fn delimiter(&self) -> &[u8] {
        // SAFETY: `tail` is only set by `Batch::extend_slices`, for bytes within the owner's
        // memory, and put back to 0 when the payload is changed.
        unsafe {
            std::slice::from_raw_parts(self.payload.data.add(self.payload.len), self.tail.into())
        }
    }

    #[inline]
    pub(super) fn ends_with_own(&self, delimiter: &[u8]) -> bool {
        is_same(self.delimiter(), delimiter)
    }

    /// Whether `next` lies directly after this message and its delimiter, in one allocation.
    #[inline]
    pub(super) fn is_followed_by(&self, next: &Message) -> bool {
        let end = self.payload.data.wrapping_add(self.payload.len + usize::from(self.tail));
        end == next.payload.data
            && self.payload.owner == next.payload.owner
            && !self.payload.owner.is_null()
    }

    /// The bytes from the start of this message to the end of `last`.
    ///
    /// # Safety
    /// `last` is this message, or reached from it by [`Message::is_followed_by`].
    pub(super) unsafe fn span_to(&self, last: &Message, with_delimiter: bool) -> &[u8] {
        let tail = if with_delimiter { usize::from(last.tail) } else { 0 };
        // SAFETY: `last` was reached by `is_followed_by` (`# Safety`), so all lie in one
        // allocation, which `self` keeps alive, and every byte between them belongs to immutable
        // payloads or their delimiters.
        unsafe {
            let before = last.payload.data.offset_from(self.payload.data) as usize;
            std::slice::from_raw_parts(self.payload.data, before + last.payload.len + tail)
        }
    }

    /// Whether no delimiter followed it in its input: it was the end of that, or
    /// [continues](Message::continues). A sink writes none after it, but keeps the next message
    /// apart: see [`Ending`](crate::Ending).
    #[inline]
    pub fn lacks_delimiter(&self) -> bool {
        self.flags & (NO_DELIMITER | CONTINUES) != 0
    }

    /// Marks this as the last message of its input, without a delimiter.
    pub fn set_lacks_delimiter(&mut self, lacks: bool) {
        self.flags &= !(NO_DELIMITER | CONTINUES);
        self.flags |= if lacks { NO_DELIMITER } else { 0 };
    }

    /// Whether the rest of its line follows in the next message of its input.
    #[inline]
    pub fn continues(&self) -> bool {
        self.flags & CONTINUES != 0
    }

    /// Which piece it is of a line that was cut into several messages; 0 for a whole line.
    #[inline]
    pub fn piece(&self) -> u16 {
        self.piece
    }

    /// Says that it is a piece of a line. The pieces of one line are numbered one by one, from any
    /// number on (after 65,535 comes 1), so that a sink knows which of them belong together; all
    /// but the last continue.
    pub fn set_piece(&mut self, number: u16, continues: bool) {
        self.piece = number;
        self.flags = if continues { self.flags | CONTINUES } else { self.flags & !CONTINUES };
    }

    /// The time it was created, in nanoseconds since 1970; 0 if that was never set.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Says when it was made, in nanoseconds since 1970.
    pub fn set_time(&mut self, nanoseconds: i64) {
        self.time = nanoseconds;
    }

    /// How often the component that has it now was given it before.
    pub fn attempts(&self) -> u16 {
        self.attempts
    }

    /// The branch that it takes where it leaves a component whose messages go several ways.
    pub fn branch(&self) -> u16 {
        self.branch
    }

    /// Says which branch it takes, counted from 0. It means something to the host directly after a
    /// component that decides on the way.
    pub fn set_branch(&mut self, branch: u16) {
        self.branch = branch;
    }

    /// The status of the last report.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// The position in the source's input, in words: for hosts, of one not lent or in a run.
    pub fn position(&self) -> Option<String> {
        // SAFETY: a message holds the index of the delivery that it has, so the positions are
        // there; an author's message has none.
        unsafe {
            let position = delivery::position(self.delivery, self.index);
            position.positions.as_ref().map(|all| all.of_message(position.index))
        }
    }

    /// Writes the message's identity; returns whether it has one. For code that has the slots of a
    /// batch, which is no run: in an author's hands a message has none, see
    /// [`HandledCallback::id`](crate::HandledCallback::id).
    pub fn write_id(&self, identity: &mut Identity) -> bool {
        // SAFETY: a message holds the index of the delivery that it has.
        unsafe { delivery::identity(self.delivery, self.index, identity) }
    }

    /// The description of the last report; empty if there was none.
    pub fn description(&self) -> &str {
        self.extra().map_or("", Extra::description)
    }

    /// The attributes, in the order in which they were first set.
    pub fn attributes(&self) -> Attributes<'_> {
        match self.extra.is_null() {
            true => Attributes::default(),
            // SAFETY: this message's reference keeps the extra alive, and unchanged for as long as
            // the message is borrowed.
            false => Attributes(unsafe { Extra::attributes(self.extra) }),
        }
    }

    /// One attribute.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes().get(name)
    }

    /// Sets an attribute. Text and bytes of up to 1,024 bytes are copied without an allocation.
    pub fn set_attribute<'a>(&mut self, name: &str, value: impl Into<AttributeValue<'a>>) {
        // SAFETY: the message owns its reference, and is the caller's alone.
        unsafe { Extra::set(&raw mut self.extra, name, value.into()) }
    }

    /// Takes an attribute away.
    pub fn remove_attribute(&mut self, name: &str) -> Option<Value> {
        if self.extra.is_null() {
            return None;
        }
        // SAFETY: the message owns its reference, and is the caller's alone.
        unsafe {
            let at = Extra::position(self.extra, name)?;
            Some(Extra::remove(&raw mut self.extra, at))
        }
    }

    /// The message as a structured value, if a component has made one of it.
    pub fn value(&self) -> Option<&Value> {
        self.extra().map(|extra| &extra.value).filter(|value| **value != Value::NULL)
    }

    /// Sets the structured value.
    pub fn set_value(&mut self, value: Value) {
        // SAFETY: the message owns its reference, and is the caller's alone.
        unsafe { Extra::set_value(&raw mut self.extra, value) }
    }

    /// The trace that it belongs to, if any.
    pub fn trace(&self) -> Option<Trace> {
        self.extra().and_then(Extra::trace).filter(|trace| *trace != Trace::default())
    }

    /// Sets the trace.
    pub fn set_trace(&mut self, trace: Trace) {
        // SAFETY: the message owns its reference, and is the caller's alone.
        unsafe { Extra::set_trace(&raw mut self.extra, trace) }
    }

    /// Another message with the same bytes and attributes, sharing them. It is a new message: its
    /// outcome does not settle this one, unless it is sent with the [`Kept`](crate::raw::Kept) of
    /// this one.
    pub fn duplicate(&self) -> Message {
        Message {
            payload: self.payload.clone(),
            // SAFETY: `self` holds a reference on its extra, if it has one.
            extra: unsafe { Extra::shared(self.extra) },
            delivery: ptr::null(),
            index: 0,
            status: 0,
            attempts: 0,
            ..*self
        }
    }

    /// Takes a change back: bytes, attributes (with structured value, description and trace) and
    /// time become those of `original`, which are shared.
    pub fn restore(&mut self, original: &Message) {
        self.set_data(original.payload.clone());
        self.tail = original.tail;
        self.time = original.time;
        // The temporary message releases those that it gets.
        std::mem::swap(&mut self.extra, &mut original.duplicate().extra);
    }

    /// Gives it the attributes of `other`, and its structured value and trace if it has any, beside
    /// its own; of two with one name, that of `other` stays. A message that has none shares them:
    /// so for many messages with the same attributes this copies nothing.
    ///
    /// ```
    /// use gopiper_abi::Message;
    /// let mut of_all = Message::new("");
    /// of_all.set_attribute("path", "/var/log/app.log");
    /// let mut message = Message::new("a line");
    /// message.share_attributes(&of_all);
    /// assert_eq!(message.attribute("path").and_then(|v| v.as_str()), Some("/var/log/app.log"));
    /// ```
    pub fn share_attributes(&mut self, other: &Message) {
        if self.extra.is_null() {
            // SAFETY: `other` holds a reference on its extra, if it has one.
            self.extra = unsafe { Extra::shared(other.extra) };
            return;
        }
        for (name, value) in other.attributes().iter() {
            self.set_attribute(name, value);
        }
        if let Some(value) = other.value() {
            self.set_value(value.clone());
        }
        if let Some(trace) = other.trace() {
            self.set_trace(trace);
        }
    }

    fn extra(&self) -> Option<&Extra> {
        // SAFETY: the pointer is null, or leads to an extra that this message's reference keeps
        // alive and unchanged.
        unsafe { self.extra.as_ref() }
    }

    /// Puts a report on the message: the dead letters and the next attempt read it there.
    pub(super) fn set_report(&mut self, report: Report) {
        self.status = report.settled_status();
        if let Some(description) = report.description {
            // SAFETY: the message owns its reference, and is the caller's alone.
            unsafe { Extra::describe(&raw mut self.extra, &description) }
        }
    }

    /// Gives the index up, for a new holder.
    pub(super) fn take_delivery(&mut self) -> (*const Delivery, u32) {
        (std::mem::replace(&mut self.delivery, ptr::null()), self.index)
    }
}

/// Whether two delimiters are the same. Most are one byte: a call would cost more than all else.
#[inline]
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([one], [other]) => one == other,
        _ => one == other,
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the message owns a reference on its extra, and the index of its delivery (both
        // may be null); neither is used again.
        unsafe {
            if !self.extra.is_null() {
                Extra::release(self.extra);
            }
            delivery::drop_unsent(self.delivery, self.index, 1);
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        out.field("data", &self.payload).field("status", &self.status);
        if let Some(extra) = self.extra() {
            out.field("attributes", &self.attributes()).field("description", &extra.description());
        }
        out.finish()
    }
}
