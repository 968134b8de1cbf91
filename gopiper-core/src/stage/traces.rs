//! Follows single messages through a pipeline, for an operator. A followed message carries a
//! trace, so it is recognised wherever it comes, also after a buffer.
//!
//! While no message is followed, a worker pays one load for each batch. Workers write down what
//! they do with followed messages, under a lock that only those need.
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{
            AtomicI64, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use gopiper_abi::{
    Message, Positions, Trace,
    raw::{Batch, Deliveries, Outcome, Settle},
};
use memchr::memmem::Finder;
use parking_lot::Mutex;

use crate::{
    base::clock::Clock,
    stage::passport::{OpenPassport, Passport, SHOWN, TraceEvent, TraceStep},
};

/// The most operators that follow messages of one pipeline.
const MOST_WATCHES: usize = 8;
/// The most messages that are followed at the same time. Others pass unfollowed.
const MOST_OPEN: usize = 256;
/// The most passports that wait for an operator.
const WAITING: usize = 256;
/// Of messages that are made of a followed one, so many are followed, too.
const MOST_MADE: usize = 8;

type TraceId = [u8; 16];

/// Which messages are followed.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// The most messages a second.
    pub per_second: f64,
    /// Only messages whose bytes contain this as their source sends them. Each is searched for it.
    pub contains: Vec<u8>,
    /// Also messages whose source gives them a trace that is sampled, and those out of a buffer
    /// that had one before.
    pub given: bool,
}

/// What is followed in a pipeline.
pub(crate) struct Traces {
    pipeline: Arc<str>,
    clock: Clock,
    count: AtomicUsize,
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

/// The state that the workers share with the operator's side.
pub(crate) struct SharedWatch {
    contains: Finder<'static>,
    given: bool,
    interval: i64,
    due: AtomicI64,
    /// The last ones that it chose: they are followed again when they come out of a buffer.
    chosen: Mutex<VecDeque<TraceId>>,
    sender: Sender<Passport>,
    pub(crate) receiver: Receiver<Passport>,
    /// Messages that were not followed or shown, as there were too many.
    pub(crate) unseen: AtomicU64,
}

/// The places of followed messages in a batch.
pub(crate) type Followed = Vec<(usize, TraceId)>;

impl Traces {
    pub(crate) fn new(pipeline: Arc<str>, clock: Clock) -> Arc<Self> {
        Arc::new(Traces { pipeline, clock, count: AtomicUsize::new(0), state: Mutex::default() })
    }

    /// Whether anything may be followed.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Follows messages from now on. `None` if too many do already.
    pub(crate) fn watch(&self, options: &TraceOptions) -> Option<Arc<SharedWatch>> {
        let mut state = self.state.lock();
        if state.watches.len() == MOST_WATCHES {
            return None;
        }
        let interval =
            Duration::try_from_secs_f64(1.0 / options.per_second).unwrap_or(Duration::MAX);
        let (sender, receiver) = bounded(WAITING);
        let watch = Arc::new(SharedWatch {
            contains: Finder::new(&options.contains).into_owned(),
            given: options.given,
            interval: i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX),
            due: AtomicI64::new(i64::MIN),
            chosen: Mutex::default(),
            sender,
            receiver,
            unseen: AtomicU64::new(0),
        });
        state.watches.push(watch.clone());
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

    /// The passports of messages that are on their way, for one operator.
    pub(crate) fn open(&self, watch: &Arc<SharedWatch>) -> Vec<Passport> {
        let state = self.state.lock();
        let of_it = |trace: &&OpenTrace| trace.to.iter().any(|other| Arc::ptr_eq(other, watch));
        state.open.values().filter(of_it).map(|trace| trace.passport.passport.clone()).collect()
    }

    /// A source or a buffer sends a batch, whose outcomes `hears` hears: some of its messages may
    /// be followed from here on. Returns the one that hears the outcomes now.
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
        let watches = self.state.lock().watches.clone();
        for (place, trace) in given {
            let follows = |watch: &&Arc<SharedWatch>| watch.given || watch.has_chosen(trace.id);
            let to: Vec<_> = watches.iter().filter(follows).cloned().collect();
            let own = Trace { span: fastrand::u64(1..).to_ne_bytes(), ..trace };
            let message = &batch.messages()[place];
            if self.begin(component, (place, message), (own, Some(trace.span)), positions, to) {
                followed.push((place, trace.id));
            }
        }
        for watch in &watches {
            let Some(place) = watch.choose(batch, now) else { continue };
            let id = fastrand::u128(1..).to_ne_bytes();
            let span = fastrand::u64(1..).to_ne_bytes();
            let trace = Trace { id, span, flags: 1 };
            let message = &mut batch.messages_mut()[place];
            let to = vec![watch.clone()];
            if self.begin(component, (place, message), (trace, None), positions, to) {
                message.set_trace(trace);
                watch.remember(id);
                followed.push((place, id));
            } else {
                watch.unseen.fetch_add(1, Relaxed);
            }
        }
        match followed.is_empty() {
            true => hears,
            false => Arc::new(FollowedOutcomes { hears, traces: self.clone(), followed }),
        }
    }

