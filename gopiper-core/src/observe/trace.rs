//! Follows single messages through a pipeline.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use crate::{
    run::running::Control,
    stage::{
        traces::passport::Passport,
        traces::{SharedWatch, TraceOptions, Traces},
    },
};

/// Follows messages of a pipeline, until it is dropped.
pub struct MessageTrace {
    control: Control,
    traces: Arc<Traces>,
    watch: Arc<SharedWatch>,
}

impl MessageTrace {
    /// Takes the passport of the message that ended first. Does not wait.
    pub fn take(&self) -> Option<Passport> {
        self.watch.receiver.try_recv().ok()
    }

    /// The passports of messages that have not ended, if `wants` returns true for them. `wants` has
    /// to be quick: workers with followed messages wait for the lock meanwhile.
    pub fn open(&self, wants: impl FnMut(&Passport) -> bool) -> Vec<Passport> {
        self.traces.open(&self.watch, wants)
    }

    /// The number of messages that were due, and were not followed or shown because there were too
    /// many.
    pub fn unseen(&self) -> u64 {
        self.watch.unseen.load(Relaxed)
    }

    /// The number of messages that were followed, and whose passports found no room because too
    /// many waited to be taken. Only those since the last call.
    pub fn take_lost(&self) -> u64 {
        self.watch.lost.swap(0, Relaxed)
    }

    /// The components that a message goes to from this one, by their names in the pipeline.
    pub fn next_of(&self, component: &str) -> Vec<String> {
        let stage = self.control.stages().iter().find(|stage| stage.name == component);
        stage.map_or_else(Vec::new, |stage| self.control.next(stage))
    }

    /// Whether the pipeline has ended: no more messages come.
    pub fn has_ended(&self) -> bool {
        self.control.stages().iter().all(|stage| stage.workers.load(Relaxed) == 0)
    }
}

impl Drop for MessageTrace {
    fn drop(&mut self) {
        self.traces.end(&self.watch);
    }
}

impl Control {
    /// Follows some of the messages that are created from now on. `None` if too many clients follow
    /// messages of this pipeline already.
    pub fn trace(&self, options: &TraceOptions) -> Option<MessageTrace> {
        let traces = self.stages().first()?.traces.clone();
        let watch = traces.watch(options)?;
        Some(MessageTrace { control: self.clone(), traces, watch })
    }
}
