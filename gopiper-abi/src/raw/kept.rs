//! Messages that a component keeps and has not passed on yet.
use std::mem;

use crate::raw::{Identity, Message, MessageId, Outcome, Parent, Report, delivery};

/// A message that a component keeps, with the duty to settle it: by sending something made from it
/// ([`Postponed::send_from`](crate::Postponed::send_from)). If it is dropped unsent, it has failed.
#[derive(Debug)]
#[must_use = "a kept message that is dropped unsent has failed"]
pub struct Kept {
    message: Message,
    deliveries: Deliveries,
}

impl Kept {
    pub(in crate::raw) fn new(mut message: Message) -> Self {
        let (delivery, first) = message.take_delivery();
        let deliveries = Deliveries { parents: vec![Parent { delivery, first, count: 1 }] };
        Kept { message, deliveries }
    }

    /// Keeps the message in a slot of a batch that a component has as a whole, as
    /// [`HandledCallback::keep`](crate::HandledCallback::keep) does: for code that sets the
    /// statuses of the
    /// slots itself ([`BatchCall::header`](crate::BatchCall::header)).
    pub fn of_slot(slot: &mut Message) -> Self {
        let mut message = mem::replace(slot, Message::vacated());
        slot.status = Report::CONTINUE;
        (message.status, message.attempts) = (0, 0);
        Self::new(message)
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The identity of the message, as [`HandledCallback::id`](crate::HandledCallback::id) has it.
    pub fn id(&self) -> Option<Identity> {
        let mut identity = Identity::default();
        let parent = self.deliveries.parents.first()?;
        // SAFETY: the index is held here (`new`), and kept.
        let is_known = unsafe { delivery::identity(parent.delivery, parent.first, &mut identity) };
        is_known.then_some(identity)
    }

    /// The message to change or pass on, and the duty apart from it.
    pub fn split(self) -> (Message, Deliveries) {
        (self.message, self.deliveries)
    }
}

/// The duty to settle messages, without the messages: neighbours are merged, so that a window over
/// a million messages holds a few numbers.
///
/// Sent along with the messages made from them, they settle as those do. If they are dropped
/// unsent, they have failed.
#[derive(Debug, Default)]
#[must_use = "deliveries that are dropped unsent have failed"]
pub struct Deliveries {
    parents: Vec<Parent>,
}

impl Deliveries {
    /// Takes others over.
    pub fn add(&mut self, more: impl Into<Deliveries>) {
        for parent in mem::take(&mut more.into().parents) {
            match self.parents.last_mut().filter(|last| last.delivery == parent.delivery) {
                // Messages without a delivery are only counted.
                Some(last) if last.delivery.is_null() || follows(last, &parent) => {
                    last.count += parent.count;
                }
                Some(last) if follows(&parent, last) => {
                    last.first = parent.first;
                    last.count += parent.count;
                }
                _ => self.parents.push(parent),
            }
        }
    }

    /// How many messages wait for this.
    pub fn len(&self) -> usize {
        self.parents.iter().map(|parent| parent.count as usize).sum()
    }

    /// Whether no message waits for this.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// Whether this message is among them. For hosts.
    pub fn contains(&self, message: MessageId) -> bool {
        self.parents.iter().any(|parent| {
            let place = message.index.checked_sub(parent.first);
            parent.delivery.addr() == message.delivery && place.is_some_and(|at| at < parent.count)
        })
    }

    /// Gives the messages back to their source, which sends them again the next time, if it can:
    /// for messages that are still kept when the component ends and cannot become output any more.
    pub fn give_back(self) {
        self.settle(Outcome::RETURNED);
    }

    /// Nothing is made of the messages; this is their outcome.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        for parent in mem::take(&mut self.parents) {
            // SAFETY: the indices were taken out of `self`, which alone held them, so each is
            // settled once.
            unsafe { delivery::settle(parent.delivery, parent.first, parent.count, outcome) };
        }
    }

    /// # Safety
    /// The caller holds the indices, and gives them up.
    pub(in crate::raw) unsafe fn from_parents(parents: Vec<Parent>) -> Self {
        Deliveries { parents }
    }

    pub(in crate::raw) fn into_parents(mut self) -> Vec<Parent> {
        mem::take(&mut self.parents)
    }
}

/// Whether the indices of `next` begin where those of `before` end.
fn follows(before: &Parent, next: &Parent) -> bool {
    before.first.checked_add(before.count) == Some(next.first)
}

impl From<Kept> for Deliveries {
    fn from(kept: Kept) -> Self {
        kept.deliveries
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        for parent in &self.parents {
            // SAFETY: these indices are held here and nowhere else; they are not used again.
            unsafe { delivery::drop_unsent(parent.delivery, parent.first, parent.count) }
        }
    }
}
