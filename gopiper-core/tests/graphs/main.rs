//! Tees, routes and merges: the outcomes of messages when a way is slow, or fails.
#[path = "../common/mod.rs"]
mod common;
mod detached;

use std::{sync::mpsc, thread, time::Duration};

use common::{
    Probe, load, run, run_with,
    steps::{block, branch, by_number, grep, spec},
    story::Gate,
};
use gopiper_abi::{
    BatchCall, BatchComponent, Component, Error, HandleFlags, HandledCallback, Message, Outcome,
    Postponed, Produced, Report, SendStatus, Source, own,
};
use gopiper_core::{BranchPolicy, BufferOptions, ComponentSpec, Pipeline, PipelineOptions, Step};

const DELIVERED: Outcome = Outcome::DELIVERED;
const DROPPED: Outcome = Outcome::DROPPED;
const FAILED: Outcome = Outcome::FAILED;
const RETURNED: Outcome = Outcome::RETURNED;

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// Hangs at the gate with its messages.
struct Hangs(Gate);

impl BatchComponent for Hangs {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.0.hang();
        call.report_all(Report::DONE)
    }
}

/// A sink that takes two messages and hangs with one.
fn hanging(gate: &Gate) -> ComponentSpec {
    let gate = gate.clone();
    let mut hangs = spec(own::sink("hangs", move |_| Ok(Hangs(gate.clone()))));
    hangs.options.channel_size = Some(2);
    hangs
}

/// Ends its pipeline at the third message: with an error, or because it needs no more.
struct Ends(Postponed, Option<&'static str>, u32);

impl Component for Ends {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.2 += 1;
        if self.2 == 3 {
            match self.1 {
                Some(error) => self.0.host().fail(error),
                None => self.0.host().finish(),
            }
        }
        handled.done(message);
    }
}

fn ends(error: Option<&'static str>) -> ComponentSpec {
    spec(own::sink("ends", move |postponed| Ok(Ends(postponed, error, 0))))
}

#[test]
fn each_branch_gets_all_in_order_and_the_worst_counts() {
    let (probe, all) = (Probe::new(["1", "drop", "2", "fail", "3"]), Probe::new([""; 0]));
    let most = Probe::new([""; 0]);
    let faults = load("faults", [("first_word", false.into())]);
    let (summary, control) = run(vec![
        probe.source(2).into(),
        Step::Tee(vec![
            block(vec![all.sink().into()]),
            block(vec![faults.into(), most.sink().into()]),
        ]),
    ]);
    assert_eq!(all.output(), ["1", "drop", "2", "fail", "3"]);
    assert_eq!(most.output().len(), 3);
    assert_eq!(probe.outcomes(), [DELIVERED, DROPPED, DELIVERED, FAILED, DELIVERED]);
    let names: Vec<_> = control.counts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["feed", "collect", "faults", "collect_2"]);
    assert_eq!(summary.components[0].1.sent, 5, "copies are not counted");
}

#[test]
fn messages_dropped_by_a_component_are_counted_there_whichever_copy_ends_last() {
    let (probe, gate) = (Probe::new(["keep and drop"]), Gate::default());
    let faults = load("faults", [("first_word", false.into())]);
    let steps = vec![
        probe.source(1).into(),
        Step::Tee(vec![
            block(vec![hanging(&gate).into()]),
            block(vec![faults.into(), Probe::new([""; 0]).sink().into()]),
        ]),
    ];
    let (summary, _) = common::run_until(steps, PipelineOptions::default(), |control| {
        while control.counts()[2].1.kept == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        gate.open();
    });
    assert_eq!(summary.components[2].1.unsent, 1);
    assert_eq!(probe.outcomes(), [FAILED]);
}

#[test]
fn messages_kept_aside_continue_and_come_together_again() {
    let (probe, sink, aside) = (Probe::new(["a", "b"]), Probe::new([""; 0]), Probe::new([""; 0]));
    let (summary, _) = run(vec![
        probe.source(1).into(),
        Step::Tee(vec![block(vec![]), block(vec![grep("b")]), block(vec![aside.sink().into()])]),
        sink.sink().into(),
    ]);
    assert!(summary.is_success());
    let mut output = sink.output();
    output.sort();
    assert_eq!(
        (output, aside.output()),
        (vec!["a".into(), "b".into(), "b".into()], numbers_of("ab"))
    );
    assert_eq!(probe.outcomes(), [DROPPED, DELIVERED], "one copy of the first was dropped");
}

