//! Follows a produced message until all messages made from it are settled. Retries and dead letters
//! are unknown here: only outcomes arrive.
//!
//! A delivery is the host's: one for each produced batch. A message refers to it by pointer and
//! index, and each index is settled exactly once, by its holder at that time: the host for messages
//! in a batch, a [`Kept`](crate::raw::Kept) for messages that a component collects.
pub(in crate::raw) mod identity;
pub(in crate::raw) mod positions;
pub(in crate::raw) mod threads_host;

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicI32, AtomicU32};
use std::{
    ptr,
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Acquire, Relaxed},
    },
};

use abi_stable::{StableAbi, prefix_type::WithMetadata};
#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicI32, AtomicU32};

use crate::raw::{
    Identities, Identity, MessagePosition, Positions, delivery::threads_host::ThreadsHost,
};

/// The end of one produced message: an open number; of several the greatest, the worst, wins.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, StableAbi)]
pub struct Outcome(pub i32);

shown_by_name!(Outcome: DELIVERED DROPPED DEAD_LETTERED FAILED RETURNED);

impl Outcome {
    /// The last component has finished all messages made from it.
    pub const DELIVERED: Self = Outcome(0);
    /// It was dropped on purpose.
    pub const DROPPED: Self = Outcome(1);
    /// It failed, and lies with the dead letters, on disk.
    pub const DEAD_LETTERED: Self = Outcome(2);
    /// It failed and was discarded.
    pub const FAILED: Self = Outcome(3);
    /// The pipeline ended before it was settled: the source gives it again next time.
    pub const RETURNED: Self = Outcome(4);

    /// Whether the source may move past the message.
    pub fn is_final(self) -> bool {
        self < Self::RETURNED
    }
}

/// The calls that a delivery offers. Any thread may call them; none waits for more than a moment.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = DeliveryVtable_Ref, prefix_fields = DeliveryVtable_Prefix)))]
pub struct DeliveryVtable {
    /// Settles `count` indices from `first` on, which the caller holds and gives up. Returns how
    /// many of them were the caller's until now: a host may have taken some back.
    pub settle: unsafe extern "C" fn(
        delivery: *const Delivery,
        first: u32,
        count: u32,
        outcome: Outcome,
    ) -> u32,
    /// The position of the message of an index, if its source gives one. The caller holds the
    /// index, and the positions stay for as long as it does. Takes no lock and no memory.
    pub position: unsafe extern "C" fn(delivery: *const Delivery, index: u32) -> MessagePosition,
    /// Writes the identity of the message of an index, and returns whether it has one. The caller
    /// holds the index, or held it until a host took it back.
    pub identity:
        unsafe extern "C" fn(delivery: *const Delivery, index: u32, into: &mut Identity) -> bool,
    /// Adds the identities of the messages of `count` indices from `first` on, as `identity` has
    /// them.
    #[sabi(last_prefix_field)]
    pub identities: unsafe extern "C" fn(
        delivery: *const Delivery,
        first: u32,
        count: u32,
        into: &mut Identities,
    ),
}

/// The head of a delivery; the rest is the host's.
#[repr(C)]
#[derive(StableAbi)]
pub struct Delivery {
    pub(super) vtable: DeliveryVtable_Ref,
}

/// Indices of a delivery, with a holder.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct Parent {
    /// The delivery.
    pub delivery: *const Delivery,
    /// The first index.
    pub first: u32,
    /// How many.
    pub count: u32,
}

// SAFETY: a delivery may be settled from any thread (DeliveryVtable), so the pointer may go there.
unsafe impl Send for Parent {}
// SAFETY: a shared Parent is only read, and copies of it settle nothing by themselves (`settle` is
// unsafe).
unsafe impl Sync for Parent {}

