//! Random graphs of tees, routes and merges, nested, against a plain model: each message ends with the
//! worst that becomes of it anywhere, each sink gets what leads to it, and along each way in order.
mod common;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    thread,
    time::Duration,
};

use common::{Probe, run_until};
use gopiper_abi::{Component, HandledCallback, Message, Outcome, Postponed, Report, own};
use gopiper_core::{
    Branch, BranchPolicy, ComponentOptions, ComponentSpec, PipelineOptions, RetryPolicy, Step,
};
use proptest::prelude::*;

/// A list, as it is drawn.
#[derive(Debug, Clone)]
enum Drawn {
    Stage(Stage),
    Tee(Vec<(bool, Vec<Drawn>)>),
    Route(Vec<Vec<Drawn>>),
}

#[derive(Debug, Clone)]
struct Stage {
    /// Whether it does more than pass messages on.
    acts: bool,
    workers: usize,
    channel_size: usize,
    channel_bytes: usize,
    ordered: bool,
}

fn stage() -> impl Strategy<Value = Stage> {
    let bytes = prop_oneof![1usize..200, Just(8 << 20)];
    (any::<bool>(), 1usize..4, 1usize..40, bytes, prop::bool::weighted(0.8)).prop_map(
        |(acts, workers, channel_size, channel_bytes, ordered)| Stage {
            acts,
            workers,
            channel_size,
            channel_bytes,
            ordered,
        },
    )
}

fn list() -> impl Strategy<Value = Vec<Drawn>> {
    let leaf = stage().prop_map(Drawn::Stage);
    let node = leaf.prop_recursive(3, 12, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            inner.clone(),
            prop::collection::vec((prop::bool::weighted(0.2), list()), 1..4).prop_map(Drawn::Tee),
            prop::collection::vec(list(), 1..4).prop_map(Drawn::Route),
        ]
    });
    prop::collection::vec(node, 0..4)
}

/// What a stage does with a message.
#[derive(Debug, PartialEq)]
enum Act {
    Done,
    Drop,
    Fail,
    Retry,
    Split,
}

fn chance(salt: usize, text: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    (salt, text).hash(&mut hasher);
    hasher.finish() as usize
}

fn act(salt: usize, text: &str) -> Act {
    match chance(salt, text) % 16 {
        0 => Act::Drop,
        1 => Act::Fail,
        2 => Act::Retry,
        3 => Act::Split,
        _ => Act::Done,
    }
}

/// Acts on messages, and writes on each that it was there: so the text says the way that it came.
struct Actor {
    salt: usize,
    acts: bool,
    postponed: Postponed,
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.data()).into_owned()
}

impl Component for Actor {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let (salt, text) = (self.salt, text(&message));
        match if self.acts { act(salt, &text) } else { Act::Done } {
            Act::Drop => return handled.discard(message),
            Act::Fail => return handled.fail(message, "as it is written"),
            Act::Retry if message.attempts() == 0 => {
                return handled.report(message, Report::retry(0, "not yet"));
            }
            Act::Split => {
                let (_, settles) = handled.keep(message).split();
                let parts = ["a", "b"].map(|part| Message::new(format!("{text}/{salt}{part}")));
                return drop(self.postponed.send_from(settles, parts));
            }
            Act::Done | Act::Retry => message.set_data(format!("{text}/{salt}")),
        }
        handled.done(message);
    }
}

/// Says by chance which of so many branches a message takes.
struct Router(usize, usize);

impl Component for Router {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let branch = chance(self.0, &text(&message)) % self.1;
        message.set_branch(branch as u16);
        handled.done(message);
    }
}

/// A graph that is being made: the steps for the pipeline, and what the model must know of them.
#[derive(Default)]
struct Made {
    salt: usize,
    sinks: Vec<Probe>,
}

/// The same for the model.
#[derive(Debug, Clone)]
enum Node {
    Stage(usize, bool),
    Tee(Vec<(bool, Vec<Node>)>),
    Route(usize, Vec<Vec<Node>>),
    Sink(usize),
}

impl Made {
    fn salt(&mut self) -> usize {
        self.salt += 1;
        self.salt
    }

    fn sink(&mut self) -> (Step, Node) {
        let (probe, number) = (Probe::new([""; 0]), self.sinks.len());
        let sink = probe.sink();
        self.sinks.push(probe);
        (sink.into(), Node::Sink(number))
    }

    /// `closed`: nothing follows, so each way must end in a sink.
    fn list(&mut self, drawn: &[Drawn], closed: bool) -> (Vec<Step>, Vec<Node>) {
        let (mut steps, mut nodes) = (Vec::new(), Vec::new());
        let count = drawn.len();
        for (place, one) in drawn.iter().enumerate() {
            let (step, node) = match one {
                Drawn::Stage(stage) => self.stage(stage),
                Drawn::Tee(branches) => self.tee(branches, closed && place + 1 == count),
                Drawn::Route(branches) => self.route(branches, closed && place + 1 == count),
            };
            steps.push(step);
            nodes.push(node);
        }
        if closed && !matches!(drawn.last(), Some(Drawn::Tee(_) | Drawn::Route(_))) {
            let (step, node) = self.sink();
            steps.push(step);
            nodes.push(node);
        }
        (steps, nodes)
    }