fn numbers_of(letters: &str) -> Vec<String> {
    letters.chars().map(String::from).collect()
}

#[test]
fn a_slow_branch_that_drops_does_not_delay_the_others() {
    let (probe, fast, gate) = (Probe::new(numbers(100)), Probe::new([""; 0]), Gate::default());
    let steps = vec![
        probe.source(1).into(),
        Step::Tee(vec![
            branch(BranchPolicy::Drop, vec![hanging(&gate).into()]),
            block(vec![fast.sink().into()]),
        ]),
    ];
    let (summary, _) = common::run_until(steps, PipelineOptions::default(), |_| {
        while fast.output().len() < 100 {
            thread::sleep(Duration::from_millis(1));
        }
        gate.open();
    });
    assert!(summary.is_success());
    let (_, slow) = &summary.components[1];
    assert_eq!(slow.received + slow.missed, 100);
    assert!((1..=3).contains(&slow.received), "{slow:?}");
    let outcomes = probe.outcomes();
    let dropped = outcomes.iter().filter(|outcome| **outcome == DROPPED).count() as u64;
    assert_eq!((dropped, summary.outcomes.dropped), (slow.missed, slow.missed));
}

#[test]
fn a_slow_branch_with_a_buffer_waits_on_disk_and_continues_next_time() {
    let state = tempfile::tempdir().unwrap();
    let options =
        || PipelineOptions { state_directory: Some(state.path().into()), ..Default::default() };
    let (probe, fast, gate) = (Probe::new(numbers(100)), Probe::new([""; 0]), Gate::default());
    let steps = |probe: &Probe, slow: ComponentSpec, fast: &Probe| -> Vec<Step> {
        vec![
            probe.source(1).into(),
            Step::Tee(vec![
                block(vec![Step::Buffer(BufferOptions::default()), slow.into()]),
                block(vec![fast.sink().into()]),
            ]),
        ]
    };
    let first = steps(&probe, hanging(&gate), &fast);
    common::run_until(first, options(), |control| {
        while probe.outcomes_so_far().len() < 100 {
            thread::sleep(Duration::from_millis(1));
        }
        control.abort();
        gate.open();
    });
    assert_eq!((probe.outcomes(), fast.output()), (vec![DELIVERED; 100], numbers(100)));
    let (none, slow, fast) = (Probe::new([""; 0]), Probe::new([""; 0]), Probe::new([""; 0]));
    let (summary, _) = run_with(steps(&none, slow.sink(), &fast), options());
    assert!(summary.is_success());
    let rest = slow.output();
    assert!(rest.len() >= 97, "{rest:?}");
    assert_eq!(rest, numbers(100)[100 - rest.len()..]);
}

#[test]
fn a_source_that_leads_nowhere_any_more_ends_alone() {
    let (one, other) = (Probe::new(numbers(100_000)), Probe::new(numbers(1000)));
    let sink = Probe::new([""; 0]);
    let patient = other.patient_source();
    let steps = vec![
        Step::Merge(vec![
            vec![one.source(1).into()],
            vec![patient.into(), Step::Tee(vec![block(vec![sink.sink().into()]), block(vec![])])],
        ]),
        Step::Tee(vec![branch(BranchPolicy::Detach, vec![ends(Some("gone")).into()])]),
    ];
    let (summary, _) = run(steps);
    assert!(one.outcomes_so_far().len() < 100_000);
    assert_eq!((sink.output().len(), summary.stopped), (1000, None));
    assert_eq!(summary.ended_branches.len(), 1);
}

