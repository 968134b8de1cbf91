//! The entrance of a stage for messages.
use std::sync::Arc;

use gopiper_abi::raw::{Batch, Outcome};

use crate::{
    channel::Channel,
    stage::{Failures, ledger::Ledger},
};

/// A stage, as those before it see it.
pub(crate) struct Inlet {
    pub(crate) channel: Arc<Channel>,
    /// Of the stage: it receives the outcomes of copies that begin here.
    pub(crate) ledger: Arc<Ledger>,
    /// The stage's log.
    failures: Arc<Failures>,
}

impl Inlet {
    pub(crate) fn new(channel: Arc<Channel>, failures: Arc<Failures>) -> Self {
        Inlet { channel, ledger: Arc::default(), failures }
    }

    /// Takes a batch if there is room for it; otherwise drops it. Returns the bytes that were
    /// taken.
    pub(crate) fn offer(&self, batch: Batch) -> u64 {
        let mut missed = match self.channel.offer(batch) {
            Ok(sent) => return sent,
            Err(missed) => missed,
        };
        self.failures.report_dropped(missed.len() as u64, "there is no room in this branch");
        missed.settle(Outcome::DROPPED);
        0
    }
}
