//! Follows single messages through a pipeline, for an operator. A followed message carries a
//! trace, so it is recognised everywhere, also after a buffer.
//!
//! While no message is followed, a worker pays one load for each batch. Workers record what they do
//! with followed messages, under a lock that only these messages need.
pub(crate) mod passport;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
};

use gopiper_abi::{
    Message, Positions, Trace,
    raw::{Batch, Deliveries, MessageId, Outcome, Settle},
};
use parking_lot::Mutex;

pub(crate) use self::watch::SharedWatch;
pub use self::watch::TraceOptions;
use self::watch::{MOST_OPEN, TraceId};
use crate::{
    base::{clock::Clock, secrets::redact_beginning},
    stage::traces::passport::{OpenPassport, Passport, SHOWN, TraceEvent, TraceStep},
};

/// The most operators that follow messages of one pipeline.
const MOST_WATCHES: usize = 8;
/// The most messages made from a followed one, in one batch, that are followed, too.
const MOST_MADE: usize = 8;

/// The followed messages of a pipeline.
pub(crate) struct Traces {
    pipeline: Arc<str>,
    clock: Clock,
    count: AtomicUsize,
    /// When the next message is to be followed, at the earliest.
    due: AtomicI64,
    state: Mutex<TracesState>,
}

#[derive(Default)]
struct TracesState {
    watches: Vec<Arc<SharedWatch>>,
    open: HashMap<TraceId, OpenTrace>,
}

struct OpenTrace {
    passport: OpenPassport,
    to: Vec<Arc<SharedWatch>>,
}

/// The followed messages of a batch.
pub(crate) type Followed = Vec<FollowedMessage>;

/// A followed message of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FollowedMessage {
    place: usize,
    trace: TraceId,
    /// Its id, if a component has received it.
    message: Option<MessageId>,
}

impl Traces {
    pub(crate) fn new(pipeline: Arc<str>, clock: Clock) -> Arc<Self> {
        let (count, due) = (AtomicUsize::new(0), AtomicI64::new(i64::MIN));
        Arc::new(Traces { pipeline, clock, count, due, state: Mutex::default() })
    }

    /// Whether anything may be followed.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Follows messages from now on. `None` if too many operators do so already.
    pub(crate) fn watch(&self, options: &TraceOptions) -> Option<Arc<SharedWatch>> {
        let mut state = self.state.lock();
        if state.watches.len() == MOST_WATCHES {
            return None;
        }
        let watch = SharedWatch::new(options);
        state.watches.push(watch.clone());
        self.due.store(i64::MIN, Relaxed);
        self.count.store(state.watches.len(), Relaxed);
        Some(watch)
    }

    pub(crate) fn end(&self, watch: &Arc<SharedWatch>) {
        let mut state = self.state.lock();
        let is_other = |other: &Arc<SharedWatch>| !Arc::ptr_eq(other, watch);
        state.watches.retain(is_other);
        state.open.retain(|_, trace| {
            trace.to.retain(is_other);
            !trace.to.is_empty()
        });
        self.count.store(state.watches.len(), Relaxed);
    }

    /// The passports of messages that have not ended, for one operator: those for which `wants`
    /// returns true.
    pub(crate) fn open(
        &self,
        watch: &Arc<SharedWatch>,
        mut wants: impl FnMut(&Passport) -> bool,
    ) -> Vec<Passport> {
        let state = self.state.lock();
        let of_it = state.open.values().filter(|trace| trace.goes_to(watch));
        let passports = of_it.map(|trace| &trace.passport.passport);
        passports.filter(|passport| wants(passport)).cloned().collect()
    }

