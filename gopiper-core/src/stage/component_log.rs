//! The lines that a component logs. A line that comes again and again is written once and then
//! counted, so that a component that complains about each message does not drown the other lines.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicI64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use gopiper_abi::Level;
use parking_lot::Mutex;

use crate::base::{clock::Clock, one_line::in_a_line};

/// How often a repeated line is written.
const WINDOW: Duration = Duration::from_secs(10);
/// The most different lines that are counted at the same time. Further lines are always written.
const MOST_LINES: usize = 32;

/// The log of one component. Any of its threads may write to it. The first worker that looks after
/// [`ComponentLog::due`] writes the counts.
pub(crate) struct ComponentLog {
    pipeline: Arc<str>,
    component: String,
    clock: Clock,
    /// When counts are to be written; `i64::MAX` while there are none.
    due: AtomicI64,
    lines: Mutex<HashMap<(u32, String), Repeated>>,
    has_ended: AtomicBool,
}

/// A line that was written, and the number of times that it has come since.
struct Repeated {
    until: i64,
    unsaid: u64,
}

fn with_count(text: &str, again: u64) -> String {
    match again {
        1 => format!("{text} (once more)"),
        _ => format!("{text} ({again} times more)"),
    }
}

/// Whether lines of this level are written.
pub(crate) fn is_wanted(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: "gopiper::component", tracing::Level::ERROR),
        Level::WARN => tracing::enabled!(target: "gopiper::component", tracing::Level::WARN),
        Level::INFO => tracing::enabled!(target: "gopiper::component", tracing::Level::INFO),
        Level::DEBUG => tracing::enabled!(target: "gopiper::component", tracing::Level::DEBUG),
        _ => tracing::enabled!(target: "gopiper::component", tracing::Level::TRACE),
    }
}

impl ComponentLog {
    pub(crate) fn new(pipeline: Arc<str>, component: String, clock: Clock) -> Self {
        ComponentLog {
            pipeline,
            component,
            clock,
            due: AtomicI64::new(i64::MAX),
            lines: Mutex::default(),
            has_ended: AtomicBool::new(false),
        }
    }

    /// Writes a line of a worker's component, or counts it. `worker` is `None` if there is only one
    /// worker.
    pub(crate) fn write(&self, level: Level, target: &str, worker: Option<u64>, text: &str) {
        // Details are for authors, who need each line.
        let is_folded = [Level::ERROR, Level::WARN, Level::INFO].contains(&level);
        let text = in_a_line(text);
        match if is_folded { self.times(level, &text) } else { Some(0) } {
            None => {}
            Some(0) => self.say(level, target, worker, &text),
            Some(again) => self.say(level, target, worker, &with_count(&text, again)),
        }
    }

    /// How often the line has come since it was last written, if it is to be written now. It is not
    /// left to a worker, because all workers may be asleep.
    fn times(&self, level: Level, text: &str) -> Option<u64> {
        let now = self.clock.monotonic();
        let until = now.saturating_add(WINDOW.as_nanos() as i64);
        let mut lines = self.lines.lock();
        if self.has_ended.load(SeqCst) {
            return Some(0);
        }
        let is_full = lines.len() == MOST_LINES;
        match lines.entry((level.0, text.to_owned())) {
            Entry::Occupied(mut line) => {
                let line = line.get_mut();
                line.unsaid += 1;
                (line.until <= now).then(|| {
                    line.until = until;
                    std::mem::take(&mut line.unsaid)
                })
            }
            Entry::Vacant(line) => {
                if !is_full {
                    line.insert(Repeated { until, unsaid: 0 });
                    self.due.fetch_min(until, SeqCst);
                }
                Some(0)
            }
        }
    }

    /// When [`ComponentLog::tell_counts`] has something to do.
    pub(crate) fn due(&self) -> i64 {
        self.due.load(Relaxed)
    }

    /// Writes the counts that are due, and forgets lines that did not come again.
    pub(crate) fn tell_counts(&self) {
        let due = self.due();
        if due < i64::MAX && due <= self.clock.monotonic() {
            self.tell(self.clock.monotonic());
        }
    }

