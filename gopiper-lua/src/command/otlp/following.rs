//! The messages that are followed, so that their ways can be sent.
use gopiper_core::{
    Control,
    observe::{MessageTrace, Passport, TraceOptions},
};
use parking_lot::Mutex;

/// The most passports of a request: with all their events, they are smaller than the 4 MiB that
/// many receivers take.
const REQUEST_PASSPORTS: usize = 20;

/// Follows some messages of all pipelines.
pub(super) struct Following {
    options: TraceOptions,
    traces: Mutex<Vec<MessageTrace>>,
}

impl Following {
    /// So many messages a second of each pipeline; with 0, none. Those that come with a sampled
    /// trace are followed, too.
    pub(super) fn new(per_second: f64) -> Option<Self> {
        let options = TraceOptions { per_second, contains: Vec::new(), given: true };
        (per_second > 0.0).then(|| Following { options, traces: Mutex::default() })
    }

    /// These pipelines begin. They have not produced anything yet.
    pub(super) fn begin(&self, controls: &[Control]) {
        let begun = controls.iter().filter_map(|control| control.trace(&self.options));
        self.traces.lock().extend(begun);
    }

    /// The passports of a request; none if no message has ended.
    pub(super) fn take(&self) -> Vec<Passport> {
        let mut traces = self.traces.lock();
        let mut taken = Vec::new();
        // Asked first: one that has ended gets nothing more.
        traces.retain(|trace| {
            let has_ended = trace.has_ended();
            let room = REQUEST_PASSPORTS - taken.len();
            let before = taken.len();
            taken.extend(std::iter::from_fn(|| trace.take()).take(room));
            !has_ended || room == 0 || taken.len() > before
        });
        taken
    }
}
