//! The options of an operator that follows messages, and the passports that wait for the operator.
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crossbeam_channel::{Receiver, Sender, bounded};
use gopiper_abi::{Message, raw::Batch};
use memchr::memmem::Finder;
use parking_lot::Mutex;

use crate::stage::{pace::Pace, traces::passport::Passport};

/// The most messages that are followed at the same time for an operator. Others pass unfollowed.
pub(super) const MOST_OPEN: usize = 256;
/// The most passports that wait for an operator.
const WAITING: usize = 256;

pub(super) type TraceId = [u8; 16];

/// Which messages are followed.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// The most messages a second.
    pub per_second: f64,
    /// Only messages whose bytes contain this when their source sends them. Each message is
    /// searched while one is due.
    pub contains: Vec<u8>,
    /// Also messages whose source gives them a sampled trace, and messages from a buffer that had
    /// one before.
    pub given: bool,
}

/// The state that the workers share with the operator's side.
pub(crate) struct SharedWatch {
    contains: Finder<'static>,
    pub(super) given: bool,
    pub(super) pace: Pace,
    /// The last messages that were chosen: they are followed again when they leave a buffer.
    chosen: Mutex<VecDeque<TraceId>>,
    sender: Sender<Passport>,
    pub(crate) receiver: Receiver<Passport>,
    /// Messages that were not followed or not shown because there were too many.
    pub(crate) unseen: AtomicU64,
    /// Those of them whose passports found no room since the count was taken last.
    pub(crate) lost: AtomicU64,
}

impl SharedWatch {
    pub(super) fn new(options: &TraceOptions) -> Arc<Self> {
        let (sender, receiver) = bounded(WAITING);
        Arc::new(SharedWatch {
            contains: Finder::new(&options.contains).into_owned(),
            given: options.given,
            pace: Pace::new(options.per_second),
            chosen: Mutex::default(),
            sender,
            receiver,
            unseen: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }

    /// A message is not followed, or not shown.
    pub(super) fn miss(&self) {
        self.unseen.fetch_add(1, Relaxed);
    }

    /// Shows the passport of a message that has ended, if there is room.
    pub(super) fn show(&self, passport: &Passport) {
        if self.sender.try_send(passport.clone()).is_err() {
            self.miss();
            self.lost.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn has_chosen(&self, id: TraceId) -> bool {
        self.chosen.lock().contains(&id)
    }

    pub(super) fn remember(&self, id: TraceId) {
        let mut chosen = self.chosen.lock();
        if chosen.len() == MOST_OPEN {
            chosen.pop_front();
        }
        chosen.push_back(id);
    }

    /// The place of the message to follow next, if one is due.
    pub(super) fn choose(&self, batch: &Batch, now: i64) -> Option<usize> {
        let fits = |message: &Message| self.contains.find(message.data()).is_some();
        self.pace.choose(now, || batch.messages().iter().position(fits))
    }
}
