//! The messages that are followed, so that their ways can be sent.
use gopiper_core::{
    Control,
    observe::{MessageTrace, Passport, TraceOptions},
};
use parking_lot::Mutex;

/// The most passports of a request. With all their events, they are smaller than the 4 MiB that
/// many receivers accept.
const REQUEST_PASSPORTS: usize = 20;

/// Follows some messages of all pipelines.
pub(super) struct Following {
    options: TraceOptions,
    traces: Mutex<Vec<MessageTrace>>,
}

impl Following {
    /// Follows this many messages a second of each pipeline, and messages that come with a sampled
    /// trace. `None` if the number is 0.
    pub(super) fn new(per_second: f64) -> Option<Self> {
        let options = TraceOptions { per_second, contains: Vec::new(), given: true };
        (per_second > 0.0).then(|| Following { options, traces: Mutex::default() })
    }

    /// Follows messages of these pipelines, which have not produced anything yet.
    pub(super) fn begin(&self, controls: &[Control]) {
        let begun = controls.iter().filter_map(|control| control.trace(&self.options));
        self.traces.lock().extend(begun);
    }

    /// The passports of a request; none if no message has ended.
    pub(super) fn take(&self) -> Vec<Passport> {
        let mut traces = self.traces.lock();
        let mut taken = Vec::new();
        // Read first: after the end of a pipeline, no more passports come.
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
