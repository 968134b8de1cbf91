//! The channel before a pool of workers: batches, bounded in messages and in bytes.
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use gopiper_abi::raw::Batch;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::partition::partition;

/// The bytes in a channel are counted in so many bits, the messages in the others.
const BYTE_BITS: u32 = 40;
/// More messages than this can't be counted.
pub(crate) const MAX_MESSAGES: usize = (1 << (64 - BYTE_BITS - 1)) - 1;
/// More bytes than this can't be counted.
pub(crate) const MAX_BYTES: usize = (1 << (BYTE_BITS - 1)) - 1;

/// Messages and bytes as one number, so that both are taken in one step: taking one and waiting for
/// the other could leave two senders waiting for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load(u64);

impl Load {
    fn new(messages: usize, bytes: usize) -> Self {
        Load((messages.min(MAX_MESSAGES) as u64) << BYTE_BITS | bytes.min(MAX_BYTES) as u64)
    }

    fn of(batch: &Batch) -> Self {
        Self::new(batch.len(), batch.bytes())
    }

    fn messages(self) -> u64 {
        self.0 >> BYTE_BITS
    }

    fn bytes(self) -> u64 {
        self.0 & ((1 << BYTE_BITS) - 1)
    }

    fn is_within(self, limit: Load) -> bool {
        self.messages() <= limit.messages() && self.bytes() <= limit.bytes()
    }
}

/// Room in a channel, taken by a batch; given back when the batch has left the stage.
#[must_use = "room that isn't given back is lost to the channel"]
pub(crate) struct Ticket(Load);

impl Ticket {
    /// Takes the room of another one over.
    pub(crate) fn add(&mut self, other: Ticket) {
        self.0.0 += other.0.0;
    }
}

/// A batch in a channel, with the room that it takes.
pub(crate) struct Queued {
    pub(crate) batch: Batch,
    pub(crate) ticket: Ticket,
}

/// The channel before a pool. What is bounded is room: it is taken before a batch is sent, and given
/// back when the batch has left the stage, in order. So what a worker has in hand, and what waits to
/// be put in order, counts too, and the queue itself needs no bound.
pub(crate) struct Channel {
    /// None when nothing comes any more. One for all workers, or one for each.
    senders: RwLock<Option<Vec<Sender<Queued>>>>,
    receivers: Vec<Receiver<Queued>>,
    /// The attribute by which messages are given to workers; None: to whichever is free.
    partition_by: Option<String>,
    limit: Load,
    used: AtomicU64,
    sequence: AtomicU64,
    waiting: AtomicU32,
    wait: Mutex<()>,
    freed: Condvar,
}