/// Settles indices; does nothing for a message without a delivery.
///
/// # Safety
/// The caller holds these indices and does not use them again.
#[inline]
pub(super) unsafe fn settle(
    delivery: *const Delivery,
    first: u32,
    count: u32,
    outcome: Outcome,
) -> u32 {
    if delivery.is_null() || count == 0 {
        return 0;
    }
    // SAFETY: a delivery lives until its last index is settled, and the caller holds these (`#
    // Safety`).
    unsafe { ((*delivery).vtable.settle())(delivery, first, count, outcome) }
}

/// Settles messages that were dropped without being sent as failed, and notifies the host whose
/// component dropped them.
///
/// # Safety
/// As for [`settle`].
#[inline]
pub(super) unsafe fn drop_unsent(delivery: *const Delivery, first: u32, count: u32) {
    // SAFETY: the caller holds these indices and does not use them again (`# Safety`).
    let unsent = unsafe { settle(delivery, first, count, Outcome::FAILED) };
    if unsent > 0 {
        ThreadsHost::tell_unsent(unsent);
    }
}

/// The position of a message; unknown for one without a delivery.
///
/// # Safety
/// The caller holds the index.
pub(super) unsafe fn position(delivery: *const Delivery, index: u32) -> MessagePosition {
    if delivery.is_null() {
        return MessagePosition::UNKNOWN;
    }
    // SAFETY: a delivery lives until its last index is settled, and the caller holds this one (`#
    // Safety`) and keeps it.
    unsafe { ((*delivery).vtable.position())(delivery, index) }
}

/// Writes the identity of a message; returns whether it has one.
///
/// # Safety
/// The caller holds the index.
pub(super) unsafe fn identity(delivery: *const Delivery, index: u32, into: &mut Identity) -> bool {
    // SAFETY: a delivery lives until its last index is settled, and the caller holds this one (`#
    // Safety`) and keeps it.
    !delivery.is_null() && unsafe { ((*delivery).vtable.identity())(delivery, index, into) }
}

/// Adds the identities of `count` messages.
///
/// # Safety
/// The caller holds the indices.
pub(super) unsafe fn identities(
    delivery: *const Delivery,
    first: u32,
    count: u32,
    into: &mut Identities,
) {
    match delivery.is_null() {
        true => into.push_unknown(count),
        // SAFETY: a delivery lives until its last index is settled, and the caller holds these (`#
        // Safety`) and keeps them.
        false => unsafe { ((*delivery).vtable.identities())(delivery, first, count, into) },
    }
}

/// Adds the identities one by one: for deliveries that cannot do better.
///
/// # Safety
/// As for [`identities`]; `delivery` is not null.
pub(super) unsafe extern "C" fn identities_one_by_one(
    delivery: *const Delivery,
    first: u32,
    count: u32,
    into: &mut Identities,
) {
    let mut identity = Identity::default();
    for index in first..first + count {
        // SAFETY: the caller holds these indices (`# Safety`).
        let is_known = unsafe { self::identity(delivery, index, &mut identity) };
        into.push(is_known.then_some(&identity));
    }
}

/// Receives the outcomes of produced messages. Called from any thread; must not block for long, nor
/// panic (that would end the process).
pub trait Settle: Send + Sync + 'static {
    /// `count` messages from index `first` on, of the batch that was sent under `token`, have
    /// ended.
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome);
}

#[repr(C)]
struct Record {
    header: Delivery,
    open: AtomicU32,
    origin: Origin,
}

enum Origin {
    Source { hears: Arc<dyn Settle>, token: u64, positions: Option<Box<Positions>> },
    Derived { parents: Vec<Parent>, worst: AtomicI32 },
}

const VALUE: &WithMetadata<DeliveryVtable> = &WithMetadata::new(DeliveryVtable {
    settle: settle_record,
    position: position_in_record,
    identity: identity_in_record,
    identities: identities_in_record,
});
const VTABLE: DeliveryVtable_Ref = DeliveryVtable_Ref(VALUE.static_as_prefix());

fn leak(count: u32, origin: Origin) -> *const Delivery {
    debug_assert!(count > 0, "a delivery of nothing would never end");
    let header = Delivery { vtable: VTABLE };
    Box::into_raw(Box::new(Record { header, open: AtomicU32::new(count), origin }))
        .cast_const()
        .cast()
}

