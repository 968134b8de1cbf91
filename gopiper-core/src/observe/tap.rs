//! Copies of messages that pass a component.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use gopiper_abi::Kind;

use crate::{
    run::running::Control,
    stage::{
        Stage,
        taps::{SharedTap, TapOptions, TappedMessage},
    },
};

/// Receives copies of the messages of a component, until it is dropped.
pub struct MessageTap {
    stage: Arc<Stage>,
    tap: Arc<SharedTap>,
}

impl MessageTap {
    /// Takes the oldest copy. Does not wait.
    pub fn take(&self) -> Option<TappedMessage> {
        self.tap.take()
    }

    /// The number of messages that were due, and were not copied because too many copies waited.
    pub fn unseen(&self) -> u64 {
        self.tap.unseen.load(Relaxed)
    }

    /// Whether the component has ended: no more messages come.
    pub fn has_ended(&self) -> bool {
        self.stage.workers.load(Relaxed) == 0
    }
}

impl Drop for MessageTap {
    fn drop(&mut self) {
        self.stage.taps.close(&self.tap);
    }
}

impl Control {
    /// Whether a component of this name is a source.
    pub fn is_source(&self, component: &str) -> bool {
        self.stages().iter().any(|stage| stage.name == component && stage.kind == Kind::SOURCE)
    }

    /// Copies messages of a component from now on. `None` if there is no such component, or if it
    /// has too many taps already.
    pub fn tap(&self, component: &str, options: &TapOptions) -> Option<MessageTap> {
        let stage = self.stages().iter().find(|stage| stage.name == component)?;
        Some(MessageTap { tap: stage.taps.open(options)?, stage: stage.clone() })
    }
}
