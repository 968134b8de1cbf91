//! Branches of a tee that the rest does not wait for.
use std::{thread, time::Duration};

use gopiper_abi::{Component, HandledCallback, Message, Postponed, Report, own};
use gopiper_core::{BranchPolicy, BufferOptions, OnFail, PipelineOptions, Step, StopReason};

use crate::{
    DELIVERED,
    common::{
        Probe, load, run, run_until,
        steps::{block, branch, grep, spec},
        story::Gate,
    },
    ends, numbers,
};

#[test]
fn a_detached_branch_fails_alone() {
    let (probe, sink) = (Probe::new(numbers(1000)), Probe::new([""; 0]));
    let (summary, _) = run(vec![
        probe.source(1).into(),
        Step::Tee(vec![
            branch(BranchPolicy::Detach, vec![grep(""), ends(Some("the disk is gone")).into()]),
            block(vec![sink.sink().into()]),
        ]),
    ]);
    assert_eq!((sink.output(), probe.outcomes()), (numbers(1000), vec![DELIVERED; 1000]));
    assert_eq!(summary.stopped, None);
    let failed = StopReason::Failed { component: "ends".into(), error: "the disk is gone".into() };
    assert_eq!(summary.ended_branches, [failed]);
    assert!(!summary.is_success(), "the operator has to look at it");
}

#[test]
fn a_detached_branch_may_want_no_more() {
    let (probe, sink) = (Probe::new(numbers(1000)), Probe::new([""; 0]));
    let (summary, _) = run(vec![
        probe.source(1).into(),
        Step::Tee(vec![
            branch(BranchPolicy::Detach, vec![ends(None).into()]),
            block(vec![sink.sink().into()]),
        ]),
    ]);
    assert_eq!((sink.output(), probe.outcomes()), (numbers(1000), vec![DELIVERED; 1000]));
    assert_eq!(summary.ended_branches, [StopReason::Finished { component: "ends".into() }]);
    assert!(summary.is_success());
}

#[test]
fn failures_in_a_detached_branch_are_counted_and_its_stop_stops_the_branch() {
    for (on_fail, is_ended) in [(OnFail::Discard, false), (OnFail::Stop, true)] {
        let (probe, sink) = (Probe::new(["a", "fail", "b"]), Probe::new([""; 0]));
        let mut faults = load("faults", [("first_word", false.into())]);
        faults.options.on_fail = Some(on_fail);
        let (summary, _) = run(vec![
            probe.source(3).into(),
            Step::Tee(vec![
                branch(
                    BranchPolicy::Detach,
                    vec![faults.into(), Probe::new([""; 0]).sink().into()],
                ),
                block(vec![sink.sink().into()]),
            ]),
        ]);
        assert_eq!(probe.outcomes(), [DELIVERED; 3]);
        assert_eq!(summary.ended_branches.len(), usize::from(is_ended));
        assert!(!summary.is_success());
    }
}

#[test]
fn when_all_that_is_left_is_detached_and_gone_the_pipeline_ends() {
    let (probe, other) = (Probe::new(numbers(100_000)), ends(Some("gone too")));
    let mut detached = vec![ends(Some("gone")), other].into_iter();
    let branches =
        std::iter::from_fn(|| Some(branch(BranchPolicy::Detach, vec![detached.next()?.into()])));
    let tee = Step::Tee(branches.collect());
    let (summary, _) = run(vec![probe.source(1).into(), tee]);
    assert!(matches!(summary.stopped, Some(StopReason::Failed { .. })), "{summary:?}");
    assert!(probe.outcomes_so_far().len() < 100_000);
}

/// Hangs at the gate, and fails then.
struct HangsAndFails(Gate, Postponed);

impl Component for HangsAndFails {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.hang();
        self.1.host().fail("the disk is gone");
        handled.report(message, Report::retry(0, "not written"));
    }
}

#[test]
fn a_detached_branch_that_has_ended_alone_waits_for_no_room_in_its_buffer() {
    let state = tempfile::tempdir().unwrap();
    let options =
        PipelineOptions { state_directory: Some(state.path().into()), ..Default::default() };
    let (probe, sink) = (Probe::new(numbers(2000)), Probe::new([""; 0]));
    let gate = Gate::default();
    let its = gate.clone();
    let fails = own::sink("fails", move |postponed| Ok(HangsAndFails(its.clone(), postponed)));
    let buffer = BufferOptions { max_bytes: 500, ..Default::default() };
    let steps = vec![
        probe.source(1).into(),
        Step::Tee(vec![
            branch(BranchPolicy::Detach, vec![Step::Buffer(buffer), spec(fails).into()]),
            block(vec![sink.sink().into()]),
        ]),
    ];
    let (summary, _) = run_until(steps, options, |_| {
        while sink.output().len() < 2000 {
            thread::sleep(Duration::from_millis(1));
        }
        // The buffer is full by now, and its sink waits.
        thread::sleep(Duration::from_millis(300));
        gate.open();
    });
    assert_eq!(probe.outcomes(), [DELIVERED; 2000]);
    assert_eq!((summary.stopped, summary.ended_branches.len()), (None, 1));
}
