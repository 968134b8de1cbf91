//! What the scheduler does with components, good and bad: real `.so` files between a source and a
//! sink of the test's own.
mod common;

use common::{Probe, in_process, load, run, with_workers};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gopiper_abi::{
    BatchCall, BatchComponent, Component, Error, Factory, HandleFlags, HandledCallback, Message,
    NoAttributes, Outcome, Parallel, Postponed, Produced, Report, Source, Value, own,
};
use gopiper_core::{
    ComponentOptions, ComponentSpec, OnFail, Pipeline, PipelineError, PipelineOptions, RetryPolicy,
    StopReason, Summary,
};

const DELIVERED: Outcome = Outcome::DELIVERED;
const DROPPED: Outcome = Outcome::DROPPED;
const FAILED: Outcome = Outcome::FAILED;

/// Sends messages through `faults`; what each says is what is done with it.
fn through_faults(messages: &[&str], batch: usize) -> (Probe, Summary) {
    let probe = Probe::new(messages.iter().copied());
    let (summary, _) = run(vec![probe.source(batch), load("faults", []), probe.sink()]);
    assert_eq!(summary.unsettled, 0);
    (probe, summary)
}

#[test]
fn each_way_out_of_handle_has_its_outcome() {
    let ways = [
        ("done", DELIVERED),
        ("anything else is changed and done", DELIVERED),
        ("drop", DROPPED),
        ("fail", FAILED),
        ("reserved", FAILED),
        ("negative", FAILED),
        ("continue", FAILED),
        ("silent", FAILED),
        ("forget", FAILED),
        ("stash", FAILED),
        ("keep and let go", FAILED),
        ("twice", DELIVERED),
        ("defer", DELIVERED),
        ("defer and let go", FAILED),
        ("late", DELIVERED),
        ("late fail", FAILED),
        ("panic", FAILED),
        ("panic after done", DELIVERED),
        ("defer and panic", FAILED),
        ("panic with a fierce payload", FAILED),
        ("done", DELIVERED),
    ];
    let messages: Vec<_> = ways.iter().map(|(what, _)| *what).collect();
    let expected: Vec<_> = ways.iter().map(|(_, outcome)| *outcome).collect();
    for batch in [1, 2, 5, ways.len()] {
        let (probe, summary) = through_faults(&messages, batch);
        assert_eq!(probe.outcomes(), expected, "in batches of {batch}");
        assert_eq!(
            probe.output(),
            // "twice" sends two, in its place; so do the late ones keep theirs.
            ["done", "changed", "changed", "changed", "changed", "changed", "changed", "done"],
        );
        let counts = summary.components[1].1;
        assert_eq!(counts.received, ways.len() as u64);
        assert_eq!(counts.panics, 4);
        assert!(!summary.is_success(), "messages have failed");
    }
}

#[test]
fn the_rest_of_a_batch_goes_on_after_a_panic_with_a_component_made_anew() {
    let (probe, summary) = through_faults(&["stash", "panic", "send the stashed", "done"], 4);
    // The new component has nothing stashed: it does not get what the old one had.
    assert_eq!(probe.output(), ["changed", "done"]);
    assert_eq!(probe.outcomes(), [FAILED, FAILED, DELIVERED, DELIVERED]);
    assert_eq!(summary.components[1].1.panics, 1);
}

#[test]
fn what_was_stashed_without_a_word_is_sent_as_a_new_message() {
    let (probe, summary) = through_faults(&["stash", "send the stashed"], 2);
    assert_eq!(probe.output(), ["changed", "changed"]);
    assert_eq!(probe.outcomes(), [FAILED, DELIVERED]);
    assert_eq!(summary.outcomes.delivered, 2, "the new one counts too");
}

#[test]
fn kept_messages_settle_with_what_was_sent_of_them() {
    let (probe, _) = through_faults(&["keep", "keep", "done", "send the kept"], 3);
    assert_eq!(probe.output(), ["done", "changed", "changed", "changed", "changed", "changed"]);
    assert_eq!(probe.outcomes(), [DELIVERED; 4]);
    let (probe, _) = through_faults(&["keep", "panic", "done"], 3);
    assert_eq!(probe.outcomes(), [FAILED, FAILED, DELIVERED], "kept by what panicked");
    let (probe, _) = through_faults(&["keep", "done"], 2);
    assert_eq!(probe.outcomes(), [FAILED, DELIVERED], "kept until the end");
}

/// Counts the messages of each key that this worker has seen: of no use if a key has two workers.
struct CountKeys(std::collections::BTreeMap<String, u32>);

