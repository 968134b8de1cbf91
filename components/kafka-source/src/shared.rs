//! What the thread of the consumer and the worker's thread share: messages on their way in, and how
//! far each partition has been delivered.
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gopiper_abi::{Error, Host, Message};

use crate::progress::{Partitions, Place};

/// Neighbours of one partition.
pub(crate) struct Parcel {
    pub(crate) place: Arc<Place>,
    /// Each with its offset.
    pub(crate) messages: VecDeque<(u64, Message)>,
}

/// Messages to send, with the token of their batch.
pub(crate) struct Departure {
    pub(crate) place: Arc<Place>,
    pub(crate) token: u64,
    pub(crate) offsets: Vec<u64>,
    pub(crate) messages: Vec<Message>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// No more messages are wanted; outcomes still come.
    Ending,
    /// No more outcomes come.
    Closing,
}

struct Inside {
    queue: VecDeque<Parcel>,
    queued: usize,
    queued_bytes: usize,
    partitions: Partitions,
    stage: Stage,
    failure: Option<Error>,
    /// The group has said which partitions this member has.
    was_assigned: bool,
}

pub(crate) struct Shared {
    host: Host,
    inside: Mutex<Inside>,
    /// There is more room, messages have ended, or the stage is another one.
    changed: Condvar,
    /// Counts how often partitions came or went.
    rebalances: AtomicU64,
    most_messages: usize,
    most_bytes: usize,
}

impl Shared {
    pub(crate) fn new(host: Host, most_messages: usize, most_bytes: usize) -> Self {
        let inside = Inside {
            queue: VecDeque::new(),
            queued: 0,
            queued_bytes: 0,
            partitions: Partitions::default(),
            stage: Stage::Running,
            failure: None,
            was_assigned: false,
        };
        Shared {
            host,
            inside: Mutex::new(inside),
            changed: Condvar::new(),
            rebalances: AtomicU64::new(0),
            most_messages,
            most_bytes,
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// The partitions, for a look or a change.
    pub(crate) fn partitions<T>(&self, act: impl FnOnce(&mut Partitions) -> T) -> T {
        act(&mut self.inside().partitions)
    }

    pub(crate) fn rebalances(&self) -> u64 {
        self.rebalances.load(Ordering::Acquire)
    }

    /// This member gets partitions; perhaps none.
    pub(crate) fn assign(&self, partitions: &[(String, i32)]) {
        let mut inside = self.inside();
        inside.was_assigned = true;
        for (topic, partition) in partitions {
            inside.partitions.assign(topic, *partition);
        }
        self.rebalances.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn was_assigned(&self) -> bool {
        self.inside().was_assigned
    }

    /// These go to another member: what waits in the queue is not sent. Returns when all that was
    /// sent has ended, or `may_wait` says no; and how many have not ended.
    pub(crate) fn leave(&self, partitions: &[(String, i32)], may_wait: impl Fn() -> bool) -> usize {
        let mut inside = self.inside();
        inside.partitions.leave(partitions);
        inside.drop_what_left();
        self.rebalances.fetch_add(1, Ordering::Release);
        loop {
            let open = inside.partitions.open(partitions);
            if open == 0 || inside.stage == Stage::Closing {
                return open;
            }
            drop(inside);
            if !may_wait() {
                return open;
            }
            inside = self.wait(self.inside(), Duration::from_millis(100));
        }
    }

    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>, most: Duration) -> MutexGuard<'a, Inside> {
        self.changed.wait_timeout(inside, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Puts messages into the queue.
    pub(crate) fn put(&self, parcels: Vec<Parcel>) {
        let mut inside = self.inside();
        for parcel in parcels {
            if inside.stage != Stage::Running || !inside.partitions.is_held(&parcel.place) {
                continue;
            }
            inside.queued += parcel.messages.len();
            inside.queued_bytes += bytes(&parcel.messages);
            inside.queue.push_back(parcel);
        }
        drop(inside);
        self.host.wake();
    }

    fn is_full(&self, inside: &Inside) -> bool {
        inside.queued >= self.most_messages || inside.queued_bytes >= self.most_bytes
    }

    /// Waits until the queue has room, or for so long. Whether it has.
    pub(crate) fn wait_for_room(&self, most: Duration) -> bool {
        let until = Instant::now() + most;
        let mut inside = self.inside();
        loop {
            if !self.is_full(&inside) || inside.stage != Stage::Running {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inside = self.wait(inside, left);
        }
    }

    /// Whether the queue is less than half full.
    pub(crate) fn has_much_room(&self) -> bool {
        let inside = self.inside();
        inside.queued * 2 < self.most_messages && inside.queued_bytes * 2 < self.most_bytes
    }

    /// Takes messages of one partition, at most so many.
    pub(crate) fn take(&self, most: usize) -> Option<Departure> {
        let mut inside = self.inside();
        let inside = &mut *inside;
        let parcel = inside.queue.front_mut()?;
        let count = most.min(parcel.messages.len());
        let (mut offsets, mut messages) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (offset, message) in parcel.messages.drain(..count) {
            inside.queued_bytes -= message.data().len();
            offsets.push(offset);
            messages.push(message);
        }
        inside.queued -= count;
        let place = parcel.place.clone();
        if parcel.messages.is_empty() {
            inside.queue.pop_front();
        }
        let token = inside.partitions.send(&place, offsets.clone());
        self.changed.notify_all();
        Some(Departure { place, token, offsets, messages })
    }

    pub(crate) fn settle(&self, token: u64, places: Range<u32>, is_final: bool) {
        self.inside().partitions.settle(token, places, is_final);
        self.changed.notify_all();
    }

    pub(crate) fn stage(&self) -> Stage {
        self.inside().stage
    }

    /// The next stage: what waits in the queue is not sent any more.
    pub(crate) fn advance(&self, stage: Stage) {
        let mut inside = self.inside();
        inside.stage = stage;
        inside.queue.clear();
        (inside.queued, inside.queued_bytes) = (0, 0);
        self.changed.notify_all();
    }

    /// Ends the source with this error.
    pub(crate) fn fail(&self, error: Error) {
        self.inside().failure.get_or_insert(error);
        self.host.wake();
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        self.inside().failure.take()
    }
}

impl Inside {
    fn drop_what_left(&mut self) {
        let partitions = &self.partitions;
        self.queue.retain(|parcel| partitions.is_held(&parcel.place));
        self.queued = self.queue.iter().map(|parcel| parcel.messages.len()).sum();
        self.queued_bytes = self.queue.iter().map(|parcel| bytes(&parcel.messages)).sum();
    }
}

fn bytes(messages: &VecDeque<(u64, Message)>) -> usize {
    messages.iter().map(|(_, message)| message.data().len()).sum()
}
