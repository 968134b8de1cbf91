//! A batch that a host has lent out under a limit of time, and may take back.
//!
//! The component gets copies of the messages, whose deliveries are a guard's; the messages as
//! received, and their deliveries, stay with the host. Each place is the component's to settle
//! until it comes back or is taken back, whichever is first: settling it through the guard
//! afterwards has no effect. So a component that comes to life again cannot settle anything twice.
use std::{
    ptr,
    sync::{
        Arc,
        atomic::{
            AtomicU8,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    thread,
};

use abi_stable::prefix_type::WithMetadata;

use crate::raw::{
    Batch, Deliveries, Delivery, DeliveryVtable, DeliveryVtable_Ref, Identity, Message,
    MessagePosition, Outcome, Parent, delivery,
};

#[repr(C)]
struct LentRecord {
    header: Delivery,
    places: Box<[LentPlace]>,
}

struct LentPlace {
    state: PlaceState,
    delivery: *const Delivery,
    index: u32,
}

// SAFETY: a delivery may be settled from any thread (DeliveryVtable); of the rest only `state`
// changes, which is atomic.
unsafe impl Send for LentRecord {}
// SAFETY: only `state` changes, which is atomic: the thread that closes a place is the only one to
// settle it.
unsafe impl Sync for LentRecord {}

/// Whether a place is the component's still.
struct PlaceState(AtomicU8);

impl PlaceState {
    const OPEN: u8 = 0;
    /// The component reads from the delivery, which has to stay until it has.
    const READ: u8 = 1;
    const CLOSED: u8 = 2;

    fn open() -> Self {
        PlaceState(AtomicU8::new(Self::OPEN))
    }

    fn is_open(&self) -> bool {
        self.0.load(Acquire) != Self::CLOSED
    }

    /// Ends it, once no thread reads. Returns whether it was open: for one caller alone.
    fn close(&self) -> bool {
        self.leave_open(Self::CLOSED)
    }

    /// Calls `read` if the place is open, and keeps it open meanwhile.
    fn with_open(&self, read: impl FnOnce() -> bool) -> bool {
        let is_open = self.leave_open(Self::READ);
        if !is_open {
            return false;
        }
        /// Opens it again, also after a panic.
        struct Reopens<'a>(&'a PlaceState);
        impl Drop for Reopens<'_> {
            fn drop(&mut self) {
                self.0.0.store(PlaceState::OPEN, Release);
            }
        }
        let _reopens = Reopens(self);
        read()
    }

    /// Waits while another thread reads: that takes no lock, and is over soon.
    fn leave_open(&self, next: u8) -> bool {
        loop {
            match self.0.compare_exchange_weak(Self::OPEN, next, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(Self::CLOSED) => return false,
                Err(Self::READ) => thread::yield_now(),
                Err(_) => {}
            }
        }
    }
}

// A static has one address, by which `resolve` knows a guard.
static VALUE: WithMetadata<DeliveryVtable> = WithMetadata::new(DeliveryVtable {
    settle,
    position,
    identity,
    identities: delivery::identities_one_by_one,
});
const VTABLE: DeliveryVtable_Ref = DeliveryVtable_Ref(VALUE.static_as_prefix());

/// The host's part of a batch that it has lent out.
pub struct Lent {
    came: Batch,
    guard: Guard,
}

/// The places of a lent batch that components still hold.
#[derive(Clone)]
pub struct Guard(Arc<LentRecord>);

impl Lent {
    /// Keeps the batch, and makes the copy to lend.
    pub fn new(mut came: Batch) -> (Self, Batch) {
        came.end_run();
        let place = |message: &Message| LentPlace {
            state: PlaceState::open(),
            delivery: message.delivery,
            index: message.index,
        };
        let places = came.messages().iter().map(place).collect();
        let record = Arc::new(LentRecord { header: Delivery { vtable: VTABLE }, places });
        let mut copy = Batch::new((came.len() as u32).max(1));
        copy.set_sequence(came.sequence());
        for (index, message) in came.messages().iter().enumerate() {
            let mut lent = message.duplicate();
            (lent.status, lent.attempts) = (message.status, message.attempts);
            if message.has_delivery() {
                // One count of the record for each place, given back when it is settled.
                lent.delivery = Arc::into_raw(record.clone()).cast();
                lent.index = index as u32;
            }
            let full = copy.push(lent).is_err();
            debug_assert!(!full, "there is room for all");
        }
        (Lent { came, guard: Guard(record) }, copy)
    }

    /// How many messages were lent.
    pub fn len(&self) -> usize {
        self.came.len()
    }

    /// Whether none were.
    pub fn is_empty(&self) -> bool {
        self.came.is_empty()
    }

    /// Takes a place back from the component: its message as received, or `instead`, with its
    /// delivery.
    pub fn take_back(&mut self, place: usize, instead: Option<Message>) -> Message {
        let came = &mut self.came.messages_mut()[place];
        let mut message = std::mem::replace(came, Message::vacated());
        let (delivery, index) = match self.guard.0.places[place].state.close() {
            true => message.take_delivery(),
            false => (ptr::null(), 0),
        };
        // Not the host's any more, if it was settled through the guard.
        message.take_delivery();
        let mut message = instead.unwrap_or(message);
        (message.delivery, message.index) = (delivery, index);
        message
    }