impl Component for CountKeys {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let key = message.attribute("key").and_then(Value::as_str).unwrap_or_default().to_owned();
        let count = self.0.entry(key.clone()).or_default();
        *count += 1;
        message.set_data(format!("{key} {count}"));
        handled.done(message);
    }
}

#[test]
fn messages_that_agree_in_an_attribute_go_to_one_worker() {
    let keyed = |n: u32| {
        let mut message = Message::new(n.to_string());
        message.set_attribute("key", format!("k{}", n % 7));
        message
    };
    let probe = Probe::new((0..700).map(keyed));
    let factory = own::transform("count_keys", |_| Ok(CountKeys(Default::default())));
    let mut count = ComponentSpec { factory, options: ComponentOptions::default() };
    count.options.partition_by = Some("key".into());
    count.options.channel_size = Some(50);
    let (summary, _) = run(vec![probe.source(30), with_workers(count, 3), probe.sink()]);
    let mut expected: Vec<_> = (0..700).map(|n| format!("k{} {}", n % 7, n / 7 + 1)).collect();
    let mut output = probe.output();
    // Each key in its order.
    for key in 0..7 {
        let of = |lines: &[String]| -> Vec<String> {
            lines.iter().filter(|line| line.starts_with(&format!("k{key} "))).cloned().collect()
        };
        assert_eq!(of(&output), of(&expected));
    }
    output.sort_unstable();
    expected.sort_unstable();
    assert_eq!(output, expected);
    assert!(summary.is_success());
    assert_eq!(probe.outcomes(), [DELIVERED; 700]);
}

#[test]
fn order_is_kept_by_four_workers() {
    let lines: Vec<String> = (0..5000).map(|n| format!("{n} late")).collect();
    let probe = Probe::new(lines.iter().cloned());
    let grep = with_workers(load("grep", [("word", "7".into())]), 4);
    let faults = with_workers(load("faults", []), 3);
    let (summary, _) = run(vec![probe.source(16), grep, faults, probe.sink()]);
    let kept: Vec<_> = lines.iter().filter(|line| line.contains('7')).collect();
    assert_eq!(probe.output().len(), kept.len());
    assert!(summary.is_success());

    let probe = Probe::new(lines.iter().cloned());
    let grep = with_workers(load("grep", [("word", "7".into())]), 4);
    run(vec![probe.source(16), grep, probe.sink()]);
    assert_eq!(probe.output(), kept.into_iter().cloned().collect::<Vec<_>>());
}

#[test]
fn late_reports_from_many_threads_keep_the_order() {
    let words: Vec<String> =
        (0..200).map(|n| if n % 3 == 0 { "late".into() } else { n.to_string() }).collect();
    let probe = Probe::new(words);
    let (summary, _) =
        run(vec![probe.source(7), with_workers(load("faults", []), 2), probe.sink()]);
    assert_eq!(probe.outcomes(), [DELIVERED; 200]);
    assert!(summary.is_success());
}

#[test]
fn a_channel_of_one_message_and_few_bytes_still_moves_everything() {
    let probe = Probe::new((0..300).map(|n| "x".repeat(n)));
    let mut grep = load("grep", [("word", "y".into()), ("invert", true.into())]);
    grep.options = ComponentOptions {
        channel_size: Some(1),
        channel_bytes: Some(10),
        pool_size: Some(3),
        ..Default::default()
    };
    let (summary, _) = run(vec![probe.source(50), grep, probe.sink()]);
    assert_eq!(probe.output().len(), 300);
    assert!(summary.is_success());
}

#[test]
fn a_component_that_fails_ends_the_pipeline_and_is_named() {
    for (place, with_error) in [("timer", true), ("timer", false), ("end", true), ("end", false)] {
        let probe = Probe::new(["a"]);
        let faults = load("faults", [("at", place.into()), ("with_error", with_error.into())]);
        let (summary, _) = run(vec![probe.source(1), faults, probe.sink()]);
        let Some(StopReason::Failed { component, error }) = &summary.stopped else {
            panic!("{place}: {summary:?}");
        };
        assert_eq!(component, "faults");
        let said = if with_error { "fails at" } else { "panicked: at" };
        assert!(error.contains(said), "{place}: {error}");
        assert!(!summary.is_success());
    }
}

#[test]
fn panics_in_drop_and_destroy_hurt_nobody() {
    for place in ["drop", "destroy"] {
        let probe = Probe::new(["panic", "done"]);
        let faults = load("faults", [("at", place.into())]);
        let (_, _) = run(vec![probe.source(2), faults, probe.sink()]);
        assert_eq!(probe.output(), ["done"], "{place}");
    }
}

