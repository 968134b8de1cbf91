//! Messages that are released in runs: one call for all that share an owner or a delivery.
use std::ptr;

use crate::raw::{Delivery, Extra, Message, Outcome, PayloadOwner, delivery, message::owner};

/// The outcome of a message of a handled batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays in the batch, for the next component.
    Keep,
    /// It has ended.
    Settle(Outcome),
}

/// Messages to release, counted together as long as they have the same owner and delivery.
pub(in crate::raw) struct Runs {
    owner: *const PayloadOwner,
    owned: usize,
    /// The chunk that the attributes lie in.
    chunk: *const PayloadOwner,
    extras: usize,
    delivery: *const Delivery,
    first: u32,
    count: u32,
    outcome: Outcome,
}

impl Default for Runs {
    fn default() -> Self {
        let (owner, delivery) = (ptr::null(), ptr::null());
        let (chunk, extras, outcome) = (ptr::null(), 0, Outcome::DELIVERED);
        Runs { owner, owned: 0, chunk, extras, delivery, first: 0, count: 0, outcome }
    }
}

impl Runs {
    /// # Safety
    /// `slot` holds a message, which is not used again.
    #[inline]
    pub(in crate::raw) unsafe fn take(&mut self, slot: *mut Message, outcome: Outcome) {
        // SAFETY: `slot` holds a message that is not used again (`# Safety`). Everything it owns is
        // counted here, and released once: its owner and its delivery by a later `take` or the
        // drop.
        unsafe {
            let message = &*slot;
            if message.payload.owner != self.owner {
                owner::release(self.owner, self.owned);
                (self.owner, self.owned) = (message.payload.owner, 0);
            }
            self.owned += 1;
            if !message.extra.is_null() {
                self.release_extra(message.extra);
            }
            let follows = message.delivery == self.delivery
                && message.index == self.first.wrapping_add(self.count)
                && outcome == self.outcome;
            if follows {
                self.count += 1;
            } else {
                self.settle();
                (self.delivery, self.first, self.count) = (message.delivery, message.index, 1);
                self.outcome = outcome;
            }
        }
    }

    /// # Safety
    /// The caller gives up a reference on `extra`.
    #[inline]
    unsafe fn release_extra(&mut self, extra: *mut Extra) {
        // SAFETY: the caller gives up a reference (`# Safety`). If it was the last, the one on the
        // chunk is counted here, and released once: here or by the drop.
        unsafe {
            let chunk = Extra::retire(extra);
            if chunk.is_null() {
                return;
            }
            if chunk != self.chunk {
                owner::release(self.chunk, self.extras);
                (self.chunk, self.extras) = (chunk, 0);
            }
            self.extras += 1;
        }
    }

    fn settle(&mut self) {
        // SAFETY: `take` got these indices from messages, once each, and the count of 0 keeps them
        // from being used again.
        unsafe { delivery::settle(self.delivery, self.first, self.count, self.outcome) };
        self.count = 0;
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        // The memory first: the receiver of the outcome may measure how much is still held.
        // SAFETY: `take` got these references from messages, once each.
        unsafe {
            owner::release(self.owner, self.owned);
            owner::release(self.chunk, self.extras);
        }
        self.settle();
    }
}
