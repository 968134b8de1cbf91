//! The reports of components in C, and the outcomes of their messages.
use gopiper_abi::Outcome;
use gopiper_core::{
    ComponentSpec, MetricValue, PipelineOptions, StopReason,
    dead_letters::{self, Letter, SegmentReader},
};

use crate::{
    EVERYTHING,
    common::{self, Probe, c::component_of, run},
    everything, one, spec,
};

#[test]
fn an_error_of_a_callback_ends_the_pipeline_with_its_text() {
    for (text, wanted) in [("uncreated", "it cannot be made"), ("unstarted", "it cannot start")] {
        let probe = Probe::new(["a"]);
        let refuses = spec(&component_of(EVERYTHING), [("text", text.into())]);
        let components = vec![probe.source(1), refuses, probe.sink()];
        let pipeline = gopiper_core::Pipeline::new(components, PipelineOptions::default());
        let error = pipeline.unwrap_or_else(|_| panic!("it fits")).start().err().expect("refused");
        assert_eq!(error.to_string(), format!("everything cannot start: {wanted}"));
    }
    let probe = Probe::new(["a"]);
    let refuses = spec(&component_of(EVERYTHING), [("text", "unended".into())]);
    let (summary, _) = run(vec![probe.source(1), refuses, probe.sink()]);
    let error = "it cannot end".to_owned();
    assert_eq!(summary.stopped, Some(StopReason::Failed { component: "everything".into(), error }));
    let (_, summary) = one("break");
    let error = "it broke".to_owned();
    assert_eq!(summary.stopped, Some(StopReason::Failed { component: "everything".into(), error }));
    let (_, summary) = one("finish");
    assert!(summary.is_finished() && summary.is_success(), "{summary:?}");
}

#[test]
fn a_temporary_refusal_is_tried_again() {
    let probe = Probe::new(["a"]);
    let later = spec(&component_of(EVERYTHING), [("text", "later".into())]);
    let (summary, _) = run(vec![probe.source(1), later, probe.sink()]);
    assert!(summary.is_success(), "{summary:?}");
    assert_eq!(probe.output(), ["a"]);
}

#[test]
fn every_report_has_its_effect() {
    let words =
        ["plain", "drop", "fail", "fail-silently", "reserved", "beyond", "forget", "retry", ""];
    let probe = Probe::new(words);
    let (summary, control) = run(vec![probe.source(9), everything(), probe.sink()]);
    assert_eq!(probe.output(), ["plain", "after 2", ""]);
    let outcomes = [
        Outcome::DELIVERED,
        Outcome::DROPPED,
        Outcome::FAILED,
        Outcome::FAILED,
        Outcome::FAILED,
        Outcome::FAILED,
        Outcome::FAILED,
        Outcome::DELIVERED,
        Outcome::DELIVERED,
    ];
    assert_eq!(probe.outcomes(), outcomes);
    let counts = summary.components[1].1;
    assert_eq!((counts.failed, counts.dropped, counts.retries), (5, 1, 2));
    let metrics = control.metrics();
    let metric = |name| metrics.iter().find(|metric| metric.name == name).expect("registered");
    let handled = metric("handled_total");
    assert_eq!(handled.value, MetricValue::Counter(11), "each attempt is one");
    assert_eq!(metric("last_bytes").value, MetricValue::Gauge(5.5), "a retry was the last");
    let lengths = metric("message_bytes");
    assert_eq!(
        (&*lengths.unit, &lengths.labels[..]),
        ("bytes", &[("of".into(), "input".into())][..])
    );
    // Bytes: 5, 4, 4, 13, 8, 6, 6, three times 5, 0.
    let buckets = vec![(4.0, 3), (16.0, 8)];
    assert_eq!(lengths.value, MetricValue::Histogram { buckets, beyond: 0, sum: 61.0 });
    assert!(metrics.iter().all(|metric| metric.name != "refused"), "its name is no counter's");
}

/// The dead letters after these messages.
fn letters_of(components: Vec<ComponentSpec>) -> Vec<Letter<'static>> {
    let state = tempfile::tempdir().expect("a folder");
    let options =
        PipelineOptions { state_directory: Some(state.path().to_owned()), ..Default::default() };
    common::run_with(components, options);
    let segments = dead_letters::segments(&state.path().join(dead_letters::FOLDER)).expect("there");
    let read =
        |path| SegmentReader::open(path).expect("readable").map(|it| it.expect("whole").letter);
    segments.iter().flat_map(|path| read(path)).collect()
}

#[test]
fn failed_messages_are_as_received_with_a_description() {
    let probe = Probe::new(["fail", "fail-silently", "far-beyond"]);
    let letters = letters_of(vec![probe.source(3), everything(), probe.sink()]);
    let said: Vec<_> = letters.iter().map(|one| (one.status, &*one.description)).collect();
    let beyond = "it returned 401, no result of handle: too far";
    assert_eq!(said, [(204, "no such customer"), (299, ""), (200, beyond)]);
    assert_eq!(letters[0].payload(), b"fail", "it said 'changed' then");
}

#[test]
fn failed_messages_have_their_position() {
    for (positions, wanted) in
        [("", ""), ("counted", "memory, line 7"), ("listed", "memory, byte 70")]
    {
        let attributes = [("lines", 8u64.into()), ("positions", positions.into())];
        let source = spec(&component_of("gopiper-core/tests/c/blocks.c"), attributes);
        let fails = spec(&component_of(EVERYTHING), [("text", "fails".into())]);
        let letters = letters_of(vec![source, fails, Probe::new([""; 0]).sink()]);
        let last = letters.iter().find(|letter| letter.payload() == b"line 00007").expect("failed");
        assert_eq!(last.position, wanted);
    }
}

#[test]
fn failed_messages_have_the_identity_that_their_source_gives() {
    let letters = |positions: &str| {
        let attributes = [("lines", 8u64.into()), ("positions", positions.into())];
        let source = spec(&component_of("gopiper-core/tests/c/blocks.c"), attributes);
        let fails = spec(&component_of(EVERYTHING), [("text", "identities".into())]);
        letters_of(vec![source, fails, Probe::new([""; 0]).sink()])
    };
    let all = letters("identified");
    let last = all.iter().find(|letter| letter.payload() == b"line 00007").expect("failed");
    let (origin, number) = last.identity.rsplit_once(':').expect("an identity");
    assert_eq!((origin.len(), number), (16, "7"));
    assert_eq!((last.status, &*last.description), (207, "7, settled below 3"));
    assert_eq!(letters("counted")[0].description, "it has none");
}
