//! The entrance of a stage for messages.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use gopiper_abi::raw::{Batch, Outcome};

use crate::{channel::Channel, stage::ledger::Ledger};

/// A stage, as those before it see it.
pub(crate) struct Inlet {
    pub(crate) channel: Arc<Channel>,
    /// Of the stage: it receives the outcomes of copies that begin here.
    pub(crate) ledger: Arc<Ledger>,
    pipeline: Arc<str>,
    component: String,
    /// Whether the log says that messages found no room.
    is_said: AtomicBool,
}

impl Inlet {
    pub(crate) fn new(channel: Arc<Channel>, pipeline: Arc<str>, component: String) -> Self {
        Inlet {
            channel,
            ledger: Arc::default(),
            pipeline,
            component,
            is_said: AtomicBool::new(false),
        }
    }

    /// Takes a batch if there is room for it; drops it if not.
    pub(crate) fn offer(&self, batch: Batch) {
        let Err(mut missed) = self.channel.offer(batch) else { return };
        if !self.is_said.swap(true, Relaxed) {
            tracing::warn!(
                pipeline = &*self.pipeline,
                component = self.component,
                "the branch is full: messages without room are dropped"
            );
        }
        missed.settle(Outcome::DROPPED);
    }
}
