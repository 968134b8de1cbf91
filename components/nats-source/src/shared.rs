//! What the thread of the connection and the worker's thread share: messages on their way in, and
//! which of them have not ended.
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use async_nats::Subject;
use gopiper_abi::{Error, Host};
use tokio::sync::Notify;

use crate::arrival::Arrival;

/// The shared part of a source.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Both>);

#[derive(Debug)]
struct Both {
    state: Mutex<State>,
    /// Wakes the thread of the connection: there may be more room, or the end has come.
    changed: Notify,
    host: Host,
    /// What the sequences of the stream belong to, as identities: set before the source begins. A
    /// stream that is deleted and made again begins with the same sequences.
    origin: OnceLock<String>,
}

#[derive(Debug)]
pub(crate) struct State {
    /// Messages that the worker has not taken.
    pub(crate) queue: VecDeque<Arrival>,
    pub(crate) open: Open,
    /// The pipeline's room when it was asked last.
    credit: usize,
    /// So many messages were asked for, and have not come.
    pub(crate) asked: usize,
    /// The most messages that may be open.
    limit: usize,
    /// Why no more can be received.
    pub(crate) failure: Option<Error>,
    /// No more messages are wanted.
    pub(crate) is_closing: bool,
}

impl Shared {
    pub(crate) fn new(host: Host, limit: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            open: Open::default(),
            credit: 0,
            asked: 0,
            limit,
            failure: None,
            is_closing: false,
        };
        let (state, changed, origin) = (Mutex::new(state), Notify::new(), OnceLock::new());
        Shared(Arc::new(Both { state, changed, host, origin }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream is the one with this name that was made at this time.
    pub(crate) fn set_stream(&self, stream: &str, made: &str) {
        let digits: String = made.chars().filter(char::is_ascii_digit).collect();
        let _ = self.0.origin.set(format!("nats/{stream}/{digits}"));
    }

    /// What the sequences of the stream belong to, if it is known.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.0.origin.get().map(String::as_str)
    }

    pub(crate) fn host(&self) -> &Host {
        &self.0.host
    }

    /// Has the worker look.
    pub(crate) fn wake_worker(&self) {
        self.0.host.wake();
    }

    /// Has the thread of the connection look.
    pub(crate) fn wake_connection(&self) {
        self.0.changed.notify_one();
    }

    /// Until the worker has changed something.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Ends the source with this error, once all that has arrived is on its way.
    pub(crate) fn fail(&self, error: Error) {
        self.state().failure.get_or_insert(error);
        self.wake_worker();
    }
}

impl State {
    pub(crate) fn set_credit(&mut self, credit: usize) {
        self.credit = credit;
    }

    /// The limit of the server is below that of the attributes.
    pub(crate) fn lower_limit(&mut self, limit: usize) {
        self.limit = self.limit.min(limit).max(1);
    }

    /// How many messages to ask for. Not few while others are still to come: each request costs the
    /// server something.
    pub(crate) fn wanted(&self) -> usize {
        if self.is_closing || self.failure.is_some() {
            return 0;
        }
        let room = self.limit.saturating_sub(self.open.len() + self.asked);
        let credit = self.credit.saturating_sub(self.queue.len() + self.asked);
        let wanted = room.min(credit);
        if self.asked > 0 && wanted < self.limit.div_ceil(4) { 0 } else { wanted }
    }

    /// Whether there is room for another message that came without being asked for.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < self.limit
    }
}

/// Messages of a stream that have arrived, and have not ended.
#[derive(Debug, Default)]
pub(crate) struct Open(HashMap<u64, OpenMessage>);

#[derive(Debug)]
pub(crate) struct OpenMessage {
    /// Where its answer goes.
    pub(crate) reply: Subject,
    /// How often the server has sent it.
    pub(crate) times: u64,
    arrived: Instant,
    /// Its answer is on its way, and must be confirmed.
    is_answered: bool,
}

impl Open {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A message has arrived. `false` if it is still open: then its answer goes to where the server
    /// wants it now, and the message must not be sent a second time.
    pub(crate) fn arrived(
        &mut self,
        sequence: u64,
        reply: Subject,
        times: u64,
        now: Instant,
    ) -> bool {
        if let Some(open) = self.0.get_mut(&sequence) {
            (open.reply, open.times) = (reply, times);
            return false;
        }
        let open = OpenMessage { reply, times, arrived: now, is_answered: false };
        self.0.insert(sequence, open);
        true
    }

    /// It has ended.
    pub(crate) fn ended(&mut self, sequence: u64) -> Option<OpenMessage> {
        self.0.remove(&sequence)
    }

    /// Its answer is on its way; it stays open until that is confirmed.
    pub(crate) fn answered(&mut self, sequence: u64) -> Option<Subject> {
        let open = self.0.get_mut(&sequence)?;
        open.is_answered = true;
        Some(open.reply.clone())
    }

    /// Where the answer of a message goes at the moment.
    pub(crate) fn reply(&self, sequence: u64) -> Option<Subject> {
        self.0.get(&sequence).map(|open| open.reply.clone())
    }

    /// The messages that are in progress since then or longer.
    pub(crate) fn since(&self, moment: Instant) -> Vec<Subject> {
        let open = self.0.values().filter(|open| !open.is_answered && open.arrived <= moment);
        open.map(|open| open.reply.clone()).collect()
    }

    /// The messages without an answer, which have ended by that.
    pub(crate) fn take_unanswered(&mut self) -> Vec<Subject> {
        let rest = self.0.extract_if(|_, open| !open.is_answered);
        rest.map(|(_, open)| open.reply).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(limit: usize, credit: usize) -> State {
        State {
            queue: VecDeque::new(),
            open: Open::default(),
            credit,
            asked: 0,
            limit,
            failure: None,
            is_closing: false,
        }
    }

    #[test]
    fn no_more_is_asked_for_than_there_is_room() {
        let mut state = state(100, 40);
        assert_eq!(state.wanted(), 40);
        state.asked = 40;
        assert_eq!(state.wanted(), 0);
        state.set_credit(500);
        assert_eq!(state.wanted(), 60);
        // Little room is worth a request only if nothing else is to come.
        state.asked = 80;
        assert_eq!(state.wanted(), 0);
        state.asked = 0;
        for sequence in 0..90 {
            state.open.arrived(sequence, "r".into(), 1, Instant::now());
        }
        assert_eq!(state.wanted(), 10);
        state.is_closing = true;
        assert_eq!(state.wanted(), 0);
    }

    #[test]
    fn a_repetition_of_an_open_message_only_changes_where_its_answer_goes() {
        let (mut open, now) = (Open::default(), Instant::now());
        assert!(open.arrived(7, "first".into(), 1, now));
        assert!(!open.arrived(7, "second".into(), 2, now));
        assert_eq!(open.since(now), ["second".into()]);
        assert_eq!(open.answered(7), Some("second".into()));
        assert_eq!(open.since(now), []);
        assert!(open.take_unanswered().is_empty());
        assert!(open.ended(7).is_some() && open.ended(7).is_none());
        assert!(open.arrived(7, "third".into(), 3, now));
    }
}
