//! The components in the pipelines of the model.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use gopiper_abi::{Component, Deliveries, Error, HandledCallback, Message, Outcome, Postponed};

use crate::{DELIVERED, DROPPED, FAILED};

/// Creates several messages from each, or none.
pub(crate) struct Split(pub(crate) usize, pub(crate) Postponed);

impl Component for Split {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let (message, settles) = handled.keep(message).split();
        let parts: Vec<_> = (0..self.0).map(|_| message.duplicate()).collect();
        let _ = self.1.send_from(settles, parts);
    }
}

/// Creates one message from several.
pub(crate) struct Merge {
    pub(crate) count: usize,
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) settles: Deliveries,
    pub(crate) postponed: Postponed,
}

impl Merge {
    fn send(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        if !parts.is_empty() {
            let settles = std::mem::take(&mut self.settles);
            let _ = self.postponed.send_from(settles, [Message::new(parts.join(&b","[..]))]);
        }
    }
}

impl Component for Merge {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.parts.push(message.data().to_vec());
        self.settles.add(handled.keep(message));
        if self.parts.len() == self.count {
            self.send();
        }
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.send();
        Ok(())
    }
}

/// Fails long messages, and drops short ones.
pub(crate) struct Judge;

pub(crate) fn verdict(text: &str) -> Outcome {
    match text.len() {
        ..5 => DROPPED,
        24.. => FAILED,
        _ => DELIVERED,
    }
}

impl Component for Judge {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        match verdict(&String::from_utf8_lossy(message.data())) {
            DROPPED => handled.discard(message),
            FAILED => handled.fail(message, "too long"),
            _ => handled.done(message),
        }
    }
}

/// The gate where components hang, and those that hang there.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) hanging: AtomicUsize,
    pub(crate) open: AtomicBool,
}

/// Gets stuck at messages of that name, until all is over.
pub(crate) struct Stuck(pub(crate) Arc<Gate>);

pub(crate) const HANG: &str = "hang";

impl Component for Stuck {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if message.data() == HANG.as_bytes() {
            self.0.hanging.fetch_add(1, SeqCst);
            while !self.0.open.load(SeqCst) {
                thread::park_timeout(Duration::from_millis(1));
            }
        }
        handled.done(message);
    }
}
