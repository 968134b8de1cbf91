//! Reports in the log that data was not sent. Each kind of report is logged once, and then with a
//! count at most every ten minutes, because an outage must not fill the log.
use std::time::{Duration, Instant};

use gopiper_core::{in_a_line, plural};
use parking_lot::Mutex;
use tracing::warn;

/// How often a kind of lasting error is reported.
const AGAIN: Duration = Duration::from_secs(600);

/// The kind of data that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtlpSignal {
    Metrics,
    Logs,
    Spans,
}

impl OtlpSignal {
    fn name(self) -> &'static str {
        match self {
            OtlpSignal::Metrics => "metrics",
            OtlpSignal::Logs => "log lines",
            OtlpSignal::Spans => "spans",
        }
    }

    /// What waits to be sent.
    fn waiting(self) -> &'static str {
        match self {
            // The spans of a message are made when they are sent.
            OtlpSignal::Spans => "the ways of messages",
            other => other.name(),
        }
    }
}

/// All kinds of data.
const SIGNALS: [OtlpSignal; 3] = [OtlpSignal::Metrics, OtlpSignal::Logs, OtlpSignal::Spans];

/// The reports of errors.
pub(super) struct Complaints {
    url: String,
    kinds: Mutex<Kinds>,
}

#[derive(Default)]
struct Kinds {
    failing: Fold,
    /// Whether the failure that was reported last continues.
    is_failing: bool,
    refused: [Fold; 3],
    partial: [Fold; 3],
    lost: [Fold; 3],
}

impl Complaints {
    pub(super) fn new(url: String) -> Self {
        Complaints { url, kinds: Mutex::default() }
    }

    /// A request has failed, and will be sent again.
    pub(super) fn failing(&self, why: &str) {
        let mut kinds = self.kinds.lock();
        if let Some(attempts) = kinds.failing.add(1, Instant::now()) {
            kinds.is_failing = true;
            let url = &self.url;
            warn!(
                attempts,
                code = "otlp_failing",
                "cannot send to {url}, and will try again: {why}"
            );
        }
    }

    /// A request was accepted.
    pub(super) fn works(&self) {
        if std::mem::take(&mut self.kinds.lock().is_failing) {
            let url = &self.url;
            warn!(code = "otlp_works_again", "sending to {url} works again");
        }
    }

    /// The receiver has refused data for good.
    pub(super) fn refused(&self, signal: OtlpSignal, items: usize, why: &str) {
        let said = self.kinds.lock().refused[signal as usize].add(items as u64, Instant::now());
        if let Some(items) = said {
            let (what, url) = (signal.name(), &self.url);
            warn!(items, code = "otlp_refused", "{url} refuses {what}, and they are lost: {why}");
        }
    }

    /// The receiver has accepted a part of a request, or all of it with a warning.
    pub(super) fn partial(&self, signal: OtlpSignal, rejected: i64, message: &str) {
        let rejected = u64::try_from(rejected).unwrap_or(0);
        if rejected == 0 && message.is_empty() {
            return;
        }
        let said = self.kinds.lock().partial[signal as usize].add(rejected, Instant::now());
        let Some(items) = said else { return };
        let (what, url) = (signal.name(), &self.url);
        let message = match message {
            "" => "it gave no reason".into(),
            message => in_a_line(message),
        };
        match items {
            0 => warn!(items, code = "otlp_partial", "{url} warns about {what}: {message}"),
            _ => warn!(
                items,
                code = "otlp_partial",
                "{url} does not accept some of the {what}, and they are lost: {message}"
            ),
        }
    }

    /// There was no room for lines of the log, or for the ways of messages.
    pub(super) fn lost(&self, signal: OtlpSignal, items: u64) {
        if items == 0 {
            return;
        }
        let said = self.kinds.lock().lost[signal as usize].add(items, Instant::now());
        if let Some(items) = said {
            let (what, url) = (signal.waiting(), &self.url);
            warn!(
                items,
                code = "otlp_lost",
                "{what} were not sent to {url}, as too many were waiting"
            );
        }
    }

    /// The program ends without having sent this. Also reports the counts that were not reported
    /// yet.
    pub(super) fn unsent(&self, metrics: bool, lines: u64, spans: u64) {
        let url = &self.url;
        let some = |count: u64, noun| (count > 0).then(|| plural(count as usize, noun));
        let missing = [
            metrics.then(|| "the last metrics".to_owned()),
            some(lines, "log line"),
            some(spans, "span"),
        ];
        let missing = missing.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        if !missing.is_empty() {
            warn!(code = "otlp_lost", "{missing} could not be sent to {url} before the end");
        }
        let mut kinds = self.kinds.lock();
        for signal in SIGNALS {
            let of = signal as usize;
            let items = kinds.lost[of].take();
            if items > 0 {
                let what = signal.waiting();
                warn!(
                    items,
                    code = "otlp_lost",
                    "{what} were not sent to {url} any more, as too many were waiting"
                );
            }
            let what = signal.name();
            let items = kinds.refused[of].take();
            if items > 0 {
                warn!(
                    items,
                    code = "otlp_refused",
                    "{url} has refused more {what}, which are lost"
                );
            }
            let items = kinds.partial[of].take();
            if items > 0 {
                warn!(
                    items,
                    code = "otlp_partial",
                    "{url} has not accepted more of the {what}, which are lost"
                );
            }
        }
    }
}

/// Counts events of a kind that are reported together.
#[derive(Default)]
struct Fold {
    said: Option<Instant>,
    unsaid: u64,
}

impl Fold {
    /// Adds events. Returns the number to report now, if it is time.
    fn add(&mut self, events: u64, now: Instant) -> Option<u64> {
        self.unsaid += events;
        if self.said.is_some_and(|said| now.duration_since(said) < AGAIN) {
            return None;
        }
        self.said = Some(now);
        Some(self.take())
    }

    fn take(&mut self) -> u64 {
        std::mem::take(&mut self.unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_reported_once_in_a_while_with_the_count_since() {
        let (mut fold, start) = (Fold::default(), Instant::now());
        assert_eq!(fold.add(3, start), Some(3));
        assert_eq!(fold.add(1, start + AGAIN / 2), None);
        assert_eq!(fold.add(4, start + AGAIN / 2), None);
        assert_eq!(fold.add(2, start + AGAIN), Some(7));
        assert_eq!((fold.add(5, start + AGAIN), fold.take(), fold.take()), (None, 5, 0));
    }
}