/// A delivery of `count` indices whose outcomes are reported to `hears`, under `token`.
pub(super) fn open(
    count: u32,
    token: u64,
    positions: Option<Box<Positions>>,
    hears: Arc<dyn Settle>,
) -> *const Delivery {
    leak(count, Origin::Source { hears, token, positions })
}

/// A delivery of `count` indices that settles `parents`, which it takes over, with its worst
/// outcome.
pub(super) fn derive(parents: Vec<Parent>, count: u32) -> *const Delivery {
    if parents.iter().all(|parent| parent.delivery.is_null()) {
        return ptr::null();
    }
    leak(count, Origin::Derived { parents, worst: AtomicI32::new(Outcome::DELIVERED.0) })
}

unsafe extern "C" fn settle_record(
    delivery: *const Delivery,
    first: u32,
    count: u32,
    outcome: Outcome,
) -> u32 {
    let record = delivery.cast::<Record>();
    // SAFETY: this vtable is only found in records of this side; the caller holds `count` indices
    // (DeliveryVtable), so the record is alive until they are subtracted below. The thread that
    // subtracts the last ones is alone with it, and gives up the parents that it held.
    unsafe {
        match &(*record).origin {
            Origin::Source { hears, token, .. } => hears.settled(*token, first, count, outcome),
            Origin::Derived { worst, .. } => {
                worst.fetch_max(outcome.0, Relaxed);
            }
        }
        if (*record).open.fetch_sub(count, AcqRel) != count {
            return count;
        }
        let record = Box::from_raw(record.cast_mut());
        if let Origin::Derived { parents, worst } = record.origin {
            let outcome = Outcome(worst.load(Acquire));
            for parent in parents {
                settle(parent.delivery, parent.first, parent.count, outcome);
            }
        }
    }
    count
}

unsafe extern "C" fn position_in_record(delivery: *const Delivery, index: u32) -> MessagePosition {
    // SAFETY: this vtable is only found in records of this side, and the caller holds an index of
    // this one (DeliveryVtable), as the record holds its parents.
    unsafe {
        match &(*delivery.cast::<Record>()).origin {
            Origin::Source { positions, .. } => {
                let positions = positions.as_deref().map_or(ptr::null(), ptr::from_ref);
                MessagePosition { positions, index }
            }
            Origin::Derived { parents, .. } => match parents.first() {
                Some(parent) => position(parent.delivery, parent.first),
                None => MessagePosition::UNKNOWN,
            },
        }
    }
}

unsafe extern "C" fn identity_in_record(
    delivery: *const Delivery,
    index: u32,
    into: &mut Identity,
) -> bool {
    // SAFETY: this vtable is only found in records of this side, and the caller holds an index of
    // this one (DeliveryVtable), as the record holds its parents.
    unsafe {
        match &(*delivery.cast::<Record>()).origin {
            Origin::Source { positions, .. } => {
                positions.as_deref().is_some_and(|positions| positions.identity_of(index, into))
            }
            // What is made of several messages is none of them.
            Origin::Derived { parents, .. } => match parents[..] {
                [parent] if parent.count == 1 => {
                    let is_known = identity(parent.delivery, parent.first, into);
                    if is_known {
                        into.derive(index);
                    }
                    is_known
                }
                _ => false,
            },
        }
    }
}

unsafe extern "C" fn identities_in_record(
    delivery: *const Delivery,
    first: u32,
    count: u32,
    into: &mut Identities,
) {
    // SAFETY: this vtable is only found in records of this side, and the caller holds these indices
    // (DeliveryVtable).
    unsafe {
        match &(*delivery.cast::<Record>()).origin {
            Origin::Source { positions: Some(positions), .. } => {
                positions.identities_of(first, count, into);
            }
            Origin::Source { positions: None, .. } => into.push_unknown(count),
            Origin::Derived { .. } => identities_one_by_one(delivery, first, count, into),
        }
    }
}