#[test]
fn a_component_that_cannot_start_keeps_the_pipeline_from_starting() {
    for (place, with_error) in
        [("create", true), ("create", false), ("start", true), ("start", false)]
    {
        let probe = Probe::new(["a"]);
        let faults = load("faults", [("at", place.into()), ("with_error", with_error.into())]);
        let components = vec![probe.source(1), with_workers(faults, 2), probe.sink()];
        let pipeline = Pipeline::new(components, PipelineOptions::default()).expect("it fits");
        let error = pipeline.start().err().expect("refused").to_string();
        assert!(error.starts_with("faults can't start: "), "{error}");
        assert!(probe.output().is_empty());
    }
}

#[test]
fn a_component_may_end_the_pipeline() {
    let (_, summary) = through_faults(&["done", "stop"], 1);
    assert!(
        matches!(&summary.stopped, Some(StopReason::Failed { error, .. }) if error == "told to stop")
    );

    let (probe, summary) = through_faults(&["done", "finish"], 2);
    assert!(matches!(summary.stopped, Some(StopReason::Finished { .. })));
    assert_eq!(probe.outcomes(), [DELIVERED, Outcome::RETURNED]);
    assert!(summary.is_success(), "nobody wanted more: {summary:?}");
}

/// Tries again after a millisecond, so often at most.
fn retrying(mut spec: ComponentSpec, max_attempts: u16) -> ComponentSpec {
    let millisecond = Duration::from_millis(1);
    spec.options.retry =
        RetryPolicy { max_attempts, initial_backoff: millisecond, max_backoff: millisecond };
    spec
}

#[test]
fn a_retry_gets_the_message_again_as_it_first_came_in_and_in_its_place() {
    for workers in [1, 3] {
        let messages = ["done", "retry 2", "drop", "twice", "retry 3", "done", "retry 9", "late"];
        let probe = Probe::new(messages);
        let faults = with_workers(retrying(load("faults", []), 4), workers);
        let (summary, _) = run(vec![probe.source(3), faults, probe.sink()]);
        let [done, twice] = ["done", "changed"].map(str::to_owned);
        // "retry 2" is done at the attempt after the second; what it changed before is not seen.
        let [second, third] = ["retry 2", "retry 3"].map(|what| format!("{what} done"));
        let late = twice.clone();
        assert_eq!(
            probe.output(),
            [done.clone(), second, twice.clone(), twice, third, done, late],
            "{workers} workers"
        );
        let mut expected = [DELIVERED; 8];
        (expected[2], expected[6]) = (DROPPED, FAILED);
        assert_eq!(probe.outcomes(), expected);
        let counts = summary.components[1].1;
        assert_eq!((counts.received, counts.retries), (8, 2 + 3 + 3));
    }
}

#[test]
fn unordered_a_retry_holds_nothing_back() {
    let probe = Probe::new(["retry 3", "done", "done"]);
    let mut faults = retrying(load("faults", []), 9);
    faults.options.ordered = Some(false);
    run(vec![probe.source(3), faults, probe.sink()]);
    assert_eq!(probe.output(), ["done", "done", "retry 3 done"]);
    assert_eq!(probe.outcomes(), [DELIVERED; 3]);
}

/// Has what starts with "twice" tried again once, and keeps what it is done with.
struct Picky(Arc<Mutex<Vec<String>>>);

impl Component for Picky {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if message.data().starts_with(b"twice") && message.attempts() == 0 {
            return handled.report(message, Report::retry(0, "once more"));
        }
        self.0.lock().unwrap().push(String::from_utf8_lossy(message.data()).into_owned());
        handled.done(message);
    }
}

#[test]
fn nothing_overtakes_what_a_sink_gets_again() {
    for ordered in [true, false] {
        let probe = Probe::new(["one", "twice", "two", "three"]);
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let its = seen.clone();
        let mut sink = ComponentSpec {
            factory: own::sink("picky", move |_| Ok(Picky(its.clone()))),
            options: ComponentOptions { ordered: Some(ordered), ..ComponentOptions::default() },
        };
        let backoff = Duration::from_millis(20);
        sink.options.retry =
            RetryPolicy { max_attempts: 2, initial_backoff: backoff, max_backoff: backoff };
        run(vec![probe.source(1), sink]);
        let expected = match ordered {
            true => ["one", "twice", "two", "three"],
            false => ["one", "two", "three", "twice"],
        };
        assert_eq!(*seen.lock().unwrap(), expected, "ordered: {ordered}");
    }
}

