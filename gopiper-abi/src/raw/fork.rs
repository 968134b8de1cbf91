//! A batch that goes several ways: the outcome of a message is the worst that became of its copies.
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicI32, AtomicU32};
use std::{
    ptr,
    sync::atomic::Ordering::{AcqRel, Relaxed},
};

use abi_stable::prefix_type::WithMetadata;
#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicI32, AtomicU32};

use super::{
    Batch, Delivery, DeliveryVtable, DeliveryVtable_Ref, Extra, Message, Outcome, Payload,
    delivery, payload,
};

/// The delivery of all copies. Message `m` of copy `c` of a batch of `n` has index `c * n + m`: each
/// index has one holder, as always.
#[repr(C)]
struct Record {
    header: Delivery,
    open: AtomicU32,
    messages: Box<[Forked]>,
}

struct Forked {
    /// How many copies have no outcome yet.
    open: AtomicU32,
    worst: AtomicI32,
    /// What the message itself held, and its copies settle.
    delivery: *const Delivery,
    index: u32,
}

const VALUE: &WithMetadata<DeliveryVtable> = &WithMetadata::new(DeliveryVtable { settle });
const VTABLE: DeliveryVtable_Ref = DeliveryVtable_Ref(VALUE.static_as_prefix());

/// For hosts: components have no use for these.
impl Batch {
    /// The same messages, sharing bytes and attributes. They are new ones: nobody waits for what
    /// becomes of them.
    pub fn duplicate(&self) -> Batch {
        let mut copy = Batch::new((self.len() as u32).max(1));
        let (mut owner, mut owned) = (ptr::null(), 0);
        for message in self.messages() {
            if message.payload.owner != owner {
                payload::retain(owner, owned);
                (owner, owned) = (message.payload.owner, 0);
            }
            owned += 1;
            if !message.extra.is_null() {
                // SAFETY: the message holds a reference.
                unsafe { Extra::retain(message.extra) }
            }
            let Payload { data, len, owner } = message.payload;
            // Owners are counted for a whole run, at its end: nothing lets go of one before that.
            let payload = Payload { data, len, owner };
            let (delivery, index, status, attempts) = (ptr::null(), 0, 0, 0);
            let full = copy
                .push(Message { payload, delivery, index, status, attempts, ..*message })
                .is_err();
            debug_assert!(!full, "there is room for all");
        }
        payload::retain(owner, owned);
        copy
    }

    /// So many batches of the same messages, in this one's place: what this one would have settled is
    /// settled when the copies are, with the worst outcome of theirs.
    pub fn fork(mut self, ways: u32) -> Vec<Batch> {
        if ways < 2 || self.is_empty() {
            let copies = (1..ways).map(|_| Batch::new(1)).collect::<Vec<_>>();
            return copies.into_iter().chain((ways > 0).then_some(self)).collect();
        }
        let mut copies: Vec<_> = (1..ways).map(|_| self.duplicate()).collect();
        let of = |message: &mut Message| {
            let (delivery, index) = message.take_delivery();
            let (open, worst) = (AtomicU32::new(ways), AtomicI32::new(Outcome::DELIVERED.0));
            Forked { open, worst, delivery, index }
        };
        let messages: Box<[_]> = self.messages_mut().iter_mut().map(of).collect();
        let open = AtomicU32::new(messages.len() as u32 * ways);
        let record = Box::new(Record { header: Delivery { vtable: VTABLE }, open, messages });
        let record: *const Delivery = Box::into_raw(record).cast_const().cast();
        copies.push(self);
        let slots = copies.iter_mut().flat_map(|copy| copy.messages_mut());
        for (index, message) in slots.enumerate() {
            (message.delivery, message.index) = (record, index as u32);
        }
        copies
    }
}

/// Neighbours of one delivery with one outcome, settled together.
struct Run {
    delivery: *const Delivery,
    first: u32,
    count: u32,
    outcome: Outcome,
}

impl Run {
    fn add(&mut self, delivery: *const Delivery, index: u32, outcome: Outcome) {
        let follows = delivery == self.delivery
            && index == self.first.wrapping_add(self.count)
            && outcome == self.outcome;
        if follows {
            self.count += 1;
        } else {
            self.settle();
            *self = Run { delivery, first: index, count: 1, outcome };
        }
    }

    fn settle(&self) {
        // SAFETY: these indices were the messages' own, and each is added once: by whoever settles the
        // last copy.
        unsafe { delivery::settle(self.delivery, self.first, self.count, self.outcome) }
    }
}

unsafe extern "C" fn settle(fork: *const Delivery, first: u32, count: u32, outcome: Outcome) {
    let record = fork.cast::<Record>();
    // SAFETY: this vtable is only found in records of this side; the caller holds `count` indices, so
    // the record is alive until they are subtracted below.
    unsafe {
        let messages = &(*record).messages;
        let mut run = Run { delivery: ptr::null(), first: 0, count: 0, outcome };
        for index in first..first + count {
            let message = &messages[index as usize % messages.len()];
            if outcome != Outcome::DELIVERED {
                message.worst.fetch_max(outcome.0, Relaxed);
            }
            if message.open.fetch_sub(1, AcqRel) == 1 {
                let worst = Outcome(message.worst.load(Relaxed));
                run.add(message.delivery, message.index, worst);
            }
        }
        run.settle();
        if (*record).open.fetch_sub(count, AcqRel) == count {
            drop(Box::from_raw(record.cast_mut()));
        }
    }
}
