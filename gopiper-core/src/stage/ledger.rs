//! The outcomes of messages that no source waits for: those that a component created itself, or
//! that were copied for a detached branch.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use gopiper_abi::raw::{Outcome, Settle};
use parking_lot::Mutex;

use crate::{channel::wake::Wake, stage::counters::Outcomes};

/// The outcomes of the messages that a component created itself.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) open: AtomicU64,
    pub(crate) outcomes: Outcomes,
    /// Wakes the workers when nothing is open any more.
    pub(crate) wakes: Mutex<Vec<Arc<Wake>>>,
}

impl Ledger {
    pub(crate) fn open(&self, messages: usize) {
        self.open.fetch_add(messages as u64, SeqCst);
    }

    pub(crate) fn settle(&self, count: u32, outcome: Outcome) {
        self.outcomes.add(outcome, count);
        if self.open.fetch_sub(u64::from(count), SeqCst) == u64::from(count) {
            self.wakes.lock().iter().for_each(|wake| wake.nudge());
        }
    }
}

impl Settle for Ledger {
    fn settled(&self, _token: u64, _first: u32, count: u32, outcome: Outcome) {
        self.settle(count, outcome);
    }
}