#[test]
fn what_a_linger_has_gathered_does_not_overtake_either() {
    let probe = Probe::new(["twice", "one", "two", "three", "four", "five", "six"]);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let its = seen.clone();
    let mut sink = ComponentSpec {
        factory: own::sink("picky", move |_| Ok(Picky(its.clone()))),
        // Half of the channel is gathered: so the second three do not fit to the first.
        options: ComponentOptions { channel_size: Some(8), ..ComponentOptions::default() },
    };
    sink.options.linger = Some(Duration::from_millis(5));
    let backoff = Duration::from_millis(50);
    sink.options.retry =
        RetryPolicy { max_attempts: 2, initial_backoff: backoff, max_backoff: backoff };
    run(vec![probe.source(3), sink]);
    let expected = ["one", "two", "twice", "three", "four", "five", "six"];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(probe.outcomes(), [DELIVERED; 7]);
}

#[test]
fn the_next_stage_counts_attempts_anew() {
    for ordered in [true, false] {
        let probe = Probe::new(["retry 3"]);
        let stage = |name: &str| {
            let mut faults = retrying(load("faults", []), 9);
            faults.options.ordered = Some(ordered);
            faults.options.name = Some(name.into());
            faults
        };
        // The second one is given "retry 3 done" by the first, which it takes for "retry" without
        // end.
        let (summary, _) = run(vec![probe.source(1), stage("one"), stage("two"), probe.sink()]);
        let counts = |place: usize| summary.components[place].1;
        assert_eq!((counts(1).retries, counts(2).retries), (3, 8), "ordered: {ordered}");
        assert_eq!((counts(1).kept, counts(2).failed), (0, 1));
    }
}

/// Reports Retry for a batch the first time, and sends a message of its own behind the report.
struct Afterthought(Postponed);

struct AfterthoughtFactory;

impl Factory for AfterthoughtFactory {
    type Component = Afterthought;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(AfterthoughtFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Afterthought, Error> {
        Ok(Afterthought(postponed))
    }
}

impl BatchComponent for Afterthought {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let flags = call.report_each(|_, message| match message.attempts() {
            0 => Report::retry(0, "once more"),
            _ => Report::DONE,
        });
        let _ = self.0.send(Message::new("afterthought"));
        flags
    }
}

#[test]
fn what_is_sent_behind_the_last_report_comes_last() {
    let probe = Probe::new(["a", "b"]);
    let afterthought = retrying(in_process::<AfterthoughtFactory>("afterthought"), 3);
    let (summary, _) = run(vec![probe.source(2), afterthought, probe.sink()]);
    assert_eq!(probe.output(), ["a", "b", "afterthought", "afterthought"]);
    assert!(summary.is_success(), "{summary:?}");
}

#[test]
fn what_is_deferred_until_the_end_is_reported_there() {
    // More of them than a worker was once allowed to have open.
    let words = std::iter::repeat_n("defer until the end", 100).chain(["done"]);
    let probe = Probe::new(words);
    let (summary, _) = run(vec![probe.source(1), load("faults", []), probe.sink()]);
    assert_eq!(probe.outcomes(), [DELIVERED; 101]);
    assert!(summary.is_success());
}

#[test]
fn a_failure_after_a_stop_is_heard() {
    let probe = Probe::new((0..1_000_000).map(|n| n.to_string()));
    let faults = load("faults", [("at", "end".into()), ("with_error", true.into())]);
    let pipeline = Pipeline::new(vec![probe.source(10), faults, probe.sink()], Default::default());
    let running = pipeline.expect("it fits").start().expect("started");
    running.stop();
    let summary = running.wait();
    assert!(
        matches!(&summary.stopped, Some(StopReason::Failed { component, .. }) if component == "faults")
    );
    assert!(!summary.is_success());
}

#[test]
fn a_pipeline_that_is_held_produces_nothing_until_it_is_released() {
    let probe = Probe::new(["a"]);
    let pipeline = Pipeline::new(vec![probe.source(1), probe.sink()], Default::default());
    let running = pipeline.expect("it fits").start_held().expect("started");
    running.stop();
    assert_eq!(running.wait().components[0].1.sent, 0, "stopped before it was released");
}

#[test]
fn retries_that_wait_take_room_in_the_channel() {
    let probe = Probe::new((0..200).map(|n| if n == 0 { "retry 5".into() } else { n.to_string() }));
    let mut faults = retrying(load("faults", []), 9);
    faults.options.channel_size = Some(4);
    let (summary, _) = run(vec![probe.source(2), faults, probe.sink()]);
    assert_eq!(probe.output().len(), 200);
    assert_eq!(probe.output()[0], "retry 5 done", "in its place");
    assert!(summary.is_success());
}

