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
    state: Mutex<FollowingState>,
}

#[derive(Default)]
struct FollowingState {
    traces: Vec<MessageTrace>,
    /// The messages of pipelines that have ended whose passports found no room.
    lost: u64,
}

impl Following {
    /// Follows this many messages a second of each pipeline, and messages that come with a sampled
    /// trace. `None` if the number is 0.
    pub(super) fn new(per_second: f64) -> Option<Self> {
        let options = TraceOptions { per_second, contains: Vec::new(), given: true };
        (per_second > 0.0).then(|| Following { options, state: Mutex::default() })
    }

    /// Follows messages of these pipelines, which have not produced anything yet.
    pub(super) fn begin(&self, controls: &[Control]) {
        let begun = controls.iter().filter_map(|control| control.trace(&self.options));
        self.state.lock().traces.extend(begun);
    }

    /// The passports of a request; none if no message has ended.
    pub(super) fn take(&self) -> Vec<Passport> {
        let mut state = self.state.lock();
        let FollowingState { traces, lost } = &mut *state;
        let mut taken = Vec::new();
        traces.retain(|trace| {
            // Read first: after the end of a pipeline, no more passports come.
            let has_ended = trace.has_ended();
            let room = REQUEST_PASSPORTS - taken.len();
            let before = taken.len();
            taken.extend(std::iter::from_fn(|| trace.take()).take(room));
            let stays = !has_ended || room == 0 || taken.len() > before;
            if !stays {
                *lost += trace.take_lost();
            }
            stays
        });
        taken
    }

    /// The number of messages whose passports found no room, since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        let mut state = self.state.lock();
        let of_ended = std::mem::take(&mut state.lost);
        of_ended + state.traces.iter().map(MessageTrace::take_lost).sum::<u64>()
    }
}
