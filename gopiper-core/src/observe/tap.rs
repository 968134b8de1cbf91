//! Looks at messages while they pass a component.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use crate::{
    run::running::Control,
    stage::{
        Stage,
        taps::{SharedTap, TapOptions, TappedMessage},
    },
};

/// A look at the messages of a component, until it is dropped.
pub struct MessageTap {
    stage: Arc<Stage>,
    tap: Arc<SharedTap>,
}

impl MessageTap {
    /// The message that was copied first of those that were not taken yet. It does not wait.
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
    /// Looks at messages of a component from now on. `None` if there is no such component, or
    /// others look at it already, too many of them.
    pub fn tap(&self, component: &str, options: &TapOptions) -> Option<MessageTap> {
        let stage = self.stages().iter().find(|stage| stage.name == component)?;
        Some(MessageTap { tap: stage.taps.open(options)?, stage: stage.clone() })
    }
}
