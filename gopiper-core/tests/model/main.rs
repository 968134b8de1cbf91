//! Random pipelines against a plain model: every message has the one outcome that its text and the
//! later stages ask for, the output is in order, and the counters add up. Nothing hangs:
//! each case is given ten minutes, by a clock that the test moves.
#[path = "../common/mod.rs"]
mod common;
mod components;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst, mpsc},
    thread,
    time::Duration,
};

use common::{Probe, load};
use components::{Gate, HANG, Judge, Merge, Split, Stuck, verdict};
use gopiper_abi::{Deliveries, Outcome, own};
use gopiper_core::{
    ComponentOptions, ComponentSpec, Control, ManualClock, Pipeline, PipelineOptions, RetryPolicy,
    Summary,
};
use proptest::prelude::*;

const DELIVERED: Outcome = Outcome::DELIVERED;
const DROPPED: Outcome = Outcome::DROPPED;
const FAILED: Outcome = Outcome::FAILED;
const DEAD_LETTERED: Outcome = Outcome::DEAD_LETTERED;
const RETURNED: Outcome = Outcome::RETURNED;

/// The result of a message with this text in `faults`: its outcome, and the output.
const WAYS: &[(&str, Outcome, &[&str])] = &[
    ("done", DELIVERED, &["done"]),
    ("changed by default", DELIVERED, &["changed"]),
    ("twice", DELIVERED, &["changed", "changed"]),
    ("defer", DELIVERED, &["changed"]),
    ("late", DELIVERED, &["changed"]),
    ("late fail", FAILED, &[]),
    ("retry 1", DELIVERED, &["retry 1 done"]),
    ("retry 2", DELIVERED, &["retry 2 done"]),
    ("retry 9", FAILED, &[]),
    ("drop", DROPPED, &[]),
    ("fail", FAILED, &[]),
    ("reserved", FAILED, &[]),
    ("silent", FAILED, &[]),
    ("forget", FAILED, &[]),
    (KEPT, FAILED, &[]),
    ("defer and drop", FAILED, &[]),
    ("panic", FAILED, &[]),
    ("panic after done", DELIVERED, &["changed"]),
    ("defer and panic", FAILED, &[]),
];

/// Has failed, and there is nothing to be kept as a dead letter.
const KEPT: &str = "keep and drop";

#[derive(Debug, Clone)]
struct Stage {
    workers: usize,
    channel_size: usize,
    channel_bytes: usize,
    linger: Option<Duration>,
}

fn stage() -> impl Strategy<Value = Stage> {
    let bytes = prop_oneof![1usize..200, Just(8 << 20)];
    let linger = prop::option::of((0u64..3).prop_map(Duration::from_millis));
    (1usize..4, 1usize..40, bytes, linger).prop_map(
        |(workers, channel_size, channel_bytes, linger)| Stage {
            workers,
            channel_size,
            channel_bytes,
            linger,
        },
    )
}

fn with(mut spec: ComponentSpec, stage: &Stage, ordered: bool) -> ComponentSpec {
    let backoff = Duration::from_millis(1);
    spec.options = ComponentOptions {
        pool_size: Some(stage.workers),
        channel_size: Some(stage.channel_size),
        channel_bytes: Some(stage.channel_bytes),
        linger: stage.linger,
        ordered: Some(ordered),
        retry: RetryPolicy { max_attempts: 4, initial_backoff: backoff, max_backoff: backoff },
        ..spec.options
    };
    spec
}

fn of(factory: gopiper_abi::raw::client::FactoryHandle) -> ComponentSpec {
    ComponentSpec { factory, options: ComponentOptions::default() }
}

const LIMIT: Duration = Duration::from_secs(20);

type End = fn(&Control);

/// Runs it to its end, by a clock that moves whenever all else waits: in steps that are small
/// against the limit, but for a component that is stuck, whose stage has one worker. At some turn
/// it may be ended.
fn run(
    components: Vec<ComponentSpec>,
    dead_letters: Option<ComponentSpec>,
    gate: &Gate,
    ends: Option<(u32, End)>,
) -> (Summary, Control) {
    let clock = ManualClock::new();
    let options = PipelineOptions { clock: clock.clock(), ..PipelineOptions::default() };
    let pipeline = Pipeline::new(components, options).and_then(|pipeline| match dead_letters {
        Some(sink) => pipeline.dead_letters_to(sink),
        None => Ok(pipeline),
    });
    let pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
    let running = pipeline.start().unwrap_or_else(|error| panic!("{error}"));
    let (tell, hear) = mpsc::channel();
    let control = running.control();
    thread::spawn(move || drop(tell.send(running.wait())));
    let step = Duration::from_millis(2);
    for turn in 0..300_000 {
        if let Some((_, end)) = ends.filter(|(at, _)| *at == turn) {
            end(&control);
        }
        if let Ok(summary) = hear.recv_timeout(Duration::from_micros(100)) {
            return (summary, control);
        }
        let given_up: u64 = control.counts().iter().map(|(_, counts)| counts.abandoned).sum();
        let is_stuck = gate.hanging.load(SeqCst) as u64 > given_up;
        clock.advance(if is_stuck { LIMIT / 4 } else { step });
    }
    panic!("the pipeline hangs; left: {:?}", control.left());
}