    fn stage(&mut self, stage: &Stage) -> (Step, Node) {
        let (salt, acts, backoff) = (self.salt(), stage.acts, Duration::from_micros(100));
        let factory = own::transform("actor", move |postponed| Ok(Actor { salt, acts, postponed }));
        let options = ComponentOptions {
            pool_size: Some(stage.workers),
            channel_size: Some(stage.channel_size),
            channel_bytes: Some(stage.channel_bytes),
            ordered: Some(stage.ordered),
            retry: RetryPolicy { max_attempts: 4, initial_backoff: backoff, max_backoff: backoff },
            ..ComponentOptions::default()
        };
        (ComponentSpec { factory, options }.into(), Node::Stage(salt, acts))
    }

    fn tee(&mut self, drawn: &[(bool, Vec<Drawn>)], closed: bool) -> (Step, Node) {
        let (mut branches, mut nodes) = (Vec::new(), Vec::new());
        for (place, (detached, list)) in drawn.iter().enumerate() {
            // One at least is not: it would say nothing of what becomes of messages.
            let detached = *detached && place > 0;
            // What is alike after several ways would have no order.
            let alike = self.mark(place);
            let list = if detached { list.clone() } else { [alike, list.clone()].concat() };
            let (steps, list) = self.list(&list, closed || detached || place == 2);
            let policy = if detached { BranchPolicy::Detach } else { BranchPolicy::Block };
            branches.push(Branch { policy, steps });
            nodes.push((detached, list));
        }
        (Step::Tee(branches), Node::Tee(nodes))
    }

    fn route(&mut self, drawn: &[Vec<Drawn>], closed: bool) -> (Step, Node) {
        let (mut branches, mut nodes) = (Vec::new(), Vec::new());
        for (place, list) in drawn.iter().enumerate() {
            let list = [self.mark(place), list.clone()].concat();
            let (steps, list) = self.list(&list, closed || place == 2);
            branches.push((place.to_string(), steps));
            nodes.push(list);
        }
        let (salt, ways) = (self.salt(), drawn.len());
        let factory = own::transform("router", move |_| Ok(Router(salt, ways)));
        let router = ComponentSpec { factory, options: ComponentOptions::default() };
        (Step::Route { router, branches }, Node::Route(salt, nodes))
    }

    /// A stage that only writes on messages that they came this way; the first one needs none.
    fn mark(&self, place: usize) -> Vec<Drawn> {
        let (workers, channel_size, channel_bytes) = (1, 30, 8 << 20);
        let mark = Stage { acts: false, workers, channel_size, channel_bytes, ordered: true };
        if place == 0 { Vec::new() } else { vec![Drawn::Stage(mark)] }
    }
}

/// What the model says that a message becomes.
struct Model {
    /// What comes to each sink.
    output: Vec<Vec<String>>,
    /// What does not fail the message, but comes to a sink if there is room.
    detached: Vec<bool>,
}

impl Model {
    fn run(&mut self, text: &str, nodes: &[&Node]) -> Outcome {
        let Some((node, rest)) = nodes.split_first() else { return Outcome::DELIVERED };
        let all = |list: &'_ [Node]| -> Vec<Node> {
            list.iter().chain(rest.iter().copied()).cloned().collect()
        };
        match node {
            Node::Sink(number) => {
                self.output[*number].push(text.to_owned());
                Outcome::DELIVERED
            }
            Node::Stage(salt, acts) => match if *acts { act(*salt, text) } else { Act::Done } {
                Act::Drop => Outcome::DROPPED,
                Act::Fail => Outcome::FAILED,
                Act::Done | Act::Retry => self.run(&format!("{text}/{salt}"), rest),
                Act::Split => {
                    let parts = ["a", "b"].map(|part| format!("{text}/{salt}{part}"));
                    parts.iter().map(|part| self.run(part, rest)).max().expect("two")
                }
            },
            Node::Tee(branches) => {
                let mut worst = Outcome::DELIVERED;
                for (detached, list) in branches {
                    let list = all(list);
                    let outcome = self.run(text, &list.iter().collect::<Vec<_>>());
                    worst = if *detached { worst } else { worst.max(outcome) };
                }
                worst
            }
            Node::Route(salt, branches) => {
                let list = all(&branches[chance(*salt, text) % branches.len()]);
                self.run(text, &list.iter().collect::<Vec<_>>())
            }
        }
    }

    /// Which sinks stand in detached branches.
    fn find_detached(&mut self, nodes: &[Node], inside: bool) {
        for node in nodes {
            match node {
                Node::Sink(number) => self.detached[*number] = inside,
                Node::Stage(..) => {}
                Node::Tee(branches) => {
                    let all = branches.iter();
                    all.for_each(|(detached, list)| self.find_detached(list, inside || *detached));
                }
                Node::Route(_, branches) => {
                    branches.iter().for_each(|list| self.find_detached(list, inside));
                }
            }
        }
    }
}

