//! Logs a component's failures: the first failure of each reason at once, then counts while the
//! reason lasts, and finally its end. So a new reason is always seen, and a thousand failures a
//! second do not drown it.
mod reasons;
pub(crate) mod recent_failures;
#[cfg(test)]
pub(super) mod tests;

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicI64, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use gopiper_abi::{Identity, Message};
use parking_lot::Mutex;

pub(crate) use self::reasons::Attempt;
use self::reasons::{Reason, Reasons};
use crate::{
    base::{clock::Clock, one_line::in_a_line},
    stage::failure_log::recent_failures::{RecentFailure, RecentFailures},
};

/// How often a reason that goes on is reported.
const WINDOW: Duration = Duration::from_secs(10);
/// How often operators see a new occurrence of a reason.
const SHOWN_EVERY: Duration = Duration::from_millis(100);
/// The number of reasons that are distinguished at the same time. Further reasons share one entry.
const MOST_REASONS: usize = 32;
/// The entry that they share.
const OTHERS: u64 = u64::MAX;

/// Writes a line about the component, with its code and more fields. The arguments have no commas
/// between them, so that rustfmt does not break a short line.
macro_rules! log {
    ($of:ident $level:ident $code:literal [$($field:ident $(= $value:expr)?),*] $($text:tt)+) => {
        tracing::$level!(
            pipeline = &*$of.pipeline,
            component = $of.component,
            $($field $(= $value)?,)*
            code = $code,
            $($text)+
        )
    };
}

/// The failures of one component. Any of its workers reports them. The first worker that looks
/// after [`Failures::due`] writes the counts.
pub(crate) struct Failures {
    pipeline: Arc<str>,
    component: String,
    clock: Clock,
    /// When counts are to be written; `i64::MAX` while there are none.
    due: AtomicI64,
    /// Messages that wait for another attempt, or have it just now.
    retrying: AtomicU64,
    /// How often messages have succeeded in a later attempt.
    recoveries: AtomicU64,
    /// Messages that were dropped, as there was no room for them.
    dropped: AtomicU64,
    reasons: Mutex<Reasons>,
    pub(crate) recent: RecentFailures,
}

/// One failed attempt.
pub(crate) struct Failure<'m> {
    pub(crate) status: i32,
    pub(crate) description: &'m str,
    pub(crate) attempt: Attempt,
    /// The id of its dead letter.
    pub(crate) dead_letter: Option<&'m str>,
}

/// Where a message comes from, as far as its source says.
#[derive(Default)]
pub(crate) struct MessageOrigin {
    pub(crate) position: Option<String>,
    pub(crate) identity: Option<String>,
}

impl MessageOrigin {
    pub(crate) fn of(message: &Message) -> Self {
        let mut id = Identity::default();
        let is_known = message.write_id(&mut id);
        let identity = is_known.then(|| id.to_string());
        MessageOrigin { position: message.position(), identity }
    }
}

impl Failures {
    pub(crate) fn new(pipeline: Arc<str>, component: String, clock: Clock) -> Self {
        Failures {
            pipeline,
            component,
            clock,
            due: AtomicI64::new(i64::MAX),
            retrying: AtomicU64::new(0),
            recoveries: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            reasons: Mutex::default(),
            recent: RecentFailures::default(),
        }
    }

    /// Reports a failure: in words if its reason is new, otherwise with the next counts. `origin`
    /// says where the message comes from; it is only called for a report in words.
    pub(crate) fn report(&self, failure: &Failure<'_>, origin: impl FnOnce() -> MessageOrigin) {
        if !self.is_new(failure, 1) {
            return;
        }
        let Failure { status, description, attempt, dead_letter } = *failure;
        let said = said(description);
        let MessageOrigin { position, identity } = origin();
        match attempt {
            Attempt::Last => log!(
                self error "message_failed" [status, dead_letter, position, identity]
                "a message failed: {said}"
            ),
            Attempt::Retried => log!(
                self warn "message_retried" [status, position, identity]
                "a message failed, and will be tried again: {said}"
            ),
            Attempt::Start => log!(
                self warn "start_retried" []
                "it cannot start, and will be tried again: {said}"
            ),
            Attempt::Timer => log!(
                self error "timer_failed" []
                "its timer has failed, and is called again: {said}"
            ),
            // With a count: `report_dropped`.
            Attempt::Room => {}
        }
    }