    /// A source or a buffer sends a batch, and `hears` receives its outcomes. Some of its messages
    /// may be followed from here on. Returns the receiver of the outcomes to use instead.
    pub(crate) fn created(
        self: &Arc<Self>,
        component: &str,
        batch: &mut Batch,
        positions: Option<&Positions>,
        hears: Arc<dyn Settle>,
    ) -> Arc<dyn Settle> {
        let mut followed = Followed::new();
        let given: Vec<_> = batch.traced().collect();
        let now = self.clock.monotonic();
        if given.is_empty() && now < self.due.load(Relaxed) {
            return hears;
        }
        let watches = self.state.lock().watches.clone();
        for (place, trace) in given {
            let follows = |watch: &&Arc<SharedWatch>| watch.given || watch.has_chosen(trace.id);
            let to: Vec<_> = watches.iter().filter(follows).cloned().collect();
            let own = Trace { span: fastrand::u64(1..).to_ne_bytes(), ..trace };
            let message = &batch.messages()[place];
            if self.begin(component, (place, message), (own, Some(trace.span)), positions, &to) {
                followed.push(FollowedMessage { place, trace: trace.id, message: None });
            } else {
                to.iter().for_each(|watch| watch.miss());
            }
        }
        for watch in &watches {
            let Some(place) = watch.choose(batch, now) else { continue };
            let span = fastrand::u64(1..).to_ne_bytes();
            let message = &mut batch.messages_mut()[place];
            // It may be followed for another operator already, or have a trace of its own.
            let (id, parent) = match message.trace() {
                Some(trace) if self.join(trace.id, watch) => {
                    watch.remember(trace.id);
                    continue;
                }
                Some(trace) => (trace.id, Some(trace.span)),
                None => (fastrand::u128(1..).to_ne_bytes(), None),
            };
            let trace = Trace { id, span, flags: 1 };
            let to = std::slice::from_ref(watch);
            if self.begin(component, (place, message), (trace, parent), positions, to) {
                message.set_trace(trace);
                watch.remember(id);
                followed.push(FollowedMessage { place, trace: id, message: None });
            } else {
                watch.miss();
            }
        }
        let next = watches.iter().map(|watch| watch.pace.due()).min();
        self.due.store(next.unwrap_or(i64::MIN), Relaxed);
        match followed.is_empty() {
            true => hears,
            false => Arc::new(FollowedOutcomes { hears, traces: self.clone(), followed }),
        }
    }

    /// Begins to follow a message. Returns false if there is no room, or if a message with the same
    /// trace is followed already.
    fn begin(
        &self,
        component: &str,
        (place, message): (usize, &Message),
        (trace, parent): (Trace, Option<[u8; 8]>),
        positions: Option<&Positions>,
        to: &[Arc<SharedWatch>],
    ) -> bool {
        let mut state = self.state.lock();
        let to: Vec<_> = to.iter().filter(|watch| state.has_room_for(watch)).cloned().collect();
        if to.is_empty() || state.open.contains_key(&trace.id) {
            return false;
        }
        let data = message.data();
        let time = self.clock.now();
        let component = component.to_owned();
        let passport = Passport {
            pipeline: self.pipeline.to_string(),
            trace,
            parent,
            position: positions.map(|positions| positions.of_message(place as u32)),
            data: data[..data.len().min(SHOWN)].to_vec(),
            length: data.len(),
            events: vec![TraceEvent { time, component, step: TraceStep::Created }],
            left_out: 0,
            outcome: None,
        };
        let passport = OpenPassport { passport, kept: Vec::new() };
        state.open.insert(trace.id, OpenTrace { passport, to });
        true
    }

    /// Follows a message for one more operator. Returns whether it was followed already.
    fn join(&self, id: TraceId, watch: &Arc<SharedWatch>) -> bool {
        let mut state = self.state.lock();
        let has_room = state.has_room_for(watch);
        let Some(open) = state.open.get_mut(&id) else { return false };
        match has_room && !open.goes_to(watch) {
            true => open.to.push(watch.clone()),
            false => watch.miss(),
        }
        true
    }

    /// A component receives the messages of a batch from a place on. Returns the followed ones.
    pub(crate) fn began(&self, component: &str, (batch, from): (&Batch, u32)) -> Followed {
        let mut followed = Followed::new();
        for (place, trace) in batch.traced().filter(|(place, _)| *place >= from as usize) {
            let message = &batch.messages()[place];
            let began = TraceStep::Began { attempts: message.attempts() };
            let message = message.id();
            // It may be kept, and sent on, before the call ends.
            if self.note(trace.id, component, began, |open| open.kept.extend(message)) {
                followed.push(FollowedMessage { place, trace: trace.id, message });
            }
        }
        followed
    }