    /// Gives the messages that have come back in time their deliveries back. What a component keeps
    /// stays with the guard; so do the places that hold [`Message::vacated`].
    pub fn reunite(&mut self, back: &mut Batch) {
        for (place, slot) in back.messages_mut().iter_mut().enumerate() {
            let (guard, _) = slot.take_delivery();
            if guard.is_null() {
                continue;
            }
            let message = std::mem::replace(slot, Message::vacated());
            *slot = self.take_back(place, Some(message));
            // SAFETY: a message that was lent with a delivery has one count of the record
            // (`Lent::new`), and this is where it gives it up.
            unsafe { Arc::decrement_strong_count(guard.cast::<LentRecord>()) }
        }
    }

    /// The places that components still hold, if there are any.
    pub fn guard(&self) -> Option<Guard> {
        self.guard.is_open().then(|| self.guard.clone())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Places that were not taken back are settled by the guard.
        for message in self.came.messages_mut() {
            message.take_delivery();
        }
    }
}

impl Guard {
    /// Whether components hold some of the messages.
    pub fn is_open(&self) -> bool {
        let open = |place: &LentPlace| !place.delivery.is_null() && place.state.is_open();
        self.0.places.iter().any(open)
    }

    /// Takes all back that components hold, as failed: how many that were.
    pub fn fail(&self) -> u64 {
        let mut failed = 0;
        for place in &self.0.places {
            if !place.delivery.is_null() && place.settle(Outcome::FAILED) {
                failed += 1;
            }
        }
        failed
    }
}

impl LentPlace {
    fn settle(&self, outcome: Outcome) -> bool {
        let open = self.state.close();
        if open {
            // SAFETY: an open place holds its index of the delivery, and the thread that closed it
            // is the only one to use that.
            unsafe { delivery::settle(self.delivery, self.index, 1, outcome) };
        }
        open
    }
}

impl Batch {
    /// Makes the whole batch settle `parents`, which it takes over: what a component kept. An empty
    /// batch settles them at once, as Dropped.
    pub fn derive_delivery(&mut self, parents: Deliveries) {
        if self.is_empty() {
            return parents.settle(Outcome::DROPPED);
        }
        let mut resolved = Vec::new();
        for parent in parents.into_parents() {
            // SAFETY: the indices were taken out of `parents`, which held them; nothing else has
            // them.
            unsafe { resolve(parent, &mut resolved) }
        }
        self.attach(delivery::derive(resolved, self.header().len), 0);
    }
}

/// Replaces indices of a guard by the indices after it, for a new holder: messages that a
/// component has sent do not belong to it any more. Places that were taken back are gone.
///
/// # Safety
/// The caller holds these indices, and gives them up.
pub(in crate::raw) unsafe fn resolve(parent: Parent, into: &mut Vec<Parent>) {
    // SAFETY: the caller holds these indices and gives them up (`# Safety`), so their delivery is
    // alive. If it is a guard's, each index is a count of the record.
    unsafe {
        let is_guard = !parent.delivery.is_null()
            && ptr::eq((*parent.delivery).vtable.0.to_raw_ptr(), VTABLE.0.to_raw_ptr());
        if !is_guard {
            return into.push(parent);
        }
        let record = parent.delivery.cast::<LentRecord>();
        let places = parent.first as usize..(parent.first + parent.count) as usize;
        for place in &(&(*record).places)[places] {
            if place.state.close() {
                into.push(Parent { delivery: place.delivery, first: place.index, count: 1 });
            }
        }
        (0..parent.count).for_each(|_| Arc::decrement_strong_count(record));
    }
}

/// Settles those places that are the component's still: how many those are.
unsafe extern "C" fn settle(
    guard: *const Delivery,
    first: u32,
    count: u32,
    outcome: Outcome,
) -> u32 {
    let record = guard.cast::<LentRecord>();
    // SAFETY: this vtable is only found in records of this side; the caller holds these indices
    // (DeliveryVtable), each of which is a count of the record, given up at the end.
    unsafe {
        let places = &(&(*record).places)[first as usize..(first + count) as usize];
        let open = places.iter().filter(|place| place.settle(outcome)).count();
        (0..count).for_each(|_| Arc::decrement_strong_count(record));
        open as u32
    }
}

/// The host asks for positions once a batch is back. Before that a place may be taken back at any
/// moment, and its delivery be gone.
unsafe extern "C" fn position(_guard: *const Delivery, _index: u32) -> MessagePosition {
    MessagePosition::UNKNOWN
}

/// As the host may take a place back at any moment, the place is kept open meanwhile.
unsafe extern "C" fn identity(guard: *const Delivery, index: u32, into: &mut Identity) -> bool {
    // SAFETY: this vtable is only found in records of this side; the caller has this index, which
    // is a count of the record (DeliveryVtable). An open place holds an index of its delivery.
    unsafe {
        let place = &(&(*guard.cast::<LentRecord>()).places)[index as usize];
        place.state.with_open(|| delivery::identity(place.delivery, place.index, into))
    }
}