#[test]
fn a_finished_branch_ends_the_pipeline_and_the_others_keep_their_messages() {
    let (probe, sink) = (Probe::new(numbers(10_000)), Probe::new([""; 0]));
    let (summary, _) = run(vec![
        probe.source(10).into(),
        Step::Tee(vec![block(vec![ends(None).into()]), block(vec![sink.sink().into()])]),
    ]);
    assert!(summary.is_success() && summary.is_finished());
    let (outcomes, output) = (probe.outcomes_so_far(), sink.output());
    assert_eq!(output, numbers(outcomes.len()), "all that was produced came there");
    assert!(outcomes.values().all(|outcome| [DELIVERED, RETURNED].contains(outcome)));
}

#[test]
fn each_takes_its_branch_and_unknown_ones_the_last() {
    let probe = Probe::new(["1", "0", "?", "7", "1", "2"]);
    let sinks = [(); 3].map(|()| Probe::new([""; 0]));
    let name = |n: usize| n.to_string();
    let branches = sinks.iter().enumerate().map(|(n, one)| (name(n), vec![one.sink().into()]));
    let router = by_number();
    let route = Step::Route { router, branches: branches.collect() };
    let (summary, _) = run(vec![probe.source(4).into(), route]);
    assert!(summary.is_success());
    assert_eq!(sinks[0].output(), ["0"]);
    assert_eq!(sinks[1].output(), ["1", "1"]);
    assert_eq!(sinks[2].output(), ["?", "7", "2"]);
    assert_eq!(probe.outcomes(), [DELIVERED; 6]);
}

#[test]
fn several_sources_end_a_pipeline_when_all_have_ended() {
    let (one, other, sink) = (Probe::new(numbers(50)), Probe::new(["x"; 20]), Probe::new([""; 0]));
    let lists = vec![
        vec![one.source(3).into()],
        vec![other.source(1).into(), load("grep", [("word", "x".into())]).into()],
    ];
    let (summary, _) = run(vec![Step::Merge(lists), sink.sink().into()]);
    assert!(summary.is_success());
    let (letters, digits): (Vec<_>, Vec<_>) =
        sink.output().into_iter().partition(|text| text == "x");
    assert_eq!((letters.len(), digits), (20, numbers(50)));
    assert_eq!((one.outcomes().len(), other.outcomes().len()), (50, 20));
}

/// Sends its messages without waiting, and records when there was no room.
struct Tries(Postponed, Vec<Message>, mpsc::Sender<()>);

impl Source for Tries {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let Some(message) = self.1.pop() else { return Ok(Produced::FINISHED) };
        if let Err(unsent) = self.0.try_send(message) {
            assert_eq!(unsent.status, SendStatus::FULL);
            self.1.extend(unsent.batch.messages().first().map(Message::duplicate));
            let _ = self.2.send(());
        }
        Ok(Produced::MORE)
    }
}

#[test]
fn a_sender_that_does_not_wait_learns_of_a_full_branch_and_no_branch_gets_it() {
    let (gate, fast) = (Gate::default(), Probe::new([""; 0]));
    let (tell, full) = mpsc::channel();
    let tries = own::source("tries", move |postponed| {
        let messages = (0..20).map(|n| Message::new(n.to_string())).collect();
        Ok(Tries(postponed, messages, tell.clone()))
    });
    let steps = vec![
        spec(tries).into(),
        Step::Tee(vec![
            block(vec![fast.sink().into()]),
            branch(BranchPolicy::Drop, vec![Probe::new([""; 0]).sink().into()]),
            block(vec![hanging(&gate).into()]),
        ]),
    ];
    let (summary, _) = common::run_until(steps, PipelineOptions::default(), |_| {
        (0..100).for_each(|_| full.recv().unwrap());
        assert!(fast.output().len() <= 4, "it goes to all or none");
        gate.open();
    });
    assert!(summary.is_success());
    let expected: Vec<_> = numbers(20).into_iter().rev().collect();
    assert_eq!(fast.output(), expected);
}

#[test]
fn a_sender_that_does_not_wait_gets_room_for_joined_branches_at_once() {
    let sink = Probe::new([""; 0]);
    let tries = own::source("tries", move |postponed| Ok(TriesAll(postponed, 100)));
    let mut last = sink.sink();
    last.options.channel_size = Some(4);
    let tee = Step::Tee(vec![block(vec![]), block(vec![])]);
    let (summary, _) = run(vec![spec(tries).into(), tee, last.into()]);
    assert!(summary.is_success());
    assert_eq!(sink.output(), ["a", "b", "c"].repeat(2));
}