    /// A component has reported on a batch. It has not seen the messages from `through` on.
    pub(crate) fn reported(
        &self,
        component: &str,
        followed: &Followed,
        (batch, through): (&Batch, u32),
    ) {
        for of in followed.iter().filter(|of| of.place < through as usize) {
            let message = &batch.messages()[of.place];
            let status = message.status();
            let description = redact_beginning(message.description(), SHOWN);
            let reported = TraceStep::Reported { status, description };
            self.note(of.trace, component, reported, |open| {
                // A kept message (1): messages that the component makes from it are followed, too.
                if status != 1 {
                    open.kept.retain(|kept| Some(*kept) != of.message);
                }
            });
        }
    }

    /// A component sends messages made from those that it has kept.
    pub(crate) fn made(&self, component: &str, batch: &mut Batch, of: &Deliveries) {
        let parents: Vec<_> = {
            let mut state = self.state.lock();
            let parent = |open: &mut OpenTrace| {
                let before = open.passport.kept.len();
                // Sent once: later, another message may have the same id.
                open.passport.kept.retain(|message| !of.contains(*message));
                (open.passport.kept.len() < before).then_some(open.passport.passport.trace)
            };
            state.open.values_mut().filter_map(parent).collect()
        };
        let made = TraceStep::Made { messages: batch.len() };
        for parent in &parents {
            self.note(parent.id, component, made.clone(), |_| {});
        }
        // A message belongs to one trace: if it has several parents, to that of the first.
        if let Some(parent) = parents.first() {
            for message in batch.messages_mut().iter_mut().take(MOST_MADE) {
                if message.trace().is_none() {
                    message.set_trace(*parent);
                }
            }
        }
    }

    /// A batch leaves a component.
    pub(crate) fn passed_on(&self, component: &str, batch: &Batch) {
        for (_, trace) in batch.traced() {
            self.note(trace.id, component, TraceStep::PassedOn, |_| {});
        }
    }

    /// A message becomes a dead letter.
    pub(crate) fn buried(&self, component: &str, message: &Message, id: &str) {
        if let Some(trace) = message.trace() {
            self.note(trace.id, component, TraceStep::Buried { id: id.to_owned() }, |_| {});
        }
    }

    fn settled(&self, id: TraceId, outcome: Outcome) {
        let mut state = self.state.lock();
        let Some(OpenTrace { mut passport, to }) = state.open.remove(&id) else { return };
        drop(state);
        let (time, component) = (self.clock.now(), String::new());
        passport.passport.add(TraceEvent { time, component, step: TraceStep::Settled(outcome) });
        to.iter().for_each(|watch| watch.show(&passport.passport));
    }

    /// Records an event. Returns whether the message is followed.
    fn note(
        &self,
        id: TraceId,
        component: &str,
        step: TraceStep,
        change: impl FnOnce(&mut OpenPassport),
    ) -> bool {
        let mut state = self.state.lock();
        let Some(open) = state.open.get_mut(&id) else { return false };
        let (time, component) = (self.clock.now(), component.to_owned());
        open.passport.passport.add(TraceEvent { time, component, step });
        change(&mut open.passport);
        true
    }
}

impl TracesState {
    fn has_room_for(&self, watch: &Arc<SharedWatch>) -> bool {
        self.open.values().filter(|open| open.goes_to(watch)).count() < MOST_OPEN
    }
}

impl OpenTrace {
    fn goes_to(&self, watch: &Arc<SharedWatch>) -> bool {
        self.to.iter().any(|other| Arc::ptr_eq(other, watch))
    }
}

/// Receives the outcomes of a batch in which messages are followed.
struct FollowedOutcomes {
    hears: Arc<dyn Settle>,
    traces: Arc<Traces>,
    followed: Followed,
}

impl Settle for FollowedOutcomes {
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome) {
        let settled = first as usize..first as usize + count as usize;
        for of in self.followed.iter().filter(|of| settled.contains(&of.place)) {
            self.traces.settled(of.trace, outcome);
        }
        self.hears.settled(token, first, count, outcome);
    }
}