    /// Reports messages that were dropped because there was no room for them.
    pub(crate) fn report_dropped(&self, messages: u64, why: &str) {
        self.dropped.fetch_add(messages, Relaxed);
        let (status, attempt) = (0, Attempt::Room);
        let failure = Failure { status, description: why, attempt, dead_letter: None };
        if self.is_new(&failure, messages) {
            log!(self warn "messages_dropped" [messages] "messages are dropped: {why}");
        }
    }

    /// Counts messages that failed for one reason. Returns whether it is new: then it is reported
    /// in words.
    fn is_new(&self, failure: &Failure<'_>, messages: u64) -> bool {
        let Failure { status, description, attempt, .. } = *failure;
        let now = self.clock.monotonic();
        let mut reasons = self.reasons.lock();
        let mut key = reasons.key(status, attempt, description);
        let reasons = &mut reasons.by_key;
        if reasons.len() >= MOST_REASONS && !reasons.contains_key(&key) && attempt != Attempt::Room
        {
            key = OTHERS;
        }
        if let Some(reason) = reasons.get_mut(&key) {
            if std::mem::take(&mut reason.has_recovered) {
                (reason.since, reason.total) = (now, 0);
            }
            if reason.unsaid == 0 || key == OTHERS {
                reason.status = status;
                description.clone_into(&mut reason.description);
            }
            reason.total += messages;
            reason.unsaid += messages;
            if now.saturating_sub(reason.shown) >= SHOWN_EVERY.as_nanos() as i64 {
                reason.shown = now;
                self.show(key, status, description);
            }
            return false;
        }
        let until = now.saturating_add(WINDOW.as_nanos() as i64);
        reasons.insert(
            key,
            Reason {
                status,
                description: description.to_owned(),
                attempt,
                since: now,
                total: messages,
                unsaid: 0,
                until,
                shown: now,
                recoveries: self.recoveries.load(Relaxed),
                has_recovered: false,
                told_recovery: false,
            },
        );
        self.due.fetch_min(until, SeqCst);
        self.show(key, status, description);
        true
    }

    fn show(&self, key: u64, status: i32, description: &str) {
        let (time, description) = (self.clock.now(), said(description).into_owned());
        self.recent.put(key, RecentFailure { time, status, description });
    }

    /// So many messages wait for another attempt from now on.
    pub(crate) fn begin_retrying(&self, messages: usize) {
        self.retrying.fetch_add(messages as u64, Relaxed);
    }

    /// So many messages had another attempt, and some of them `succeeded`. Those that failed again
    /// begin anew.
    pub(crate) fn end_retrying(&self, messages: usize, succeeded: bool) {
        let before = self.retrying.fetch_sub(messages as u64, Relaxed);
        self.recoveries.fetch_add(succeeded.into(), Relaxed);
        if !succeeded || before > messages as u64 {
            return;
        }
        let now = self.clock.monotonic();
        for reason in self.reasons.lock().by_key.values_mut() {
            let is_new =
                reason.attempt.is_retried() && !std::mem::replace(&mut reason.has_recovered, true);
            if is_new && !std::mem::replace(&mut reason.told_recovery, true) {
                self.tell_recovery(reason, now);
            }
        }
    }

    /// When [`Failures::tell_counts`] has something to do.
    pub(crate) fn due(&self) -> i64 {
        self.due.load(Relaxed)
    }

    /// Writes the counts that are due, and forgets the reasons that have ended.
    pub(crate) fn tell_counts(&self) {
        let due = self.due();
        if due == i64::MAX {
            return;
        }
        let now = self.clock.monotonic();
        if now < due {
            return;
        }
        let reasons = &mut self.reasons.lock().by_key;
        reasons.retain(|key, reason| reason.until > now || self.tell(*key, reason, now));
        let next = reasons.values().map(|reason| reason.until).min();
        self.due.store(next.unwrap_or(i64::MAX), SeqCst);
    }

