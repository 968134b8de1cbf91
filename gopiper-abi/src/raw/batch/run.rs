//! A batch that is one run: as its source cut it from a block.
//!
//! Most batches stay a run from the source to the sink. Then the work that is the same for each
//! message is done once for all: the delivery lies in the first slot alone, a sink writes one
//! piece, and two calls settle the batch. Code that changes a slot ends the run first.
use std::mem;

use crate::raw::{
    Batch, BatchHeader, Delivery, Identity, Message, Outcome, delivery, message::owner,
};

impl BatchHeader {
    /// Whether the messages are one run. An empty batch may be one, too.
    #[inline]
    pub(in crate::raw) fn is_run(&self) -> bool {
        self.run_bytes != 0
    }
}

/// The delivery of the message in a slot, and its index there.
///
/// # Safety
/// The batch is alive, the slot is below `len`, and nothing else changes it meanwhile.
#[inline]
pub(in crate::raw) unsafe fn delivery_of(
    header: *const BatchHeader,
    at: u32,
) -> (*const Delivery, u32) {
    // SAFETY: the batch is alive, and the slot one of its messages' (`# Safety`). Of a run the
    // first slot holds the indices of all.
    unsafe {
        let (slot, behind) = if (*header).is_run() { (0, at) } else { (at, 0) };
        let slot = (*header).messages.add(slot as usize);
        ((*slot).delivery, (*slot).index + behind)
    }
}

/// The identity of the message in a slot.
///
/// # Safety
/// As for [`delivery_of`]; the slot's message is not reported to the host yet.
pub(in crate::raw) unsafe fn identity_of(header: *const BatchHeader, at: u32) -> Option<Identity> {
    let mut identity = Identity::default();
    // SAFETY: as the caller says (`# Safety`). The slot holds the index until its message is
    // reported.
    let is_known = unsafe {
        let (delivery, index) = delivery_of(header, at);
        delivery::identity(delivery, index, &mut identity)
    };
    is_known.then_some(identity)
}

/// Ends a run: each slot gets its own index of the delivery, so that it can be changed, or moved,
/// by itself.
///
/// # Safety
/// The batch is alive, and nothing else uses the deliveries in its slots meanwhile.
#[inline]
pub(in crate::raw) unsafe fn end_run(header: *mut BatchHeader) {
    // SAFETY: the batch is alive (`# Safety`).
    unsafe {
        if (*header).is_run() {
            spread(header);
        }
    }
}

#[cold]
#[inline(never)]
unsafe fn spread(header: *mut BatchHeader) {
    // SAFETY: the caller's batch is alive, its first `len` slots hold messages, and nothing else
    // uses their deliveries. The first one holds the indices of all, and keeps its own.
    unsafe {
        (*header).run_bytes = 0;
        let (slots, len) = ((*header).messages, (*header).len);
        if len == 0 || (*slots).delivery.is_null() {
            return;
        }
        let (delivery, first) = ((*slots).delivery, (*slots).index);
        for i in 1..len {
            let slot = slots.add(i as usize);
            (*slot).delivery = delivery;
            (*slot).index = first + i;
        }
    }
}

impl Batch {
    /// Whether the messages are one run, and there are some.
    pub(in crate::raw) fn is_run(&self) -> bool {
        let is_run = self.header().is_run() && !self.is_empty();
        debug_assert!(!is_run || looks_like_run(self.messages()), "{self:?} is not a run");
        debug_assert!(!is_run || self.header().run_bytes as usize == self.span(), "{self:?}");
        is_run
    }

    /// The bytes from the first message to the end of the last, and of its delimiter.
    fn span(&self) -> usize {
        let (first, last) = (&self.messages()[0], &self.messages()[self.len() - 1]);
        last.payload.data.addr() + last.payload.len + usize::from(last.tail)
            - first.payload.data.addr()
    }

    pub(in crate::raw) fn end_run(&mut self) {
        // SAFETY: a Batch owns its slots, and `&mut self` makes this the only reference to them.
        unsafe { end_run(self.0) }
    }

    /// Settles all messages of a run, and leaves the batch empty.
    pub(super) fn settle_run(&mut self, outcome: Outcome) {
        let header = self.header_mut();
        let count = mem::take(&mut header.len);
        // SAFETY: the batch was a run of `count` messages: they have that many references on the
        // owner of the first one, and that many indices of its delivery, from its own on. `len`
        // makes the batch forget them. The memory first: the receiver of the outcome may measure
        // how much is still held.
        unsafe {
            let first = &*header.messages;
            owner::release(first.payload.owner, count as usize);
            delivery::settle(first.delivery, first.index, count, outcome);
        }
    }

    /// Splits the bytes and the indices of a run before the batch is split there. Returns the bytes
    /// of the run that the messages from `at` on are.
    pub(super) fn split_run(&mut self, at: usize) -> u32 {
        let bytes = self.header().run_bytes;
        if !self.header().is_run() || at == 0 || at == self.len() {
            return bytes;
        }
        let [first, second] = [0, at].map(|slot| self.messages()[slot].payload.data.addr());
        // Less than `run_bytes`, which has 32 bits.
        let before = (second - first) as u32;
        if before == 0 || before == bytes {
            // A part without bytes cannot be a run.
            self.end_run();
            return 0;
        }
        self.header_mut().run_bytes = before;
        // SAFETY: both slots hold messages, and `&mut self` makes this the only reference to them.
        // The second one gets an index that the first one held for it.
        unsafe {
            let (first, second) = (self.header().messages, self.header().messages.add(at));
            (*second).delivery = (*first).delivery;
            (*second).index = (*first).index + at as u32;
        }
        bytes - before
    }
}

/// Whether a run may consist of these messages: for debug builds.
pub(in crate::raw) fn looks_like_run(messages: &[Message]) -> bool {
    let Some(first) = messages.first() else { return true };
    let is_plain = |message: &Message| {
        message.extra.is_null()
            && (message.status, message.flags, message.piece) == (0, 0, 0)
            && message.delimiter() == first.delimiter()
    };
    messages.iter().all(is_plain)
        && messages.windows(2).all(|pair| pair[0].is_followed_by(&pair[1]))
        && messages[1..].iter().all(|message| message.delivery.is_null())
}