    /// Writes the remaining counts when the component has ended. Later lines are not counted.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, SeqCst);
        self.tell(i64::MAX);
        self.lines.lock().clear();
    }

    fn tell(&self, now: i64) {
        let mut lines = self.lines.lock();
        lines.retain(|(level, text), line| {
            if line.until > now {
                return true;
            }
            let again = std::mem::take(&mut line.unsaid);
            line.until = now.saturating_add(WINDOW.as_nanos() as i64);
            if again > 0 {
                self.say(Level(*level), "", None, &with_count(text, again));
            }
            again > 0
        });
        let next = lines.values().map(|line| line.until).min();
        self.due.store(next.unwrap_or(i64::MAX), SeqCst);
    }

    fn say(&self, level: Level, target: &str, worker: Option<u64>, text: &str) {
        // An event's level must be known at compile time.
        macro_rules! event {
            ($level:ident $(, $field:ident = $value:expr)?) => {
                tracing::event!(
                    target: "gopiper::component",
                    tracing::Level::$level,
                    pipeline = &*self.pipeline,
                    component = self.component,
                    worker,
                    $($field = $value,)?
                    "{text}"
                )
            };
        }
        // Module names are only of use to the component's author.
        match level {
            Level::ERROR => event!(ERROR),
            Level::WARN => event!(WARN),
            Level::INFO => event!(INFO),
            Level::DEBUG => event!(DEBUG, module = target),
            _ => event!(TRACE, module = target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::clock::ManualClock, stage::failure_log::tests::log_of};

    fn with_clock() -> (ManualClock, ComponentLog) {
        let clock = ManualClock::new();
        let log = ComponentLog::new("p".into(), "c".into(), clock.clock());
        (clock, log)
    }

    #[test]
    fn a_line_that_comes_again_is_counted() {
        let (clock, log) = with_clock();
        let said = log_of(|| {
            for _ in 0..100 {
                log.write(Level::WARN, "", None, "slow disk");
                log.tell_counts();
                clock.advance(Duration::from_millis(150));
            }
            log.write(Level::WARN, "", None, "another line");
            log.end();
        });
        let expected = [
            "WARN slow disk",
            "WARN slow disk (67 times more)",
            "WARN another line",
            "WARN slow disk (32 times more)",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_line_that_has_ended_is_new_again() {
        let (clock, log) = with_clock();
        let said = log_of(|| {
            for _ in 0..2 {
                log.write(Level::INFO, "", Some(2), "connected");
                clock.advance(WINDOW);
                log.tell_counts();
            }
            assert_eq!(log.due(), i64::MAX, "nothing waits");
        });
        assert_eq!(said, ["INFO connected worker=2", "INFO connected worker=2"]);
    }

    #[test]
    fn details_are_not_counted() {
        let (_, log) = with_clock();
        let said = log_of(|| {
            for level in [Level::ERROR, Level::ERROR, Level::WARN, Level::DEBUG, Level::DEBUG] {
                log.write(level, "module", None, "text");
            }
        });
        assert_eq!(said, ["ERROR text", "WARN text"], "the tests' subscriber wants no details");
        assert_eq!(log.times(Level::DEBUG, "text"), Some(0));
    }

    /// A component may log from a thread of its own while its workers sleep.
    #[test]
    fn a_line_is_written_in_each_window_though_no_worker_looks() {
        let (clock, log) = with_clock();
        let said = log_of(|| {
            for _ in 0..25 {
                log.write(Level::WARN, "", None, "no connection");
                clock.advance(Duration::from_secs(1));
            }
            log.end();
            log.write(Level::WARN, "", None, "no connection");
            log.write(Level::WARN, "", None, "no connection");
        });
        let expected = [
            "WARN no connection",
            "WARN no connection (10 times more)",
            "WARN no connection (10 times more)",
            "WARN no connection (4 times more)",
            "WARN no connection",
            "WARN no connection",
        ];
        assert_eq!(said, expected);
    }
}
