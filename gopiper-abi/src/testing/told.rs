//! What the component has told its host, and the host its component.
use std::sync::atomic::Ordering::SeqCst;

use super::Harness;
use crate::{Level, raw::MetricKind};

impl Harness {
    /// The lines that it logged since the last call.
    pub fn logged(&mut self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.bench.lock().logged)
    }

    /// The present value of a counter or a gauge of the component, and of a histogram how many
    /// values it has counted; 0 if none of that name is registered. Labels follow the name:
    /// `errors_total{peer=a}`.
    pub fn metric(&self, name: &str) -> f64 {
        let state = self.bench.lock();
        let Some((kind, metric)) = state.metrics.get(name) else { return 0.0 };
        match *kind {
            MetricKind::GAUGE => metric.float(),
            MetricKind::HISTOGRAM => {
                metric.buckets().1.iter().map(|bucket| bucket.load(SeqCst) as f64).sum()
            }
            _ => metric.value.load(SeqCst) as f64,
        }
    }

    /// As a source does through [`Host::set_settled`](crate::Host::set_settled): the messages of
    /// this origin with smaller numbers do not come again.
    pub fn set_settled(&mut self, origin: &str, below: u64) {
        self.bench.lock().settled_below.insert(origin.to_owned(), below);
    }

    /// The number below which the messages of an origin do not come again, as a source has said.
    pub fn settled_below(&self, origin: &str) -> u64 {
        self.bench.lock().settled_below.get(origin).copied().unwrap_or(0)
    }

    /// How many of the messages that it kept are gone without anything sent for them.
    pub fn unsent(&self) -> u64 {
        self.bench.lock().unsent
    }

    /// The error with which it ended the pipeline, if it did: `None` in `Some` for no error.
    pub fn stopped(&self) -> Option<Option<String>> {
        self.bench.lock().stopped.clone()
    }
}