#[test]
fn on_fail_stop_returns_what_failed_and_stops() {
    let probe = Probe::new(["done", "fail", "done", "done"]);
    let mut faults = load("faults", []);
    faults.options.on_fail = Some(OnFail::Stop);
    let (summary, _) = run(vec![probe.source(1), faults, probe.sink()]);
    assert_eq!(probe.outcomes()[..2], [DELIVERED, Outcome::RETURNED]);
    assert!(
        matches!(&summary.stopped, Some(StopReason::Failed { component, .. }) if component == "faults")
    );
    assert!(!summary.is_success());
}

/// Can't make sense of what it reads.
struct Puzzled(Postponed);

impl Source for Puzzled {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        self.0.send(Message::new("what?").with_report(Report::fail(1, "no idea")))?;
        Ok(Produced::FINISHED)
    }
}

#[test]
fn on_fail_stop_returns_what_a_source_fails_with_too() {
    let options = ComponentOptions { on_fail: Some(OnFail::Stop), ..ComponentOptions::default() };
    let factory = own::source("puzzled", |postponed| Ok(Puzzled(postponed)));
    let probe = Probe::new([""; 0]);
    let (summary, _) = run(vec![ComponentSpec { factory, options }, probe.sink()]);
    let counts = &summary.components[0].1;
    assert_eq!((counts.failed, counts.returned, summary.outcomes.returned), (1, 1, 1));
    assert!(!summary.is_success());
}

#[test]
fn a_stop_drains_what_is_under_way() {
    let probe = Probe::new((0..100_000).map(|n| n.to_string()));
    let grep = load("grep", [("word", "".into())]);
    let pipeline = Pipeline::new(vec![probe.source(10), grep, probe.sink()], Default::default());
    let running = pipeline.expect("it fits").start().expect("started");
    while running.control().outcomes().delivered == 0 {
        std::thread::yield_now();
    }
    running.stop();
    let summary = running.wait();
    let sent = summary.components[0].1.sent;
    assert!(sent < 100_000, "it was stopped");
    assert_eq!(probe.output().len() as u64, sent, "all that was sent arrived");
    assert_eq!(probe.outcomes().len() as u64, sent, "and the source heard so");
    assert!(summary.is_success());
}

fn refusal(components: Vec<ComponentSpec>) -> Vec<PipelineError> {
    Pipeline::new(components, PipelineOptions::default()).err().expect("refused")
}

/// Bears several workers only if they share the messages by an attribute.
struct KeyedFactory;

impl Factory for KeyedFactory {
    type Component = CountKeys;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(KeyedFactory)
    }

    fn create(&self, _postponed: Postponed) -> Result<CountKeys, Error> {
        Ok(CountKeys(Default::default()))
    }

    fn pool_size(&self) -> usize {
        4
    }

    fn parallel(&self) -> Parallel {
        Parallel::KEYED
    }
}

#[test]
fn a_keyed_component_has_several_workers_only_with_a_key() {
    let probe = Probe::new::<&str>([]);
    let keyed = || in_process::<KeyedFactory>("keyed");
    let errors = refusal(vec![probe.source(1), with_workers(keyed(), 2), probe.sink()]);
    let component = "keyed".to_owned();
    assert_eq!(errors, [PipelineError::NotPartitioned { component, pool_size: 2 }]);
    // Left to itself it has one.
    let (summary, _) = run(vec![probe.source(1), keyed(), probe.sink()]);
    assert!(summary.is_success());
}

#[test]
fn components_that_do_not_fit_are_refused_all_at_once() {
    let probe = Probe::new::<&str>([]);
    let grep = || load("grep", [("word", Value::from("x"))]);
    let errors = refusal(vec![grep(), probe.source(1), grep()]);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("grep is a transform: it can't be the first"), "{}", errors[0]);

    assert_eq!(refusal(vec![probe.source(1)]), [PipelineError::TooShort(1)]);

    let mut same = vec![probe.source(1), grep(), probe.sink()];
    same[1].options.name = Some("feed".into());
    assert_eq!(refusal(same), [PipelineError::SameName("feed".into())]);

    let errors = refusal(vec![with_workers(probe.source(1), 2), grep(), probe.sink()]);
    assert_eq!(errors, [PipelineError::Single { component: "feed".into(), pool_size: 2 }]);

    let mut wide = vec![probe.source(1), with_workers(grep(), 0), probe.sink()];
    wide[2].options.channel_size = Some(0);
    let errors: Vec<_> = refusal(wide).iter().map(ToString::to_string).collect();
    assert!(errors[0].contains("pool_size = 0 is out of range: 1 to 1024"), "{errors:?}");
    assert!(errors[1].contains("channel_size = 0 is out of range"), "{errors:?}");
}