    /// Returns whether there was room for one more.
    fn begin(
        &self,
        component: &str,
        (place, message): (usize, &Message),
        (trace, parent): (Trace, Option<[u8; 8]>),
        positions: Option<&Positions>,
        to: Vec<Arc<SharedWatch>>,
    ) -> bool {
        let mut state = self.state.lock();
        if to.is_empty() || state.open.len() >= MOST_OPEN || state.open.contains_key(&trace.id) {
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
        let passport = OpenPassport { passport, message: None };
        state.open.insert(trace.id, OpenTrace { passport, to });
        true
    }

    /// A component gets a batch. Returns where the followed messages are in it.
    pub(crate) fn began(&self, component: &str, batch: &Batch) -> Followed {
        let mut followed = Followed::new();
        for (place, trace) in batch.traced() {
            let message = &batch.messages()[place];
            let began = TraceStep::Began { attempts: message.attempts() };
            if self.note(trace.id, component, began, |open| open.message = message.id()) {
                followed.push((place, trace.id));
            }
        }
        followed
    }

    /// A component has reported on a batch; messages from `through` on it has not seen.
    pub(crate) fn reported(
        &self,
        component: &str,
        followed: &Followed,
        (batch, through): (&Batch, u32),
    ) {
        for (place, id) in followed.iter().filter(|(place, _)| *place < through as usize) {
            let message = &batch.messages()[*place];
            let description = message.description().chars().take(SHOWN).collect();
            let reported = TraceStep::Reported { status: message.status(), description };
            self.note(*id, component, reported, |_| {});
        }
    }

    /// A component sends messages in the name of those that it has kept.
    pub(crate) fn made(&self, component: &str, batch: &mut Batch, of: &Deliveries) {
        let parents: Vec<_> = {
            let state = self.state.lock();
            let is_parent = |open: &&OpenTrace| {
                open.passport.message.is_some_and(|message| of.contains(message))
            };
            state.open.values().filter(is_parent).map(|open| open.passport.passport.trace).collect()
        };
        let made = TraceStep::Made { messages: batch.len() };
        for parent in &parents {
            self.note(parent.id, component, made.clone(), |_| {});
        }
        // A message belongs to one trace alone: of several parents, that is the first.
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
        for watch in to {
            if watch.sender.try_send(passport.passport.clone()).is_err() {
                watch.unseen.fetch_add(1, Relaxed);
            }
        }
    }

    /// Writes an event down. Returns whether the message is followed.
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

impl SharedWatch {
    fn has_chosen(&self, id: TraceId) -> bool {
        self.chosen.lock().contains(&id)
    }

    fn remember(&self, id: TraceId) {
        let mut chosen = self.chosen.lock();
        if chosen.len() == MOST_OPEN {
            chosen.pop_front();
        }
        chosen.push_back(id);
    }

    /// The place of the message to follow next, if one is due.
    fn choose(&self, batch: &Batch, now: i64) -> Option<usize> {
        let before = self.due.load(Acquire);
        if now < before {
            return None;
        }
        let fits = |message: &Message| {
            message.trace().is_none() && self.contains.find(message.data()).is_some()
        };
        let place = batch.messages().iter().position(fits)?;
        let next = now.saturating_add(self.interval);
        // Another worker may have been faster.
        self.due.compare_exchange(before, next, AcqRel, Relaxed).ok().map(|_| place)
    }
}

/// Hears the outcomes of a batch in which messages are followed.
struct FollowedOutcomes {
    hears: Arc<dyn Settle>,
    traces: Arc<Traces>,
    followed: Followed,
}

impl Settle for FollowedOutcomes {
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome) {
        let settled = first as usize..first as usize + count as usize;
        for (_, id) in self.followed.iter().filter(|(place, _)| settled.contains(place)) {
            self.traces.settled(*id, outcome);
        }
        self.hears.settled(token, first, count, outcome);
    }
}
