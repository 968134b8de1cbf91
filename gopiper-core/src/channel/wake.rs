//! Wakes a worker that waits for messages.
use std::sync::atomic::{
    AtomicBool, AtomicI64,
    Ordering::{Relaxed, SeqCst},
};

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use crate::base::clock::Clock;

/// Wakes one worker: by a nudge now, or at a moment.
pub(crate) struct Wake {
    nudged: AtomicBool,
    /// When to call `timer`, by the monotonic clock; `i64::MAX` for never.
    due: AtomicI64,
    sender: Sender<()>,
    receiver: Receiver<()>,
    pub(crate) clock: Clock,
}

impl Wake {
    pub(crate) fn new(clock: Clock) -> Self {
        // One nudge in the channel is enough: the worker that takes it looks at everything.
        let (sender, receiver) = bounded(1);
        clock.add_sleeper(&sender);
        let due = AtomicI64::new(i64::MAX);
        Wake { nudged: AtomicBool::new(false), due, sender, receiver, clock }
    }

    /// Makes the worker look around.
    pub(crate) fn nudge(&self) {
        self.nudged.store(true, SeqCst);
        let _ = self.sender.try_send(());
    }

    /// Whether there was a nudge since the last call.
    pub(crate) fn take_nudge(&self) -> bool {
        self.nudged.load(SeqCst) && self.nudged.swap(false, SeqCst)
    }

    pub(crate) fn set_due(&self, moment: i64) {
        self.due.store(moment, SeqCst);
        self.nudge();
    }

    /// The moment, if it has come; it comes once.
    pub(crate) fn take_due(&self) -> Option<i64> {
        let due = self.due.load(Relaxed);
        if due == i64::MAX {
            return None;
        }
        let now = self.clock.monotonic();
        let taken = now >= due && self.due.compare_exchange(due, i64::MAX, SeqCst, SeqCst).is_ok();
        taken.then_some(now)
    }

    /// Whether a moment in the future is set.
    pub(crate) fn is_set(&self) -> bool {
        self.due.load(Relaxed) != i64::MAX
    }

    /// Forgets the moment.
    pub(crate) fn take_due_back(&self) {
        self.due.store(i64::MAX, SeqCst);
    }

    /// Waits for `until`, and ignores nudges.
    pub(crate) fn sleep(&self, until: i64) {
        match self.clock.until(until) {
            None => _ = self.receiver.recv(),
            Some(left) => _ = self.receiver.recv_timeout(left),
        }
    }

    /// Waits for a nudge, the due moment, or `until`. Also returns if a clock was moved by hand.
    pub(crate) fn wait(&self, until: i64) {
        self.select(None::<&Receiver<()>>, until);
    }

    /// The same, or for something in a queue.
    pub(crate) fn wait_for<T>(&self, queue: &Receiver<T>, until: i64) {
        self.select(Some(queue), until);
    }

    fn select<T>(&self, queue: Option<&Receiver<T>>, until: i64) {
        let until = until.min(self.due.load(SeqCst));
        let mut select = Select::new();
        select.recv(&self.receiver);
        if let Some(queue) = queue {
            select.recv(queue);
        }
        match if until == i64::MAX { None } else { self.clock.until(until) } {
            None => _ = select.ready(),
            Some(left) => _ = select.ready_timeout(left),
        }
        // The flag already says that there was a nudge.
        let _ = self.receiver.try_recv();
    }
}
