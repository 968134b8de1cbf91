//! Room in a channel: how much is taken, and which senders wait for some.
use std::sync::atomic::Ordering::Relaxed;

use gopiper_abi::raw::Batch;

use crate::channel::sync::{AtomicU64, Condvar, Mutex, MutexGuard};

/// The number of bits for bytes; the others, except one, count messages.
const BYTE_BITS: u32 = 39;
/// Set while a sender waits at the head of the queue: for all others the channel is full then, so
/// that they cannot keep it from getting its room.
const CLAIMED: u64 = 1 << 63;
/// More messages than this cannot be counted. Half of the range of the bits, because two loads are
/// added.
pub(crate) const MAX_MESSAGES: usize = (1 << (63 - BYTE_BITS - 1)) - 1;
/// More bytes than this cannot be counted.
pub(crate) const MAX_BYTES: usize = (1 << (BYTE_BITS - 1)) - 1;
/// How often a sender looks for room before it queues up.
const LOOKS: u32 = if cfg!(all(test, loom)) { 1 } else { 10 };

/// Messages and bytes as one number, so that both are taken in one step: taking one and waiting for
/// the other could leave two senders waiting for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load(u64);

impl Load {
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Load((messages.min(MAX_MESSAGES) as u64) << BYTE_BITS | bytes.min(MAX_BYTES) as u64)
    }

    /// The room that a batch takes, and the bytes of its payloads.
    pub(crate) fn of(batch: &Batch) -> (Self, u64) {
        let bytes = batch.bytes();
        (Self::new(batch.len(), bytes.counted), bytes.payload as u64)
    }

    pub(crate) fn messages(self) -> u64 {
        self.0 >> BYTE_BITS
    }

    pub(crate) fn bytes(self) -> u64 {
        self.0 & ((1 << BYTE_BITS) - 1)
    }

    fn is_within(self, limit: Load) -> bool {
        self.messages() <= limit.messages() && self.bytes() <= limit.bytes()
    }

    fn half(self) -> Self {
        Self::new(self.messages() as usize / 2, self.bytes() as usize / 2)
    }
}

/// Room that was taken; returned when its messages have left the stage.
#[must_use = "room that isn't given back is lost to the channel"]
pub(crate) struct Ticket {
    pub(super) room: Load,
    /// The bytes of its messages' payloads. They differ from the bytes that take room.
    pub(crate) payload: u64,
}

impl Ticket {
    /// Takes over the room of another one.
    pub(crate) fn add(&mut self, other: Ticket) {
        self.room.0 += other.room.0;
        self.payload += other.payload;
    }

    /// Splits off the room of a part, as far as there is enough.
    pub(crate) fn split(&mut self, (part, payload): (Load, u64)) -> Ticket {
        let (messages, bytes) =
            (part.messages().min(self.room.messages()), part.bytes().min(self.room.bytes()));
        let room = Load::new(messages as usize, bytes as usize);
        self.room.0 -= room.0;
        Ticket { room, payload }
    }
}

/// The room in a channel. Taking and returning room is one atomic operation unless a sender waits.
/// Senders that find none queue in their order of arrival, before all later ones, so that a message
/// that needs the whole channel gets it.
pub(crate) struct Credit {
    limit: Load,
    /// The room that is taken, and `CLAIMED`. Relaxed everywhere: the queue guards the memory.
    used: AtomicU64,
    /// Held by the sender at the head of the queue, while it waits; the others wait for the lock.
    head: Mutex<()>,
    /// The room that the sender at the head needs.
    wanted: Mutex<Load>,
    freed: Condvar,
}

