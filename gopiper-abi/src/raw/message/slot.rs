//! A message in a slot of a batch: what its status says while the component has it, and what hosts
//! do with it there.
use std::sync::atomic::AtomicI32;

use crate::raw::{Extra, Message, Payload};

// Statuses of a slot while its message is with the component; all negative, none a report.

/// Handed out; the slot's bits are the message as received, but have no owner.
pub(crate) const VACANT: i32 = i32::MIN;
/// Deferred; the slot owns the message as received.
pub(crate) const LATE: i32 = i32::MIN + 1;

/// Identifies a message among all messages whose outcomes sources wait for at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId {
    /// The address of its delivery.
    pub(in crate::raw) delivery: usize,
    /// Its index there.
    pub(in crate::raw) index: u32,
}

impl Message {
    /// Describes the outcome of the message in a slot. Another thread may read the slot's status
    /// meanwhile (`Watch`): a reference to the whole message would overlap that.
    ///
    /// # Safety
    /// `slot` owns its extra, and nothing else touches that before the status is stored.
    pub(in crate::raw) unsafe fn describe_slot(slot: *mut Message, description: &str) {
        // SAFETY: the slot owns its extra, and nothing else touches that now (`# Safety`).
        unsafe { Extra::describe(&raw mut (*slot).extra, description) }
    }

    /// The status of a slot that another thread may be writing.
    ///
    /// # Safety
    /// `slot` is a slot of a batch that is alive.
    #[inline]
    pub(in crate::raw) unsafe fn atomic_status<'a>(slot: *mut Message) -> &'a AtomicI32 {
        // SAFETY: the batch of the slot is alive (`# Safety`), the field is aligned, and a slot's
        // status is only touched atomically while a Deferred of it is out.
        unsafe { AtomicI32::from_ptr(&raw mut (*slot).status) }
    }
}

/// For hosts: components have no use for these.
impl Message {
    /// The status of a [vacated](Message::vacated) place.
    pub const VACATED: i32 = i32::MIN + 2;

    /// The content of a place whose message was taken out: empty, with nothing to settle.
    pub fn vacated() -> Self {
        let mut message = Message::new(Payload::empty());
        message.status = Self::VACATED;
        message
    }

    /// Whether a source waits for its outcome: an author's message never says so, and of a run only
    /// the first one does ([`Batch::has_delivery`](crate::raw::Batch::has_delivery)).
    pub fn has_delivery(&self) -> bool {
        !self.delivery.is_null()
    }

    /// Identifies the message among all that have a delivery at this time. `None` if it has no
    /// delivery ([`Message::has_delivery`]).
    pub fn id(&self) -> Option<MessageId> {
        let id = MessageId { delivery: self.delivery.addr(), index: self.index };
        self.has_delivery().then_some(id)
    }

    /// Puts a status on it, without a description.
    pub fn set_status(&mut self, status: i32) {
        self.status = status;
    }

    /// How often the component that gets it next was given it before.
    pub fn set_attempts(&mut self, attempts: u16) {
        self.attempts = attempts;
    }
}