impl Channel {
    /// Room for so many messages and bytes; a larger batch travels alone.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Self::with_lanes(messages, bytes, 1, None)
    }

    /// The same for so many workers, each of which gets the messages that agree in an attribute.
    pub(crate) fn partitioned(messages: usize, bytes: usize, workers: usize, by: String) -> Self {
        Self::with_lanes(messages, bytes, workers, Some(by))
    }

    fn with_lanes(messages: usize, bytes: usize, lanes: usize, by: Option<String>) -> Self {
        let (senders, receivers) = (0..lanes).map(|_| unbounded()).unzip();
        Channel {
            senders: RwLock::new(Some(senders)),
            receivers,
            partition_by: by,
            limit: Load::new(messages, bytes),
            used: AtomicU64::new(0),
            sequence: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            wait: Mutex::new(()),
            freed: Condvar::new(),
        }
    }

    /// Where worker number `worker` gets its batches.
    pub(crate) fn receiver(&self, worker: usize) -> Receiver<Queued> {
        self.receivers[worker % self.receivers.len()].clone()
    }

    /// The messages in the channel and in the hands of its workers.
    pub(crate) fn messages(&self) -> u64 {
        Load(self.used.load(Relaxed)).messages()
    }

    /// How many messages can be sent without waiting.
    pub(crate) fn credit(&self) -> usize {
        self.limit.messages().saturating_sub(self.messages()) as usize
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.senders.read().is_none()
    }

    /// Whether the batch could be sent now without waiting.
    pub(crate) fn has_room_for(&self, batch: &Batch) -> bool {
        self.fits(Load(self.used.load(SeqCst)), Load::of(batch))
    }

    /// Sends a batch, in parts if it is larger than the channel, and waits for room. Gives back
    /// what it could not send because the channel has closed.
    pub(crate) fn send(&self, batch: Batch) -> Result<(), Batch> {
        let Some(by) = &self.partition_by else {
            return self.send_to(0, batch);
        };
        for (lane, part) in partition(batch, by, self.receivers.len()) {
            // What is not sent any more is returned: the parts are no batch again.
            drop(self.send_to(lane, part));
        }
        Ok(())
    }

    fn send_to(&self, lane: usize, mut batch: Batch) -> Result<(), Batch> {
        loop {
            let load = Load::of(&batch);
            if load.is_within(self.limit) || batch.len() < 2 {
                return self.send_part(lane, batch, load);
            }
            let half = (batch.len() / 2).min(self.limit.messages().max(1) as usize);
            let rest = batch.split_off(half);
            if let Err(mut unsent) = self.send_to(lane, batch) {
                // Both parts were one batch: together again.
                return match unsent.append(rest) {
                    Ok(()) => Err(unsent),
                    Err(rest) => {
                        while unsent.room() < rest.len() {
                            unsent.grow();
                        }
                        let _ = unsent.append(rest);
                        Err(unsent)
                    }
                };
            }
            batch = rest;
        }
    }

    fn send_part(&self, lane: usize, mut batch: Batch, load: Load) -> Result<(), Batch> {
        self.take(load);
        let senders = self.senders.read();
        match &*senders {
            Some(senders) => {
                batch.set_sequence(self.sequence.fetch_add(1, Relaxed));
                let queued = Queued { batch, ticket: Ticket(load) };
                // A receiver is kept here, so the queue takes it.
                senders[lane].send(queued).map_err(|unsent| unsent.into_inner().batch)
            }
            None => {
                drop(senders);
                self.give(Ticket(load));
                Err(batch)
            }
        }
    }

    /// Nothing comes any more: the workers end when the queue is empty.
    pub(crate) fn close(&self) {
        self.senders.write().take();
    }

    fn fits(&self, used: Load, load: Load) -> bool {
        used.0 == 0 || Load(used.0 + load.0).is_within(self.limit)
    }

    fn try_take(&self, load: Load) -> bool {
        let taken = self.used.fetch_update(SeqCst, SeqCst, |used| {
            self.fits(Load(used), load).then_some(used + load.0)
        });
        taken.is_ok()
    }

    /// Takes room, waiting for it.
    fn take(&self, load: Load) {
        // A short spin saves two switches when the worker is just about to give room back.
        for turn in 0..10 {
            if self.try_take(load) {
                return;
            }
            if turn < 6 {
                (0..1 << turn).for_each(|_| std::hint::spin_loop());
            } else {
                std::thread::yield_now();
            }
        }
        let mut guard = self.wait.lock();
        self.waiting.fetch_add(1, SeqCst);
        while !self.try_take(load) {
            self.freed.wait(&mut guard);
        }
        self.waiting.fetch_sub(1, SeqCst);
    }

    /// Gives room back.
    pub(crate) fn give(&self, ticket: Ticket) {
        let left = Load(self.used.fetch_sub(ticket.0.0, SeqCst) - ticket.0.0);
        // Waking a sender at every batch would switch threads at every batch: wait until half of the
        // room is free. That moment comes, because all that is in the channel leaves it.
        let half = Load::new(self.limit.messages() as usize / 2, self.limit.bytes() as usize / 2);
        if self.waiting.load(SeqCst) > 0 && left.is_within(half) {
            drop(self.wait.lock());
            self.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use gopiper_abi::Message;

    use super::*;

    fn batch(messages: usize, bytes: usize) -> Batch {
        let mut batch = Batch::new(messages as u32);
        for _ in 0..messages {
            batch.push(Message::new(vec![0; bytes])).unwrap();
        }
        batch
    }

    fn sizes(channel: &Channel) -> Vec<usize> {
        let receiver = channel.receiver(0);
        let mut sizes = Vec::new();
        while let Ok(queued) = receiver.try_recv() {
            sizes.push(queued.batch.len());
            channel.give(queued.ticket);
        }
        sizes
    }

    #[test]
    fn a_batch_larger_than_the_channel_is_sent_in_parts() {
        let channel = Arc::new(Channel::new(4, 1000));
        let sender = channel.clone();
        let sending = thread::spawn(move || sender.send(batch(10, 1)).unwrap());
        let (receiver, mut seen) = (channel.receiver(0), 0);
        while seen < 10 {
            let queued = receiver.recv().unwrap();
            assert!(queued.batch.len() <= 4);
            assert!(channel.messages() <= 4);
            seen += queued.batch.len();
            channel.give(queued.ticket);
        }
        sending.join().unwrap();
        assert_eq!(channel.messages(), 0);
    }

    #[test]
    fn a_message_larger_than_the_channel_travels_alone() {
        let channel = Channel::new(4, 10);
        channel.send(batch(1, 1000)).unwrap();
        assert!(!channel.has_room_for(&batch(1, 1)));
        assert_eq!(sizes(&channel), [1]);
        assert!(channel.has_room_for(&batch(4, 2)));
        assert!(!channel.fits(Load::new(1, 1), Load::new(1, 10)));
    }

    #[test]
    fn what_comes_after_the_end_is_given_back_whole() {
        let channel = Channel::new(4, 1000);
        channel.close();
        assert_eq!(channel.send(batch(10, 1)).unwrap_err().len(), 10);
        assert_eq!(channel.messages(), 0);
    }
}
