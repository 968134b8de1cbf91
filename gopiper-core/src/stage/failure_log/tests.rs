//! The log of failures, on a clock that the tests move.
use super::{reasons::key, *};

#[test]
fn a_reason_is_recognized_though_messages_differ() {
    let same =
        |one: &str, other: &str| key(200, Attempt::Last, one) == key(200, Attempt::Last, other);
    assert!(same("line 12: no number: 'abc'", "line 7: no number: 'x y'"));
    assert!(same("cannot write 3 bytes to \"a\"", "cannot write 70 bytes to \"b\""));
    assert!(!same("cannot open it", "cannot close it"), "an apostrophe is no quote");
    assert!(!same("an odd line", "the database is gone"));
    assert_ne!(key(200, Attempt::Last, "a"), key(201, Attempt::Last, "a"));
    assert_ne!(key(100, Attempt::Retried, "a"), key(100, Attempt::Last, "a"));
    assert!(same("it's 'open", "it's 'open"));
}

/// The lines logged while `f` runs: each with its level, text and fields.
pub(in crate::stage) fn log_of(f: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, f);
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    let text = text.replace(" pipeline=\"p\" component=\"c\"", "");
    // The code is the last field, and says less than the words.
    let without_code = |line: &str| line.trim().split(" code=").next().unwrap_or("").to_owned();
    text.lines().map(without_code).collect()
}

fn with_clock() -> (crate::ManualClock, Failures) {
    let clock = crate::ManualClock::new();
    let failures = Failures::new("p".into(), "c".into(), clock.clock());
    (clock, failures)
}

fn fails(description: &str, is_retried: bool) -> Failure<'_> {
    let (status, attempt) = match is_retried {
        true => (100, Attempt::Retried),
        false => (200, Attempt::Last),
    };
    Failure { status, description, attempt, dead_letter: None }
}

#[test]
fn each_new_reason_is_said_at_once_and_then_counted_until_it_ends() {
    let (clock, failures) = with_clock();
    let log = log_of(|| {
        for n in 0..1000 {
            let description = format!("line {n} is odd");
            let origin = || MessageOrigin {
                position: Some(format!("in, message {n}")),
                identity: Some(format!("in:{n}")),
            };
            failures.report(&fails(&description, false), origin);
        }
        let letter = Failure { dead_letter: Some("run-7"), ..fails("", false) };
        failures.report(&letter, MessageOrigin::default);
        assert!(failures.due() > 0 && failures.due() < i64::MAX);
        failures.tell_counts();
        clock.advance(WINDOW);
        failures.tell_counts();
        clock.advance(WINDOW);
        failures.tell_counts();
        assert_eq!(failures.due(), i64::MAX);
        failures.report(&fails("line 1 is odd", false), MessageOrigin::default);
        failures.report(&fails("line 1 is odd", false), MessageOrigin::default);
        failures.end();
    });
    assert_eq!(
        log,
        [
            "ERROR a message failed: line 0 is odd status=200 position=\"in, message 0\" \
             identity=\"in:0\"",
            "ERROR a message failed: the component gave no reason status=200 dead_letter=\"run-7\"",
            "ERROR more messages failed: line 1 is odd status=200 messages=999",
            "WARN no more messages fail like this: line 1 is odd status=200 messages=1000",
            "ERROR a message failed: line 1 is odd status=200",
            "ERROR more messages failed: line 1 is odd status=200 messages=1",
        ]
    );
}

#[test]
fn waiting_retries_are_reported_as_long_as_they_last() {
    let (clock, failures) = with_clock();
    let attempt = || failures.report(&fails("the disk is full", true), MessageOrigin::default);
    let log = log_of(|| {
        attempt();
        failures.begin_retrying(1);
        for _ in 0..3 {
            failures.end_retrying(1, false);
            attempt();
            failures.begin_retrying(1);
        }
        clock.advance(WINDOW);
        failures.tell_counts();
        // Its backoff is longer than a window: no attempt fails, and nothing is well.
        clock.advance(WINDOW);
        failures.tell_counts();
        failures.end_retrying(1, true);
        // It comes and goes: that is one line more, not one each time.
        for _ in 0..100 {
            attempt();
            failures.begin_retrying(1);
            failures.end_retrying(1, true);
        }
        clock.advance(WINDOW);
        failures.tell_counts();
        clock.advance(WINDOW);
        failures.tell_counts();
        assert_eq!(failures.due(), i64::MAX);
    });
    assert_eq!(
        log,
        [
            "WARN a message failed, and will be tried again: the disk is full status=100",
            "ERROR still failing after 10.0 s: the disk is full status=100 attempts=3 waiting=1",
            "ERROR still failing after 20.0 s: the disk is full status=100 attempts=0 waiting=1",
            "WARN it works again after 20.0 s; the problem was: the disk is full status=100 attempts=4",
            "WARN it works again after 10.0 s; the problem was: the disk is full status=100 attempts=1",
        ]
    );
}