/// Tries to send three messages at once, so often at most.
struct TriesAll(Postponed, u32);

impl Source for TriesAll {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        if self.1 == 0 {
            return Ok(Produced::FINISHED);
        }
        let mut all = self.0.batch();
        ["a", "b", "c"].into_iter().for_each(|one| all.push(Message::new(one)).unwrap());
        self.1 = if self.0.try_send_tracked(all, 0).is_ok() { 0 } else { self.1 - 1 };
        thread::sleep(Duration::from_millis(1));
        Ok(Produced::MORE)
    }
}

#[test]
fn dead_letters_of_a_branch_go_to_that_branch_alone() {
    let state = tempfile::tempdir().unwrap();
    let options =
        || PipelineOptions { state_directory: Some(state.path().into()), ..Default::default() };
    let (probe, other) = (Probe::new(["fail", "a"]), Probe::new([""; 0]));
    let steps = |source: &Probe, fails: bool, other: &Probe, sink: &Probe| -> Vec<Step> {
        let word = |word: &str| grep(word);
        let mut middle = if fails {
            load("faults", [("first_word", false.into())])
        } else {
            load("grep", [("word", "".into())])
        };
        middle.options.name = Some("middle".into());
        vec![
            source.source(1).into(),
            Step::Tee(vec![
                block(vec![word(""), other.sink().into()]),
                block(vec![middle.into(), word("")]),
                block(vec![]),
            ]),
            sink.sink().into(),
        ]
    };
    let sink = Probe::new([""; 0]);
    run_with(steps(&probe, true, &other, &sink), options());
    assert_eq!(probe.outcomes(), [Outcome::DEAD_LETTERED, DELIVERED]);
    for (component, from_start, expected) in [("middle", false, 1), ("middle", true, 0)] {
        let (none, other, sink) = (Probe::new([""; 0]), Probe::new([""; 0]), Probe::new([""; 0]));
        let pipeline = Pipeline::new(steps(&none, false, &other, &sink), options());
        let pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
        let pipeline = pipeline.replaying(component, from_start);
        let running = pipeline.and_then(Pipeline::start).unwrap_or_else(|error| panic!("{error}"));
        assert!(running.wait().is_success());
        assert_eq!((sink.output().len(), other.output().len()), (expected, 0));
    }
}

#[test]
fn dead_letters_go_from_the_start_through_a_buffer_too() {
    let state = tempfile::tempdir().unwrap();
    let options =
        || PipelineOptions { state_directory: Some(state.path().into()), ..Default::default() };
    let steps = |source: &Probe, middle: ComponentSpec, sink: &Probe| -> Vec<Step> {
        let buffer = Step::Buffer(BufferOptions::default());
        vec![source.source(1).into(), grep(""), buffer, middle.into(), sink.sink().into()]
    };
    let named = |mut middle: ComponentSpec| {
        middle.options.name = Some("middle".into());
        middle
    };
    let (probe, sink) = (Probe::new(["fail", "a"]), Probe::new([""; 0]));
    let fails = named(load("faults", [("first_word", false.into())]));
    run_with(steps(&probe, fails, &sink), options());
    assert_eq!(probe.outcomes(), [DELIVERED; 2], "they are in the buffer");
    let (none, sink) = (Probe::new([""; 0]), Probe::new([""; 0]));
    let passes = named(load("grep", [("word", "".into())]));
    let pipeline = Pipeline::new(steps(&none, passes, &sink), options());
    let pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
    let pipeline = pipeline.replaying("middle", true).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = pipeline.components().collect();
    assert_eq!(names, ["replay", "grep", "buffer", "buffer.out", "middle", "collect"]);
    let running = pipeline.start().unwrap_or_else(|error| panic!("{error}"));
    assert!(running.wait().is_success());
    assert_eq!(sink.output(), ["fail"]);
}
