//! Components that prove that the interface supports later parts of gopiper, each as a
//! real `.so`: a runtime of its own, an aggregator, LuaJIT's FFI, a child process. Those in C:
//! `c.rs`.
mod common;

use std::collections::BTreeSet;

use common::{Probe, load, program, run, run_with};
use gopiper_abi::{Outcome, Value};
use gopiper_core::{MetricValue, PayloadMemory, PipelineOptions};

const DELIVERED: Outcome = Outcome::DELIVERED;

#[test]
fn a_source_with_a_tokio_runtime_learns_each_outcome() {
    let probe = Probe::new::<&str>([]);
    let (summary, control) = run(vec![
        load("tokio_source", [("tasks", 4i64.into()), ("messages", 100i64.into())]),
        load("grep", [("word", "7".into())]),
        probe.sink(),
    ]);
    let sevens = (0..100).filter(|n: &i32| n.to_string().contains('7')).count() * 4;
    let output: BTreeSet<String> = probe.output().into_iter().collect();
    assert_eq!(output.len(), sevens);
    assert!(output.contains("3:77"));
    let metric = |name: &str| {
        let metrics = control.metrics();
        metrics.into_iter().find(|metric| metric.name == name).map(|metric| metric.value)
    };
    let counter = |count: usize| Some(MetricValue::Counter(count as u64));
    assert_eq!(metric("heard_delivered_total"), counter(sevens));
    assert_eq!(metric("heard_dropped_total"), counter(400 - sevens));
    assert_eq!(metric("heard_failed_total"), counter(0));
    assert!(summary.is_success(), "{summary:?}");
}

#[test]
fn an_aggregator_settles_its_parents_with_their_result() {
    // 25 messages, ten a group: two by count, the last one by the end of the input.
    let probe = Probe::new((0..25).map(|n| n.to_string()));
    let (summary, _) = run(vec![
        probe.source(7),
        load("merge", []),
        load("grep", [("word", "10,".into()), ("invert", true.into())]),
        probe.sink(),
    ]);
    assert_eq!(probe.output(), ["0,1,2,3,4,5,6,7,8,9", "20,21,22,23,24"]);
    let outcomes = probe.outcomes();
    assert!(outcomes[..10].iter().all(|outcome| *outcome == DELIVERED));
    assert!(outcomes[10..20].iter().all(|outcome| *outcome == Outcome::DROPPED));
    assert!(outcomes[20..].iter().all(|outcome| *outcome == DELIVERED));
    assert_eq!((outcomes.len(), summary.unsettled), (25, 0));
}

#[test]
fn an_aggregator_sends_a_partial_group_when_its_time_is_up() {
    // The source waits for the outcome of its first message before it sends the second.
    let probe = Probe::new(["a", "b"]);
    let (summary, _) = run(vec![
        probe.patient_source(),
        load("merge", [("milliseconds", 5i64.into())]),
        probe.sink(),
    ]);
    assert_eq!(probe.output(), ["a", "b"], "each was sent by the timer");
    assert!(summary.is_success(), "{summary:?}");
}

#[test]
fn a_luajit_function_reads_and_writes_a_batch_through_ffi() {
    let code = "return function(message)
      local text = message:text()
      if text:find('drop') then return 300 end
      if text:find('fail') then return 207 end
      message:set(text .. '!')
      message:attribute('length', tostring(#text))
    end";
    let probe = Probe::new(["one", "drop me", "fail me", "three"]);
    run(vec![probe.source(4), load("lua_ffi", [("code", code.into())]), probe.sink()]);
    assert_eq!(probe.output(), ["one!", "three!"]);
    probe.with_output(|messages| {
        assert_eq!(messages[1].attribute("length").and_then(Value::as_str), Some("5"));
    });
    let outcomes = probe.outcomes();
    assert_eq!(outcomes[1..3], [Outcome::DROPPED, Outcome::FAILED]);
}

#[test]
fn a_child_process_maps_the_payloads() {
    let child = program("shared-child").display().to_string();
    let components = |probe: &Probe| {
        let program = [("program", Value::from(child.as_str()))];
        vec![probe.source(2), load("shared_child", program), probe.sink()]
    };
    let probe = Probe::new(["tree", "rhythm", "a", "", "zzz"]);
    let shared = PipelineOptions { memory: PayloadMemory::Shared, ..Default::default() };
    run_with(components(&probe), shared);
    assert_eq!(probe.output(), ["tree", "a"]);

    let probe = Probe::new(["tree"]);
    let (summary, _) = run(components(&probe));
    assert_eq!(summary.outcomes.failed, 1, "private memory cannot be mapped");
}
