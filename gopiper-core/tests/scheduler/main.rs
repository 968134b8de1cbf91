//! The scheduler with components, good and bad: real `.so` files between a source and a
//! sink of the test's own.
#[path = "../common/mod.rs"]
mod common;
mod refusals;
mod retries;

use std::time::Duration;

use common::{Probe, load, run, with_workers};

use gopiper_abi::{
    Component, Error, HandledCallback, Message, Outcome, Postponed, Produced, Report, Source,
    Value, own,
};
use gopiper_core::{
    ComponentOptions, ComponentSpec, OnFail, Pipeline, PipelineOptions, StopReason, Summary,
};

const DELIVERED: Outcome = Outcome::DELIVERED;
const DROPPED: Outcome = Outcome::DROPPED;
const FAILED: Outcome = Outcome::FAILED;

/// Sends messages through `faults`; the text of each is its instruction.
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
        ("keep and drop", FAILED),
        ("twice", DELIVERED),
        ("defer", DELIVERED),
        ("defer and drop", FAILED),
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
fn the_rest_of_a_batch_continues_after_a_panic_with_a_new_component() {
    let (probe, summary) = through_faults(&["stash", "panic", "send the stashed", "done"], 4);
    // The new component has nothing stashed: it does not get the messages of the old one.
    assert_eq!(probe.output(), ["changed", "done"]);
    assert_eq!(probe.outcomes(), [FAILED, FAILED, DELIVERED, DELIVERED]);
    assert_eq!(summary.components[1].1.panics, 1);
    assert_eq!(summary.components[1].1.restarts, 1);
}

#[test]
fn messages_stashed_without_a_delivery_are_sent_as_new_ones() {
    let (probe, summary) = through_faults(&["stash", "send the stashed"], 2);
    assert_eq!(probe.output(), ["changed", "changed"]);
    assert_eq!(probe.outcomes(), [FAILED, DELIVERED]);
    assert_eq!(summary.outcomes.delivered, 2, "the new one counts too");
}

#[test]
fn kept_messages_settle_with_the_messages_made_from_them() {
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
fn panics_in_drop_and_destroy_do_no_harm() {
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
        assert!(error.starts_with("faults cannot start: "), "{error}");
        assert!(probe.output().is_empty());
    }
}

/// Those of a source come last: by then the rest is ready for its messages.
#[test]
fn all_components_but_the_sources_start_at_the_same_time() {
    struct Passes;

    impl Component for Passes {
        fn handle(&mut self, message: Message, handled: HandledCallback) {
            handled.done(message);
        }
    }

    let probe = Probe::new(["a"]);
    let (sender, receiver) = crossbeam_channel::bounded(0);
    // Each needs the other to be starting.
    let patience = Duration::from_secs(10);
    let one = own::transform("one", move |_| {
        let sent = sender.send_timeout((), patience);
        sent.map(|()| Passes).map_err(|error| Error::new(error.to_string()))
    });
    let other = own::transform("other", move |_| {
        let received = receiver.recv_timeout(patience);
        received.map(|()| Passes).map_err(|error| Error::new(error.to_string()))
    });
    let [one, other] =
        [one, other].map(|factory| ComponentSpec { factory, options: Default::default() });
    let components = vec![probe.source(1), one, other, probe.sink()];
    let (summary, _) = run(components);
    assert!(summary.is_success(), "{summary:?}");
    assert_eq!(probe.output(), ["a"]);
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
    assert!(summary.is_success(), "the sink needed no more: {summary:?}");
}

#[test]
fn messages_deferred_until_the_end_are_reported_there() {
    // More of them than a worker was once allowed to have open.
    let words = std::iter::repeat_n("defer until the end", 100).chain(["done"]);
    let probe = Probe::new(words);
    let (summary, _) = run(vec![probe.source(1), load("faults", []), probe.sink()]);
    assert_eq!(probe.outcomes(), [DELIVERED; 101]);
    assert!(summary.is_success());
}

#[test]
fn a_failure_after_a_stop_is_reported() {
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
fn on_fail_stop_returns_failed_messages_and_stops() {
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

/// Cannot read its input.
struct Puzzled(Postponed);

impl Source for Puzzled {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        self.0.send(Message::new("what?").with_report(Report::fail(1, "no idea")))?;
        Ok(Produced::FINISHED)
    }
}

#[test]
fn on_fail_stop_also_returns_messages_that_a_source_fails() {
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
    assert_eq!(probe.outcomes().len() as u64, sent, "and the source learned it");
    assert!(summary.is_success());
}
