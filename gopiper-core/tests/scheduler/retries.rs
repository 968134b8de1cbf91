//! Retries of messages, and which messages may overtake them.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gopiper_abi::{
    BatchCall, BatchComponent, Component, Error, Factory, HandleFlags, HandledCallback, Message,
    NoAttributes, Postponed, Report, own,
};
use gopiper_core::{ComponentOptions, ComponentSpec, RetryPolicy};

use crate::{
    DELIVERED, DROPPED, FAILED,
    common::{Probe, in_process, load, run, with_workers},
};

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
        // "retry 2" is done at the attempt after the second; its earlier changes are not visible.
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

/// Retries messages that start with "twice" once, and keeps the finished ones.
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
fn nothing_overtakes_a_retry_of_a_sink() {
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
fn messages_gathered_by_linger_do_not_overtake_either() {
    let probe = Probe::new(["twice", "one", "two", "three", "four", "five", "six"]);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let its = seen.clone();
    let mut sink = ComponentSpec {
        factory: own::sink("picky", move |_| Ok(Picky(its.clone()))),
        // Half of the channel is gathered: so the second three do not fit with the first.
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
fn the_next_stage_counts_attempts_from_one() {
    for ordered in [true, false] {
        let probe = Probe::new(["retry 3"]);
        let stage = |name: &str| {
            let mut faults = retrying(load("faults", []), 9);
            faults.options.ordered = Some(ordered);
            faults.options.name = Some(name.into());
            faults
        };
        // The second one gets "retry 3 done" from the first, and takes it for "retry" without
        // end.
        let (summary, _) = run(vec![probe.source(1), stage("one"), stage("two"), probe.sink()]);
        let counts = |place: usize| summary.components[place].1;
        assert_eq!((counts(1).retries, counts(2).retries), (3, 8), "ordered: {ordered}");
        assert_eq!((counts(1).kept, counts(2).failed), (0, 1));
    }
}

/// Reports Retry for a batch the first time, and sends a message of its own after the report.
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
fn messages_sent_after_the_last_report_come_last() {
    let probe = Probe::new(["a", "b"]);
    let afterthought = retrying(in_process::<AfterthoughtFactory>("afterthought"), 3);
    let (summary, _) = run(vec![probe.source(2), afterthought, probe.sink()]);
    assert_eq!(probe.output(), ["a", "b", "afterthought", "afterthought"]);
    assert!(summary.is_success(), "{summary:?}");
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
