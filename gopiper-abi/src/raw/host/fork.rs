//! A batch that goes several ways: the outcome of a message is the worst outcome of its copies.
#[cfg(not(all(test, loom)))]
use std::sync::{Mutex, atomic::AtomicU32};
use std::{ptr, sync::PoisonError, sync::atomic::Ordering::AcqRel};

use abi_stable::prefix_type::WithMetadata;
#[cfg(all(test, loom))]
use loom::sync::{Mutex, atomic::AtomicU32};

use crate::raw::{
    Batch, Delivery, DeliveryVtable, DeliveryVtable_Ref, Extra, Identity, Message, MessagePosition,
    Outcome, Parent, Payload, delivery, message::owner,
};

/// The delivery of all copies. Message `m` of copy `c` of a batch of `n` has index `c * n + m`:
/// each index has one holder, as always.
#[repr(C)]
struct ForkRecord {
    header: Delivery,
    open: AtomicU32,
    /// The indices that the messages themselves held, in their order. The copies settle them: as
    /// delivered, unless one has another outcome.
    parents: Box<[(Parent, Outcome)]>,
    messages: u32,
    ways: u32,
    state: Mutex<ForkState>,
}

/// Mostly a whole copy is delivered at once: then the copies are counted, and no message for
/// itself.
#[derive(Default)]
struct ForkState {
    delivered: u32,
    /// From the first time on that it was otherwise.
    each: Option<Box<[Forked]>>,
}

struct Forked {
    /// How many copies have no outcome yet.
    open: u32,
    worst: Outcome,
    delivery: *const Delivery,
    index: u32,
}

// SAFETY: a delivery may be settled from any thread (DeliveryVtable); the record has it under its
// lock.
unsafe impl Send for Forked {}

const VALUE: &WithMetadata<DeliveryVtable> = &WithMetadata::new(DeliveryVtable {
    settle,
    position,
    identity,
    identities: delivery::identities_one_by_one,
});
const VTABLE: DeliveryVtable_Ref = DeliveryVtable_Ref(VALUE.static_as_prefix());

/// For hosts: components have no use for these.
impl Batch {
    /// The same messages, sharing bytes and attributes. They are new ones: nothing waits for their
    /// outcomes.
    pub fn duplicate(&self) -> Batch {
        let mut copy = Batch::new((self.len() as u32).max(1));
        let (mut owner, mut owned) = (ptr::null(), 0);
        for message in self.messages() {
            if message.payload.owner != owner {
                // SAFETY: messages of `self` hold references on this owner.
                unsafe { owner::retain(owner, owned) };
                (owner, owned) = (message.payload.owner, 0);
            }
            owned += 1;
            if !message.extra.is_null() {
                // SAFETY: the message holds a reference on its extra, so the extra is alive.
                unsafe { Extra::retain(message.extra) }
            }
            let Payload { data, len, owner } = message.payload;
            // Owners are counted for a whole run, at its end: none is released before that.
            let payload = Payload { data, len, owner };
            let (delivery, index, status, attempts) = (ptr::null(), 0, 0, 0);
            let full = copy
                .push(Message { payload, delivery, index, status, attempts, ..*message })
                .is_err();
            debug_assert!(!full, "there is room for all");
        }
        // SAFETY: messages of `self` hold references on this owner.
        unsafe { owner::retain(owner, owned) };
        copy.header_mut().run_bytes = self.header().run_bytes;
        copy
    }

    /// So many batches of the same messages, in this one's place: what this one would have settled
    /// is settled when the copies are, with the worst outcome of theirs.
    pub fn fork(mut self, ways: u32) -> Vec<Batch> {
        if ways < 2 || self.is_empty() {
            let copies = (1..ways).map(|_| Batch::new(1)).collect::<Vec<_>>();
            return copies.into_iter().chain((ways > 0).then_some(self)).collect();
        }
        let mut copies: Vec<_> = (1..ways).map(|_| self.duplicate()).collect();
        let messages = self.len() as u32;
        let parents = self.take_deliveries();
        let record = Box::new(ForkRecord {
            header: Delivery { vtable: VTABLE },
            open: AtomicU32::new(messages * ways),
            parents,
            messages,
            ways,
            state: Mutex::new(ForkState::default()),
        });
        let record: *const Delivery = Box::into_raw(record).cast_const().cast();
        copies.push(self);
        for (way, copy) in (0..ways).zip(&mut copies) {
            copy.attach(record, way * messages);
        }
        copies
    }
}

