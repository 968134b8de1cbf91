//! The channel before a pool of workers: batches, bounded in messages and in bytes. It knows
//! neither the stages that send and receive nor the outcomes of messages.
//!
//! Room (`credit.rs`) is messages and bytes as one number. It is taken by compare and swap before a
//! batch is sent, and returned when the batch has left the stage, in order. So messages that a
//! worker is handling count, too, and messages that wait for their place in the order or for
//! another attempt. A sender that finds no room queues, and the channel counts as full for all
//! others until the head of the queue is served: so a message that needs the whole channel gets it.
//! The bytes of a batch are those of its messages, and at least a quarter of each block that they
//! keep in memory: five lines that are left of a 256 KB block count as 64 KB. With `partition_by` a
//! channel has a queue for each worker, and batches are split (`partition.rs`); the order holds for
//! messages with the same key.
pub(crate) mod credit;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod partition;
pub(crate) mod sequencer;
pub(crate) mod sync;
pub(crate) mod wake;

use std::sync::{
    Arc,
    atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use gopiper_abi::raw::Batch;
use parking_lot::{Mutex, RwLock};

pub(crate) use crate::channel::credit::{MAX_BYTES, MAX_MESSAGES, Ticket};
use crate::{
    base::time_spent::TimeSpent,
    channel::{
        credit::{Credit, Load},
        partition::partition,
        wake::Wake,
    },
};

/// A batch in a channel, with the room that it takes.
pub(crate) struct Queued {
    pub(crate) batch: Batch,
    pub(crate) ticket: Ticket,
}

/// The channel before a pool. Its room is bounded: it is taken before a batch is sent, and returned
/// when the batch has left the stage, in order. So messages that a worker is handling or that wait
/// for their place in the order count, too, and the queue itself needs no bound.
pub(crate) struct Channel {
    /// `None` when no more batches come. One for all workers, or one for each.
    senders: RwLock<Option<Vec<Sender<Queued>>>>,
    receivers: Vec<Receiver<Queued>>,
    /// The attribute that selects a message's worker; `None` for any worker that is free.
    partition_by: Option<String>,
    credit: Credit,
    /// How many senders wait for room.
    waiting: AtomicUsize,
    /// The workers that linger: they may hold the room that a sender waits for.
    lingering: Mutex<Vec<Arc<Wake>>>,
    sequence: AtomicU64,
    /// How many stages may still send.
    sending: AtomicUsize,
    /// Messages that were not sent, as there was no room for them.
    missed: AtomicU64,
}

impl Channel {
    /// A channel with room for this many messages and bytes; a larger batch travels alone.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Self::with_lanes(messages, bytes, 1, None)
    }

    /// The same with a queue for each worker. Messages with the same value of an attribute go to
    /// the same worker.
    pub(crate) fn partitioned(messages: usize, bytes: usize, workers: usize, by: String) -> Self {
        Self::with_lanes(messages, bytes, workers, Some(by))
    }

    fn with_lanes(messages: usize, bytes: usize, lanes: usize, by: Option<String>) -> Self {
        let (senders, receivers) = (0..lanes).map(|_| unbounded()).unzip();
        Channel {
            senders: RwLock::new(Some(senders)),
            receivers,
            partition_by: by,
            credit: Credit::new(messages, bytes),
            waiting: AtomicUsize::new(0),
            lingering: Mutex::default(),
            sequence: AtomicU64::new(0),
            sending: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// The receiver of worker number `worker`.
    pub(crate) fn receiver(&self, worker: usize) -> Receiver<Queued> {
        self.receivers[worker % self.receivers.len()].clone()
    }

    /// The messages in the channel and in the hands of its workers.
    pub(crate) fn messages(&self) -> u64 {
        self.credit.used().messages()
    }

    /// The room that is taken, and the room of the whole channel.
    pub(crate) fn load(&self) -> (Load, Load) {
        (self.credit.used(), self.credit.limit())
    }

    /// How many messages can be sent without waiting.
    pub(crate) fn credit(&self) -> usize {
        self.credit.limit().messages().saturating_sub(self.messages()) as usize
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.senders.read().is_none()
    }

    /// Takes the room for a batch if there is some, for `send_reserved`; a batch larger than the
    /// channel gets it if nothing is in the channel, and travels alone.
    pub(crate) fn try_reserve(&self, batch: &Batch) -> Option<Ticket> {
        let (room, payload) = Load::of(batch);
        self.credit.try_take(room).map(|ticket| Ticket { payload, ..ticket })
    }

    /// Takes the room for the same batch once more, after the first: with half of the channel, it
    /// would wait forever for both.
    pub(crate) fn reserve_again(&self, batch: &Batch) -> Ticket {
        let (room, payload) = Load::of(batch);
        Ticket { payload, ..self.credit.take_anyway(room) }
    }

    /// Sends a batch, or the rest of one, into the room that was taken for it. Never waits. Returns
    /// the bytes of the payloads, or the batch if the channel has closed.
    pub(crate) fn send_reserved(&self, batch: Batch, mut ticket: Ticket) -> Result<u64, Batch> {
        let Some(by) = &self.partition_by else {
            return self.send_part(0, batch, ticket);
        };
        let mut sent = 0;
        for (lane, part) in partition(batch, by, self.receivers.len()) {
            let room = ticket.split(Load::of(&part));
            sent += self.send_part(lane, part, room).unwrap_or(0);
        }
        self.give(ticket);
        Ok(sent)
    }

    /// Sends a batch, in parts if it is larger than the channel, and waits for room; `waits` counts
    /// that time. Returns the bytes of the payloads, or the messages that could not be sent because
    /// the channel has closed.
    pub(crate) fn send(&self, batch: Batch, waits: &TimeSpent) -> Result<u64, Batch> {
        let Some(by) = &self.partition_by else {
            return self.send_to(0, batch, waits);
        };
        // Unsent messages are returned: the parts do not become a batch again.
        let parts = partition(batch, by, self.receivers.len()).into_iter();
        Ok(parts.map(|(lane, part)| self.send_to(lane, part, waits).unwrap_or(0)).sum())
    }

    fn send_to(&self, lane: usize, mut batch: Batch, waits: &TimeSpent) -> Result<u64, Batch> {
        let mut sent = 0;
        loop {
            let (load, payload) = Load::of(&batch);
            if self.credit.is_usual(load) || batch.len() < 2 {
                let ticket = Ticket { payload, ..self.take(load, waits) };
                return Ok(sent + self.send_part(lane, batch, ticket)?);
            }
            let half = (batch.len() / 2).min(self.credit.limit().messages().max(1) as usize);
            let rest = batch.split_off(half);
            sent += match self.send_to(lane, batch, waits) {
                Ok(sent) => sent,
                Err(mut unsent) => {
                    // Both parts were one batch, so they are joined again.
                    while unsent.room() < rest.len() {
                        unsent.grow();
                    }
                    let full = unsent.append(rest).is_err();
                    debug_assert!(!full, "there is room for it");
                    return Err(unsent);
                }
            };
            batch = rest;
        }
    }

    /// Takes room, and waits for it. Workers that linger handle what they have meanwhile.
    fn take(&self, load: Load, waits: &TimeSpent) -> Ticket {
        if let Some(ticket) = self.credit.try_take(load) {
            return ticket;
        }
        let _wait = waits.begin();
        // Before the nudges: a worker looks at this after them.
        self.waiting.fetch_add(1, SeqCst);
        self.lingering.lock().iter().for_each(|wake| wake.nudge());
        let ticket = self.credit.take(load);
        self.waiting.fetch_sub(1, SeqCst);
        ticket
    }

    /// This worker waits for more messages than one batch has.
    pub(crate) fn add_lingering(&self, wake: Arc<Wake>) {
        self.lingering.lock().push(wake);
    }

    /// Whether a sender waits for room.
    pub(crate) fn has_waiting_sender(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    fn send_part(&self, lane: usize, mut batch: Batch, ticket: Ticket) -> Result<u64, Batch> {
        let senders = self.senders.read();
        match &*senders {
            Some(senders) => {
                batch.set_sequence(self.sequence.fetch_add(1, Relaxed));
                let payload = ticket.payload;
                let queued = Queued { batch, ticket };
                // A receiver is kept here, so the queue takes it.
                let sent = senders[lane].send(queued).map(|()| payload);
                sent.map_err(|unsent| unsent.into_inner().batch)
            }
            None => {
                drop(senders);
                self.give(ticket);
                Err(batch)
            }
        }
    }

    /// Sends a batch if there is room for it; otherwise returns it, and counts its messages.
    pub(crate) fn offer(&self, batch: Batch) -> Result<u64, Batch> {
        let sent = match self.try_reserve(&batch) {
            Some(room) => self.send_reserved(batch, room),
            None => Err(batch),
        };
        sent.inspect_err(|batch| {
            self.missed.fetch_add(batch.len() as u64, Relaxed);
        })
    }

    /// Messages that were not sent, as there was no room for them.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }

    /// One more stage sends to it.
    pub(crate) fn begin_sending(&self) {
        self.sending.fetch_add(1, SeqCst);
    }

    /// A stage sends no more; after the last one, the channel closes.
    pub(crate) fn end_sending(&self) {
        if self.sending.fetch_sub(1, SeqCst) == 1 {
            self.close();
        }
    }

    /// No more batches come: the workers end when the queue is empty.
    pub(crate) fn close(&self) {
        self.senders.write().take();
    }

    /// Returns room.
    pub(crate) fn give(&self, ticket: Ticket) {
        self.credit.give(ticket);
    }

    /// Wakes a sender that waits though there is room for it.
    pub(crate) fn wake_sender(&self) {
        self.credit.wake_head();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use gopiper_abi::Message;

    use super::*;
    use crate::base::clock::Clock;

    fn batch(messages: usize, bytes: usize) -> Batch {
        let mut batch = Batch::new(messages as u32);
        for _ in 0..messages {
            batch.push(Message::new(vec![0; bytes])).unwrap();
        }
        batch
    }

    fn waits() -> TimeSpent {
        TimeSpent::new(Clock::default())
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
        let sending = thread::spawn(move || sender.send(batch(10, 1), &waits()).unwrap());
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
        channel.send(batch(1, 1000), &waits()).unwrap();
        assert!(channel.try_reserve(&batch(1, 1)).is_none());
        assert_eq!(sizes(&channel), [1]);
        channel.send(batch(4, 2), &waits()).unwrap();
        assert_eq!(sizes(&channel), [4]);
    }

    #[test]
    fn messages_with_reserved_room_are_sent_whole_and_without_waiting() {
        let channel = Channel::new(4, 1000);
        let first = batch(3, 1);
        let room = channel.try_reserve(&first).unwrap();
        assert!(channel.try_reserve(&batch(2, 1)).is_none(), "it is taken before it is sent");
        channel.send_reserved(first, room).unwrap();
        assert_eq!(sizes(&channel), [3]);
        let larger = batch(10, 1);
        let room = channel.try_reserve(&larger).unwrap();
        channel.send_reserved(larger, room).unwrap();
        assert_eq!(sizes(&channel), [10]);
        let late = batch(1, 1);
        let room = channel.try_reserve(&late).unwrap();
        channel.close();
        assert_eq!(channel.send_reserved(late, room).unwrap_err().len(), 1);
        assert_eq!(channel.messages(), 0);
    }

    #[test]
    fn parts_for_several_workers_share_the_room_of_the_whole() {
        let channel = Channel::partitioned(40, 100_000, 3, "key".into());
        let mut whole = batch(20, 5);
        for (n, message) in whole.messages_mut().iter_mut().enumerate() {
            message.set_attribute("key", n as i64);
        }
        let room = channel.try_reserve(&whole).unwrap();
        drop(whole.split_off(15));
        channel.send_reserved(whole, room).unwrap();
        assert_eq!(channel.messages(), 15, "what was not sent has given its room back");
        let mut received = 0;
        for worker in 0..3 {
            while let Ok(queued) = channel.receiver(worker).try_recv() {
                received += queued.batch.len();
                channel.give(queued.ticket);
            }
        }
        assert_eq!((received, channel.messages()), (15, 0));
        assert!(channel.try_reserve(&batch(40, 0)).is_some());
    }

    #[test]
    fn messages_after_the_end_are_returned_whole() {
        let channel = Channel::new(4, 1000);
        channel.close();
        assert_eq!(channel.send(batch(10, 1), &waits()).unwrap_err().len(), 10);
        assert_eq!(channel.messages(), 0);
    }
}