#[test]
fn attempts_of_which_later_ones_succeed_are_no_standstill() {
    let (clock, failures) = with_clock();
    let attempt = |number| {
        let description = format!("order {number} is locked");
        failures.report(&fails(&description, true), MessageOrigin::default);
        failures.begin_retrying(1);
    };
    let log = log_of(|| {
        attempt(0);
        for number in 1..4 {
            clock.advance(WINDOW / 2);
            attempt(number);
            // Another one waits at each moment.
            failures.end_retrying(1, true);
            failures.tell_counts();
        }
        clock.advance(WINDOW / 2);
        failures.tell_counts();
    });
    assert_eq!(
        log,
        [
            "WARN a message failed, and will be tried again: order 0 is locked status=100",
            "WARN some attempts failed within 10.0 s, and later ones succeeded: order 1 is locked status=100 \
             attempts=2 waiting=1",
            "WARN some attempts failed within 20.0 s, and later ones succeeded: order 3 is locked status=100 \
             attempts=1 waiting=1",
        ]
    );
    let shown = failures.recent.read();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].description, "order 3 is locked");
}

#[test]
fn reasons_without_further_attempts_end() {
    let (clock, failures) = with_clock();
    let log = log_of(|| {
        failures.report(&fails("it is busy", true), MessageOrigin::default);
        failures.begin_retrying(1);
        failures.report(&fails("it is busy", true), MessageOrigin::default);
        failures.end_retrying(1, false);
        failures.report(&fails("it is busy", false), MessageOrigin::default);
        clock.advance(Duration::from_millis(1200));
        failures.end();
    });
    assert_eq!(
        log,
        [
            "WARN a message failed, and will be tried again: it is busy status=100",
            "ERROR a message failed: it is busy status=200",
            "ERROR more attempts failed within 1.2 s: it is busy status=100 attempts=1",
        ]
    );
}

#[test]
fn a_timer_that_fails_is_counted_as_messages_are() {
    let (clock, failures) = with_clock();
    let fails = || {
        let failure = Failure {
            status: 0,
            description: "flush: broken",
            attempt: Attempt::Timer,
            dead_letter: None,
        };
        failures.report(&failure, MessageOrigin::default);
    };
    let log = log_of(|| {
        fails();
        failures.begin_retrying(1);
        (0..1000).for_each(|_| fails());
        clock.advance(WINDOW);
        failures.tell_counts();
        failures.end_retrying(1, true);
    });
    assert_eq!(
        log,
        [
            "ERROR its timer has failed, and is called again: flush: broken",
            "ERROR still failing after 10.0 s: flush: broken status=0 attempts=1000 waiting=1",
            "WARN it works again after 10.0 s; the problem was: flush: broken status=0 attempts=1001",
        ]
    );
}

#[test]
fn reasons_without_number_share_one_entry() {
    let (clock, failures) = with_clock();
    let log = log_of(|| {
        for n in 0..1000u32 {
            let letters: String =
                n.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
            failures.report(&fails(&letters, false), MessageOrigin::default);
        }
        clock.advance(WINDOW);
        failures.tell_counts();
    });
    assert_eq!(log.len(), MOST_REASONS + 2, "{log:#?}");
    let last = log.last().expect("a line");
    assert!(last.contains("messages=967") && last.contains("for reasons that are not"), "{log:#?}");
}

#[test]
fn times_are_for_people() {
    assert_eq!(lasted(0, 12_340_000_000), "12.3 s");
    assert_eq!(lasted(0, 300_000_000_000), "5.0 min");
    assert_eq!(lasted(0, 9_000_000_000_000), "2.5 h");
}

#[test]
fn dropped_messages_are_reported_when_it_begins_while_it_goes_on_and_in_all() {
    let (clock, failures) = with_clock();
    let log = log_of(|| {
        for _ in 0..3 {
            failures.report_dropped(100, "it is full");
        }
        for _ in 0..2 {
            clock.advance(WINDOW);
            failures.tell_counts();
        }
        failures.report_dropped(1, "it is full");
        failures.report_dropped(9, "it is full");
        failures.end();
    });
    assert_eq!(
        log,
        [
            "WARN messages are dropped: it is full messages=100",
            "WARN more messages were dropped: it is full messages=200",
            "WARN no more messages are dropped: it is full messages=300",
            "WARN messages are dropped: it is full messages=1",
            "WARN messages were dropped in all, as there was no room for them messages=310",
        ]
    );
}