impl Batch {
    /// Gives the indices of all messages up, to be settled as delivered.
    fn take_deliveries(&mut self) -> Box<[(Parent, Outcome)]> {
        let count = self.header().len;
        if self.is_run() {
            // SAFETY: the first slot holds a message, and `&mut self` makes this the only reference
            // to it.
            let first = unsafe { &mut *self.header().messages };
            let (delivery, first) = first.take_delivery();
            return [(Parent { delivery, first, count }, Outcome::DELIVERED)].into();
        }
        let mut parents = Vec::new();
        for message in self.messages_mut() {
            let (delivery, index) = message.take_delivery();
            add(&mut parents, delivery, index, Outcome::DELIVERED);
        }
        parents.into()
    }
}

/// Adds an index; neighbours of one delivery with one outcome are settled together.
fn add(
    ended: &mut Vec<(Parent, Outcome)>,
    delivery: *const Delivery,
    index: u32,
    outcome: Outcome,
) {
    match ended.last_mut() {
        Some((last, of_last))
            if last.delivery == delivery
                && last.first + last.count == index
                && *of_last == outcome =>
        {
            last.count += 1;
        }
        _ => ended.push((Parent { delivery, first: index, count: 1 }, outcome)),
    }
}

impl ForkRecord {
    /// Settles indices. Returns those that have ended with that, each with its outcome.
    fn settle(&self, first: u32, count: u32, outcome: Outcome) -> Vec<(Parent, Outcome)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = count == self.messages && first % self.messages == 0;
        if is_whole && outcome == Outcome::DELIVERED && state.each.is_none() {
            state.delivered += 1;
            let ended = if state.delivered == self.ways { &self.parents[..] } else { &[] };
            return ended.to_vec();
        }
        let open = self.ways - state.delivered;
        let each = state.each.get_or_insert_with(|| self.each(open));
        let mut ended = Vec::new();
        for index in first..first + count {
            let message = &mut each[(index % self.messages) as usize];
            message.worst = message.worst.max(outcome);
            message.open -= 1;
            if message.open == 0 {
                add(&mut ended, message.delivery, message.index, message.worst);
            }
        }
        ended
    }

    /// The index that a message itself held, and the way of this copy.
    fn parent(&self, index: u32) -> (Option<Parent>, u32) {
        let (mut before, way) = (index % self.messages, index / self.messages);
        let parent =
            self.parents.iter().find_map(|(parent, _)| match before.checked_sub(parent.count) {
                Some(left) => {
                    before = left;
                    None
                }
                None => Some(Parent { first: parent.first + before, count: 1, ..*parent }),
            });
        (parent, way)
    }

    fn each(&self, open: u32) -> Box<[Forked]> {
        let of = |&(Parent { delivery, first, count }, worst): &(Parent, Outcome)| {
            (first..first + count).map(move |index| Forked { open, worst, delivery, index })
        };
        self.parents.iter().flat_map(of).collect()
    }
}

unsafe extern "C" fn settle(
    fork: *const Delivery,
    first: u32,
    count: u32,
    outcome: Outcome,
) -> u32 {
    let record = fork.cast::<ForkRecord>();
    // SAFETY: this vtable is only found in records of this side; the caller holds `count` indices
    // (DeliveryVtable), so the record is alive until they are subtracted below. The ended indices
    // were the messages' own, and are returned once: to the thread that settles the last copy.
    unsafe {
        for (parent, outcome) in (*record).settle(first, count, outcome) {
            delivery::settle(parent.delivery, parent.first, parent.count, outcome);
        }
        if (*record).open.fetch_sub(count, AcqRel) == count {
            drop(Box::from_raw(record.cast_mut()));
        }
    }
    count
}

unsafe extern "C" fn position(fork: *const Delivery, index: u32) -> MessagePosition {
    // SAFETY: this vtable is only found in records of this side, and the caller holds an index
    // (DeliveryVtable), as the record holds what the messages themselves held.
    unsafe {
        let (parent, _) = (*fork.cast::<ForkRecord>()).parent(index);
        parent.map_or(MessagePosition::UNKNOWN, |it| delivery::position(it.delivery, it.first))
    }
}

/// Each copy is a message of its own, with its way as the ordinal: two ways may meet again.
unsafe extern "C" fn identity(fork: *const Delivery, index: u32, into: &mut Identity) -> bool {
    // SAFETY: this vtable is only found in records of this side, and the caller holds an index
    // (DeliveryVtable), as the record holds what the messages themselves held.
    unsafe {
        let (parent, way) = (*fork.cast::<ForkRecord>()).parent(index);
        let is_known = parent.is_some_and(|it| delivery::identity(it.delivery, it.first, into));
        if is_known {
            into.derive(way);
        }
        is_known
    }
}