impl Credit {
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Credit {
            limit: Load::new(messages, bytes),
            used: AtomicU64::new(0),
            head: Mutex::new(()),
            wanted: Mutex::new(Load(0)),
            freed: Condvar::new(),
        }
    }

    /// The room of the whole channel.
    pub(crate) fn limit(&self) -> Load {
        self.limit
    }

    /// The room that is taken.
    pub(crate) fn used(&self) -> Load {
        Load(self.used.load(Relaxed) & !CLAIMED)
    }

    /// Whether this much could ever be taken together with something else.
    pub(crate) fn is_usual(&self, load: Load) -> bool {
        load.is_within(self.limit)
    }

    /// `CLAIMED` counts as more messages than there may be.
    fn fits(&self, used: u64, load: Load) -> bool {
        used == 0 || Load(used + load.0).is_within(self.limit)
    }

    /// Takes room if there is some: never waits.
    pub(crate) fn try_take(&self, load: Load) -> Option<Ticket> {
        let taken = self
            .used
            .fetch_update(Relaxed, Relaxed, |used| self.fits(used, load).then_some(used + load.0));
        taken.is_ok().then_some(Ticket { room: load, payload: 0 })
    }

    /// Takes room even if there is none.
    pub(crate) fn take_anyway(&self, load: Load) -> Ticket {
        self.used.fetch_add(load.0, Relaxed);
        Ticket { room: load, payload: 0 }
    }

    /// Waits for room, and takes it. A request for more than the whole waits until nothing is
    /// taken.
    pub(crate) fn take(&self, load: Load) -> Ticket {
        // A short spin saves two switches when the worker is just about to give room back.
        for look in 0..LOOKS {
            if let Some(ticket) = self.try_take(load) {
                return ticket;
            }
            if look < 6 {
                (0..1 << look).for_each(|_| std::hint::spin_loop());
            } else {
                std::thread::yield_now();
            }
        }
        self.take_in_turn(load)
    }

    #[cold]
    fn take_in_turn(&self, load: Load) -> Ticket {
        let head = self.head.lock();
        let mut wanted = self.wanted.lock();
        *wanted = load;
        // From here on the used room only shrinks, so this will fit eventually.
        self.used.fetch_or(CLAIMED, Relaxed);
        let take = |used: u64| {
            let used = used & !CLAIMED;
            self.fits(used, load).then_some(used + load.0)
        };
        while self.used.fetch_update(Relaxed, Relaxed, take).is_err() {
            self.freed.wait(&mut wanted);
        }
        drop(wanted);
        // To the one that has waited longest.
        MutexGuard::unlock_fair(head);
        Ticket { room: load, payload: 0 }
    }

    /// Returns room.
    pub(crate) fn give(&self, Ticket { room, .. }: Ticket) {
        let left = self.used.fetch_sub(room.0, Relaxed) - room.0;
        if left & CLAIMED != 0 {
            self.tell_head(left & !CLAIMED);
        }
    }

    /// Wakes the sender at the head if there is room for it: messages in the channel may stay there
    /// for long, waiting for another attempt.
    pub(crate) fn wake_head(&self) {
        if self.used.load(Relaxed) & CLAIMED != 0 {
            let wanted = self.wanted.lock();
            if self.fits(self.used.load(Relaxed) & !CLAIMED, *wanted) {
                self.freed.notify_one();
            }
        }
    }

    /// Wakes the sender at the head if little enough is used now.
    #[cold]
    fn tell_head(&self, left: u64) {
        // Waking a sender at every batch would switch threads at every batch: wait until half of
        // the room is free. That moment comes, because all that is in the channel leaves it.
        if Load(left).is_within(self.limit.half()) {
            // It holds this lock until it waits.
            let wanted = self.wanted.lock();
            if self.fits(left, *wanted) {
                self.freed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    /// A sender in the queue, and the room that it needs.
    fn waiting(credit: &Arc<Credit>, load: Load) -> thread::JoinHandle<Ticket> {
        let sender = credit.clone();
        let waiting = thread::spawn(move || sender.take(load));
        while credit.used.load(Relaxed) & CLAIMED == 0 {
            thread::yield_now();
        }
        waiting
    }

    #[test]
    fn messages_and_bytes_are_taken_together() {
        let credit = Credit::new(4, 10);
        let first = credit.try_take(Load::new(3, 1)).unwrap();
        assert!(credit.try_take(Load::new(2, 1)).is_none());
        assert!(credit.try_take(Load::new(1, 10)).is_none());
        let second = credit.try_take(Load::new(1, 9)).unwrap();
        assert!(credit.try_take(Load::new(0, 1)).is_none());
        credit.give(first);
        credit.give(second);
        assert_eq!(credit.used.load(Relaxed), 0);
    }

    #[test]
    fn a_claim_larger_than_the_whole_is_taken_alone() {
        let credit = Credit::new(4, 10);
        let all = credit.try_take(Load::new(usize::MAX, usize::MAX)).unwrap();
        assert!(credit.try_take(Load::new(1, 1)).is_none());
        assert!(credit.try_take(Load::new(usize::MAX, usize::MAX)).is_none());
        credit.give(all);
        let one = credit.try_take(Load::new(1, 1)).unwrap();
        assert!(credit.try_take(Load::new(1, 1000)).is_none());
        credit.give(one);
    }

    #[test]
    fn no_sender_overtakes_one_that_waits_for_all_of_the_room() {
        let credit = Arc::new(Credit::new(4, 10));
        let (first, second) =
            (credit.take(Load::new(1, 1)), credit.try_take(Load::new(1, 1)).unwrap());
        let large = waiting(&credit, Load::new(1, 1000));
        credit.give(first);
        assert!(credit.try_take(Load::new(1, 1)).is_none(), "there is room, but not for others");
        assert_eq!(credit.used().messages(), 1);
        credit.give(second);
        let large = large.join().unwrap();
        credit.give(large);
        assert!(credit.try_take(Load::new(4, 10)).is_some());
    }

    #[test]
    fn a_ticket_is_split_into_what_it_was() {
        let credit = Credit::new(9, 100);
        let mut whole = credit.take(Load::new(5, 50));
        // Two parts that share a block have more bytes than they had together.
        let parts = [whole.split((Load::new(2, 40), 0)), whole.split((Load::new(3, 40), 0)), whole];
        assert_eq!(parts.each_ref().map(|part| part.room.messages()), [2, 3, 0]);
        parts.into_iter().for_each(|part| credit.give(part));
        assert_eq!(credit.used.load(Relaxed), 0);
    }

    #[test]
    fn senders_of_all_sizes_get_their_turns() {
        let credit = Arc::new(Credit::new(8, 100));
        let senders: Vec<_> = [1, 3, 40, 1000]
            .map(|bytes| {
                let credit = credit.clone();
                thread::spawn(move || {
                    for _ in 0..500 {
                        let ticket = credit.take(Load::new(1, bytes));
                        thread::yield_now();
                        credit.give(ticket);
                    }
                })
            })
            .into();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!(credit.used.load(Relaxed), 0);
    }
}