/// The state of one input in the model: its messages under way, and the worst outcome.
type Way = (&'static str, Outcome, &'static [&'static str]);

/// A message under way in the model: its text, and the inputs that it was made of.
type Item = (String, Vec<usize>);

/// The final output, the outcome of each input, and the number of dead letters. A message that
/// fails is `failed` then.
fn model(
    ways: &[Way],
    split: Option<usize>,
    merge: Option<usize>,
    judged: bool,
    failed: Outcome,
) -> (Vec<String>, Vec<Outcome>, u64) {
    let of = |way: &Way| if way.0 != KEPT && way.1 == FAILED { failed } else { way.1 };
    let mut outcomes: Vec<_> = ways.iter().map(of).collect();
    let mut letters = ways.iter().filter(|way| of(way) == DEAD_LETTERED).count();
    let mut items: Vec<Item> = Vec::new();
    for (input, (_, _, out)) in ways.iter().enumerate() {
        items.extend(out.iter().map(|text| (text.to_string(), vec![input])));
    }
    let mut settle = |inputs: &[usize], outcome: Outcome| {
        inputs.iter().for_each(|input| outcomes[*input] = outcomes[*input].max(outcome));
    };
    if let Some(count) = split {
        if count == 0 {
            items.iter().for_each(|(_, inputs)| settle(inputs, DROPPED));
        }
        items = items.into_iter().flat_map(|item| vec![item; count]).collect();
    }
    if let Some(count) = merge {
        let together = |items: &[Item]| {
            let texts: Vec<_> = items.iter().map(|(text, _)| text.as_str()).collect();
            (texts.join(","), items.iter().flat_map(|(_, inputs)| inputs.clone()).collect())
        };
        items = items.chunks(count).map(together).collect();
    }
    if judged {
        for (text, inputs) in &items {
            let verdict = verdict(text);
            settle(inputs, if verdict == FAILED { failed } else { verdict });
            letters += usize::from(verdict == FAILED && failed == DEAD_LETTERED);
        }
        items.retain(|(text, _)| verdict(text) == DELIVERED);
    }
    (items.into_iter().map(|(text, _)| text).collect(), outcomes, letters as u64)
}

fn cases() -> u32 {
    std::env::var("GOPIPER_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

/// The parts of merged messages, in no order: after an abandoned worker, the groups are
/// random.
fn parts(texts: Vec<String>) -> Vec<String> {
    let mut parts: Vec<_> =
        texts.iter().flat_map(|text| text.split(',').map(str::to_owned)).collect();
    parts.sort_unstable();
    parts
}

proptest! {
    // Two hundred take a second or two; `cargo xtask ci --full` asks for ten thousand.
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_pipeline_does_what_its_messages_say(
        ways in prop::collection::vec(0..WAYS.len(), 0..80),
        hangs in prop::collection::vec(0usize..80, 0..3),
        batch in 1usize..30,
        faults in stage(),
        before in prop::option::of(stage()),
        after in prop::option::of(stage()),
        split in prop::option::of(0usize..4),
        merge in prop::option::of(1usize..5),
        judged in any::<bool>(),
        ordered in any::<bool>(),
        kept in any::<bool>(),
    ) {
        let mut ways: Vec<Way> = ways.iter().map(|&way| WAYS[way]).collect();
        for place in &hangs {
            ways.insert(place % (ways.len() + 1), (HANG, FAILED, &[]));
        }
        // The groups would be random, and so would be their outcomes.
        let judged = judged && (ordered || merge.is_none());
        let one_worker = Stage { workers: 1, ..faults.clone() };
        let probe = Probe::new(ways.iter().map(|way| way.0));
        let gate = Arc::new(Gate::default());
        let neutral = || load("grep", [("word", "\0".into()), ("invert", true.into())]);
        let mut components = vec![probe.source(batch)];
        components.extend(before.as_ref().map(|stage| with(neutral(), stage, ordered)));
        if !hangs.is_empty() {
            let gate = gate.clone();
            let mut stuck = of(own::transform("stuck", move |_| Ok(Stuck(gate.clone()))));
            stuck.options.timeout = Some(LIMIT);
            components.push(with(stuck, &one_worker, ordered));
        }
        components.push(with(load("faults", []), &faults, ordered));
        if let Some(count) = split {
            let split = of(own::transform("split", move |postponed| Ok(Split(count, postponed))));
            components.push(with(split, &faults, ordered));
        }
        if let Some(count) = merge {
            let merge = of(own::transform("merge", move |postponed| {
                let (parts, settles) = (Vec::new(), Deliveries::default());
                Ok(Merge { count, parts, settles, postponed })
            }));
            components.push(with(merge, &one_worker, ordered));
        }
        components.extend(after.as_ref().map(|stage| with(neutral(), stage, ordered)));
        if judged {
            components.push(with(of(own::transform("judge", |_| Ok(Judge))), &faults, ordered));
        }
        components.push(probe.sink());
        let dead = Probe::new([""; 0]);
        let mut graveyard = dead.sink();
        graveyard.options.name = Some("graveyard".into());
        let (summary, control) = run(components, kept.then_some(graveyard), &gate, None);

        let failed = if kept { DEAD_LETTERED } else { FAILED };
        let (mut output, expected, letters) = model(&ways, split, merge, judged, failed);
        prop_assert_eq!(dead.output().len() as u64, letters);
        let came_out = output.len() as u64;
        prop_assert_eq!(probe.outcomes(), expected.clone());
        let mut found = probe.output();
        if !ordered {
            (found, output) = (parts(found), parts(output));
        }
        prop_assert_eq!(found, output);

        let counts = |name: &str| {
            let found = summary.components.iter().find(|(component, _)| component == name);
            found.map(|(_, counts)| *counts).unwrap_or_default()
        };
        let of = |outcome| expected.iter().filter(|one| **one == outcome).count() as u64;
        let outcomes = summary.outcomes;
        prop_assert_eq!(outcomes.delivered, of(DELIVERED));
        prop_assert_eq!(outcomes.dropped, of(DROPPED));
        prop_assert_eq!((outcomes.failed, outcomes.returned), (of(FAILED), 0));
        prop_assert_eq!(outcomes.dead_lettered, of(DEAD_LETTERED));
        prop_assert_eq!((summary.unsettled, control.left().len()), (0, 0));
        prop_assert_eq!(counts("feed").sent, ways.len() as u64);
        prop_assert_eq!(counts("faults").received, (ways.len() - hangs.len()) as u64);
        prop_assert_eq!(counts("stuck").abandoned, hangs.len() as u64);
        prop_assert_eq!(counts("collect").received, came_out);
        let failed = ways.iter().filter(|way| way.1 == FAILED).count() - hangs.len();
        prop_assert_eq!(counts("faults").failed + counts("faults").unsent, failed as u64);

        // A stuck component continues: it is only counted.
        gate.open.store(true, SeqCst);
        while control.counts().iter().map(|(_, counts)| counts.late).sum::<u64>() < hangs.len() as u64 {
            thread::yield_now();
        }
        prop_assert_eq!(probe.outcomes(), expected);
    }

    /// Stopped, it drains; ended at once, it returns unfinished messages. Nothing has two outcomes,
    /// nor a false one.
    #[test]
    fn an_end_at_any_moment_leaves_each_message_with_one_true_outcome(
        ways in prop::collection::vec(0..WAYS.len(), 1..80),
        batch in 1usize..30,
        faults in stage(),
        after in stage(),
        turn in 0u32..60,
        at_once in any::<bool>(),
        ordered in any::<bool>(),
    ) {
        let ways: Vec<Way> = ways.iter().map(|&way| WAYS[way]).collect();
        let probe = Probe::new(ways.iter().map(|way| way.0));
        let neutral = load("grep", [("word", "\0".into()), ("invert", true.into())]);
        let components = vec![
            probe.source(batch),
            with(load("faults", []), &faults, ordered),
            with(neutral, &after, ordered),
            probe.sink(),
        ];
        let end: End = if at_once { Control::abort } else { Control::stop };
        let (summary, _) = run(components, None, &Gate::default(), Some((turn, end)));

        let told = probe.outcomes_so_far();
        let sent = summary.components[0].1.sent;
        let of = |outcome| told.values().filter(|one| **one == outcome).count() as u64;
        for (place, outcome) in &told {
            let expected = ways[*place as usize].1;
            prop_assert!(*outcome == expected || (at_once && *outcome == RETURNED), "{}: {:?}", place, outcome);
        }
        let found = probe.output();
        let delivered = told.iter().filter(|(_, outcome)| **outcome == DELIVERED);
        let due: usize = delivered.map(|(place, _)| ways[*place as usize].2.len()).sum();
        prop_assert!(found.len() >= due, "delivered, and not there");
        if ordered {
            let all: Vec<&str> = ways.iter().flat_map(|way| way.2).copied().collect();
            let mut rest = all.iter();
            prop_assert!(found.iter().all(|text| rest.any(|one| one == text)), "out of order");
        }
        if !at_once {
            prop_assert_eq!((told.len() as u64, of(RETURNED), summary.unsettled), (sent, 0, 0));
        }
        // Messages returned after the source has gone are not reported.
        prop_assert!(told.len() as u64 <= sent);
    }
}