/// The texts by the way that they came, in order: `source.number/ways`.
fn by_way(texts: &[String]) -> BTreeMap<(&str, &str), Vec<u32>> {
    let mut ways: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for text in texts {
        let (start, way) = text.split_once('/').unwrap_or((text, ""));
        let (source, number) = start.split_once('.').expect("a source and a number");
        ways.entry((source, way)).or_default().push(number.parse().expect("a number"));
    }
    ways
}

fn cases() -> u32 {
    std::env::var("GOPIPER_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

proptest! {
    // A hundred take seconds, most of them for making threads; `cargo xtask ci --full` asks for thousands.
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_goes_several_ways_comes_out_as_the_model_says(
        sources in prop::collection::vec((0usize..60, 1usize..20, list()), 1..3),
        drawn in list(),
        // After so many microseconds it is stopped, or ended at once.
        end in prop::option::weighted(0.3, (0u64..3000, any::<bool>())),
    ) {
        let (mut made, mut probes) = (Made::default(), Vec::new());
        let (mut begins, mut beginnings) = (Vec::new(), Vec::new());
        for (number, (count, batch, list)) in sources.iter().enumerate() {
            let probe = Probe::new((0..*count).map(|n| format!("{number}.{n}")));
            let (steps, nodes) = made.list(list, false);
            begins.push([probe.source(*batch).into()].into_iter().chain(steps).collect::<Vec<_>>());
            beginnings.push(nodes);
            probes.push(probe);
        }
        let (steps, nodes) = made.list(&drawn, true);
        let first = match begins.len() {
            1 => begins.remove(0),
            _ => vec![Step::Merge(begins)],
        };
        let steps: Vec<_> = first.into_iter().chain(steps).collect();
        let (summary, control) = run_until(steps, PipelineOptions::default(), |control| {
            if let Some((after, at_once)) = end {
                thread::sleep(Duration::from_micros(after));
                if at_once { control.abort() } else { control.stop() }
            }
        });
        let ended_at_once = matches!(end, Some((_, true)));

        let count = made.sinks.len();
        let mut model = Model { output: vec![Vec::new(); count], detached: vec![false; count] };
        for beginning in beginnings.iter().chain([&nodes]) {
            model.find_detached(beginning, false);
        }
        for (number, probe) in probes.iter().enumerate() {
            let all: Vec<_> = beginnings[number].iter().chain(&nodes).collect();
            let count = sources[number].0;
            let expected: Vec<_> =
                (0..count).map(|n| model.run(&format!("{number}.{n}"), &all)).collect();
            for (n, outcome) in probe.outcomes_so_far() {
                let returned = ended_at_once && outcome == Outcome::RETURNED;
                prop_assert!(returned || outcome == expected[n as usize], "{}: {:?}", n, outcome);
            }
            prop_assert!(end.is_some() || probe.outcomes().len() == count);
        }
        for (number, probe) in made.sinks.iter().enumerate() {
            let (mut found, mut expected) = (probe.output(), model.output[number].clone());
            if made_in_order(&drawn, &sources) {
                for (way, numbers) in by_way(&found) {
                    prop_assert!(numbers.is_sorted(), "{:?}: {:?}", way, numbers);
                }
            }
            found.sort();
            expected.sort();
            if model.detached[number] || end.is_some() {
                let mut rest = expected.iter();
                prop_assert!(found.iter().all(|one| rest.any(|other| other == one)), "a part of it");
            } else {
                prop_assert_eq!(found, expected);
            }
        }
        prop_assert_eq!((summary.unsettled, control.left().len() * usize::from(!ended_at_once)), (0, 0));
        prop_assert!(summary.outcomes.returned == 0 || ended_at_once);
        prop_assert!(summary.stopped.is_none() || end.is_some());
        prop_assert!(summary.ended_branches.is_empty());
    }
}

fn made_in_order(drawn: &[Drawn], sources: &[(usize, usize, Vec<Drawn>)]) -> bool {
    fn in_order(list: &[Drawn]) -> bool {
        list.iter().all(|one| match one {
            Drawn::Stage(stage) => stage.ordered,
            Drawn::Tee(branches) => branches.iter().all(|(_, list)| in_order(list)),
            Drawn::Route(branches) => branches.iter().all(|list| in_order(list)),
        })
    }
    in_order(drawn) && sources.iter().all(|(_, _, list)| in_order(list))
}
