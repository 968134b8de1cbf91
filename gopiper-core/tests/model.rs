//! Random pipelines against a plain model: every message has the one outcome that its words ask
//! for, what comes out comes in order, and the counters add up. Nothing hangs: each case is given
//! thirty seconds.
mod common;

use std::time::Duration;

use common::{Probe, load, run};
use gopiper_abi::Outcome;
use gopiper_core::{ComponentSpec, RetryPolicy};
use proptest::prelude::*;

const DELIVERED: Outcome = Outcome::DELIVERED;
const FAILED: Outcome = Outcome::FAILED;

/// What `faults` does with a message of these words: its outcome, and what comes out.
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
    ("drop", Outcome::DROPPED, &[]),
    ("fail", FAILED, &[]),
    ("reserved", FAILED, &[]),
    ("silent", FAILED, &[]),
    ("forget", FAILED, &[]),
    ("keep and let go", FAILED, &[]),
    ("defer and let go", FAILED, &[]),
    ("panic", FAILED, &[]),
    ("panic after done", DELIVERED, &["changed"]),
    ("defer and panic", FAILED, &[]),
];

#[derive(Debug, Clone)]
struct Stage {
    workers: usize,
    channel_size: usize,
    channel_bytes: usize,
}

fn stage() -> impl Strategy<Value = Stage> {
    let bytes = prop_oneof![1usize..200, Just(8 << 20)];
    (1usize..4, 1usize..40, bytes).prop_map(|(workers, channel_size, channel_bytes)| Stage {
        workers,
        channel_size,
        channel_bytes,
    })
}

fn with(mut spec: ComponentSpec, stage: &Stage, ordered: bool) -> ComponentSpec {
    spec.options.pool_size = Some(stage.workers);
    spec.options.channel_size = Some(stage.channel_size);
    spec.options.channel_bytes = Some(stage.channel_bytes);
    spec.options.ordered = Some(ordered);
    let backoff = Duration::from_micros(50);
    spec.options.retry =
        RetryPolicy { max_attempts: 4, initial_backoff: backoff, max_backoff: backoff };
    spec
}

fn cases() -> u32 {
    std::env::var("GOPIPER_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

proptest! {
    // Two hundred take a second or two; `cargo xtask ci --full` asks for ten thousand.
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_pipeline_does_what_its_messages_say(
        ways in prop::collection::vec(0..WAYS.len(), 0..80),
        batch in 1usize..30,
        faults in stage(),
        before in prop::option::of(stage()),
        after in prop::option::of(stage()),
        ordered in any::<bool>(),
    ) {
        let probe = Probe::new(ways.iter().map(|&way| WAYS[way].0));
        let neutral = || load("grep", [("word", "\0".into()), ("invert", true.into())]);
        let mut components = vec![probe.source(batch)];
        components.extend(before.as_ref().map(|stage| with(neutral(), stage, ordered)));
        components.push(with(load("faults", []), &faults, ordered));
        components.extend(after.as_ref().map(|stage| with(neutral(), stage, ordered)));
        components.push(probe.sink());
        let (summary, control) = run(components);

        let ways: Vec<_> = ways.iter().map(|&way| WAYS[way]).collect();
        let expected: Vec<_> = ways.iter().map(|(_, outcome, _)| *outcome).collect();
        prop_assert_eq!(probe.outcomes(), expected.clone());
        let mut output: Vec<_> = ways.iter().flat_map(|(_, _, out)| out.iter().copied()).collect();
        let mut found = probe.output();
        if !ordered {
            output.sort_unstable();
            found.sort_unstable();
        }
        prop_assert_eq!(found, output.clone());

        let count = |outcome| expected.iter().filter(|one| **one == outcome).count() as u64;
        let outcomes = summary.outcomes;
        prop_assert_eq!(outcomes.delivered, count(DELIVERED));
        prop_assert_eq!(outcomes.dropped, count(Outcome::DROPPED));
        prop_assert_eq!((outcomes.failed, outcomes.returned), (count(FAILED), 0));
        prop_assert_eq!((summary.unsettled, control.left().len()), (0, 0));
        let of = |name: &str| {
            let found = summary.components.iter().find(|(component, _)| component == name);
            found.map(|(_, counts)| *counts).unwrap_or_default()
        };
        prop_assert_eq!(of("feed").sent, ways.len() as u64);
        prop_assert_eq!(of("faults").received, ways.len() as u64);
        prop_assert_eq!(of("collect").received, output.len() as u64);
        prop_assert_eq!(of("faults").failed + of("faults").unsent, count(FAILED));
    }
}