    /// Writes the counts that are left: the component has ended.
    pub(crate) fn end(&self) {
        for (key, mut reason) in self.reasons.lock().by_key.drain() {
            // For dropped messages the log has their total.
            if reason.unsaid > 0 && reason.attempt != Attempt::Room {
                self.tell(key, &mut reason, self.clock.monotonic());
            }
        }
        self.due.store(i64::MAX, SeqCst);
        let messages = self.dropped.load(Relaxed);
        if messages > 0 {
            log!(
                self warn "messages_dropped" [messages]
                "messages were dropped in all, as there was no room for them"
            );
        }
    }

    /// Ends the window of a reason. Returns whether another one begins.
    fn tell(&self, key: u64, reason: &mut Reason, now: i64) -> bool {
        let said = said(&reason.description);
        let (status, waiting) = (reason.status, self.retrying.load(Relaxed));
        let unsaid = std::mem::take(&mut reason.unsaid);
        let is_retried = reason.attempt.is_retried();
        let recoveries = self.recoveries.load(Relaxed);
        let some_recovered = recoveries > std::mem::replace(&mut reason.recoveries, recoveries);
        let goes_on = unsaid > 0 || (is_retried && !reason.has_recovered && waiting > 0);
        match (goes_on, is_retried) {
            (true, _) if reason.attempt == Attempt::Room => {
                let messages = unsaid;
                log!(self warn "messages_dropped" [messages] "more messages were dropped: {said}");
            }
            (false, _) if reason.attempt == Attempt::Room => {
                let messages = reason.total;
                log!(
                    self warn "messages_dropped" [messages]
                    "no more messages are dropped: {said}"
                );
            }
            (true, true) if reason.has_recovered => self.tell_recovery(reason, now),
            // Nothing is tried any more: the outcome was reported.
            (true, true) if waiting == 0 => log!(
                self error "message_retried" [status, attempts = unsaid]
                "more attempts failed within {}: {said}", lasted(reason.since, now)
            ),
            // Others wait at each moment, so that none is the end of it.
            (true, true) if some_recovered => log!(
                self warn "message_retried" [status, attempts = unsaid, waiting]
                "some attempts failed within {}, and later ones succeeded: {said}", lasted(reason.since, now)
            ),
            (true, true) => log!(
                self error "still_failing" [status, attempts = unsaid, waiting]
                "still failing after {}: {said}", lasted(reason.since, now)
            ),
            (true, false) if key == OTHERS => log!(
                self error "message_failed" [status, messages = unsaid]
                "more messages failed, for reasons that are not logged separately; the last: {said}"
            ),
            (true, false) => log!(
                self error "message_failed" [status, messages = unsaid]
                "more messages failed: {said}"
            ),
            (false, false) if reason.total > 1 => log!(
                self warn "message_failed" [status, messages = reason.total]
                "no more messages fail like this: {said}"
            ),
            (false, _) => {}
        }
        reason.told_recovery = false;
        reason.until = now.saturating_add(WINDOW.as_nanos() as i64);
        goes_on
    }

    fn tell_recovery(&self, reason: &mut Reason, now: i64) {
        reason.unsaid = 0;
        log!(
            self warn "works_again" [status = reason.status, attempts = reason.total]
            "it works again after {}; the problem was: {}",
            lasted(reason.since, now), said(&reason.description)
        );
    }
}

fn said(description: &str) -> std::borrow::Cow<'_, str> {
    match description {
        "" => "the component gave no reason".into(),
        description => in_a_line(description),
    }
}

fn lasted(since: i64, now: i64) -> String {
    let seconds = now.saturating_sub(since) as f64 / 1e9;
    match seconds {
        ..100.0 => format!("{seconds:.1} s"),
        ..6000.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
