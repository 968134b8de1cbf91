//! Random graphs of tees, routes and merges, nested, against a plain model: each message ends with
//! the worst of its outcomes, each sink gets the messages that lead to it, and along each way in
//! order.
mod actors;
#[path = "../common/mod.rs"]
mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc,
    thread,
    time::Duration,
};

use actors::{Act, Actor, LIMIT, Router, act, random};
use common::Probe;
use gopiper_abi::{Outcome, own};
use gopiper_core::{
    Branch, BranchPolicy, BufferOptions, ComponentOptions, ComponentSpec, Pipeline,
    PipelineOptions, RetryPolicy, Step,
};
use proptest::prelude::*;

/// A list, as it is drawn.
#[derive(Debug, Clone)]
enum Drawn {
    Stage(Stage),
    Buffer,
    Tee(Vec<(BranchPolicy, Vec<Drawn>)>),
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
    /// Whether it has a time limit, and gets stuck now and then.
    limited: bool,
}

fn stage() -> impl Strategy<Value = Stage> {
    let bytes = prop_oneof![1usize..200, Just(8 << 20)];
    let (ordered, limited) = (prop::bool::weighted(0.8), prop::bool::weighted(0.1));
    (any::<bool>(), 1usize..4, 1usize..40, bytes, ordered, limited).prop_map(
        |(acts, workers, channel_size, channel_bytes, ordered, limited)| Stage {
            acts,
            workers,
            channel_size,
            channel_bytes,
            ordered,
            limited,
        },
    )
}

fn policy() -> impl Strategy<Value = BranchPolicy> {
    prop_oneof![
        4 => Just(BranchPolicy::Block),
        1 => Just(BranchPolicy::Drop),
        1 => Just(BranchPolicy::Detach),
    ]
}

fn list() -> impl Strategy<Value = Vec<Drawn>> {
    let leaf = prop_oneof![19 => stage().prop_map(Drawn::Stage), 1 => Just(Drawn::Buffer)];
    let node = leaf.prop_recursive(3, 12, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            inner.clone(),
            prop::collection::vec((policy(), list()), 1..4).prop_map(Drawn::Tee),
            prop::collection::vec(list(), 1..4).prop_map(Drawn::Route),
        ]
    });
    prop::collection::vec(node, 0..4)
}

/// A graph under construction: the steps for the pipeline, and their model.
#[derive(Default)]
struct Made {
    salt: usize,
    sinks: Vec<Probe>,
}

/// The same for the model.
#[derive(Debug, Clone)]
enum Node {
    Stage(usize, bool, bool),
    Buffer,
    Tee(Vec<(BranchPolicy, Vec<Node>)>),
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
                Drawn::Buffer => (Step::Buffer(BufferOptions::default()), Node::Buffer),
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
        let limited = stage.limited;
        let factory =
            own::transform("actor", move |postponed| Ok(Actor { salt, acts, limited, postponed }));
        let options = ComponentOptions {
            pool_size: Some(stage.workers),
            channel_size: Some(stage.channel_size),
            channel_bytes: Some(stage.channel_bytes),
            ordered: Some(stage.ordered),
            timeout: limited.then_some(LIMIT),
            retry: RetryPolicy { max_attempts: 4, initial_backoff: backoff, max_backoff: backoff },
            ..ComponentOptions::default()
        };
        (ComponentSpec { factory, options }.into(), Node::Stage(salt, acts, limited))
    }

    fn tee(&mut self, drawn: &[(BranchPolicy, Vec<Drawn>)], closed: bool) -> (Step, Node) {
        let (mut branches, mut nodes) = (Vec::new(), Vec::new());
        for (place, (policy, list)) in drawn.iter().enumerate() {
            // At least one is not: otherwise no outcome would depend on it.
            let detached = *policy == BranchPolicy::Detach && place > 0;
            // Equal messages from several ways would have no order.
            let alike = self.mark(place);
            let list = if detached { list.clone() } else { [alike, list.clone()].concat() };
            let (steps, list) = self.list(&list, closed || detached || place == 2);
            let policy = match policy {
                BranchPolicy::Detach if !detached => BranchPolicy::Block,
                policy => *policy,
            };
            branches.push(Branch { policy, steps });
            nodes.push((policy, list));
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
        let mark = Stage {
            acts: false,
            workers,
            channel_size,
            channel_bytes,
            ordered: true,
            limited: false,
        };
        if place == 0 { Vec::new() } else { vec![Drawn::Stage(mark)] }
    }
}

/// The result of a message in the model.
struct Model {
    /// The messages of each sink, and whether they must arrive.
    output: Vec<Vec<(String, bool)>>,
    fails: Outcome,
}

type Outcomes = BTreeSet<Outcome>;

fn worst_of(one: &Outcomes, other: &Outcomes) -> Outcomes {
    one.iter().flat_map(|one| other.iter().map(|other| *one.max(other))).collect()
}

/// How sure it is that a message gets somewhere.
#[derive(Clone, Copy)]
struct Sure {
    /// It finds room where it comes in next.
    room: bool,
    /// It got here.
    here: bool,
}

impl Model {
    /// Its possible outcomes.
    fn run(&mut self, text: &str, nodes: &[&Node], mut sure: Sure) -> Outcomes {
        let delivered = Outcomes::from([Outcome::DELIVERED]);
        let Some((node, rest)) = nodes.split_first() else { return delivered };
        let all = |list: &'_ [Node]| -> Vec<Node> {
            list.iter().chain(rest.iter().copied()).cloned().collect()
        };
        let misses = !sure.room && !matches!(node, Node::Tee(_));
        if misses {
            sure = Sure { room: true, here: false };
        }
        let mut outcomes = match node {
            Node::Sink(number) => {
                self.output[*number].push((text.to_owned(), sure.here));
                delivered
            }
            Node::Buffer => {
                self.run(text, rest, sure);
                delivered
            }
            Node::Stage(salt, acts, limited) => {
                sure.here &= !limited;
                let fails = self.fails;
                let mut all = match if *acts { act(*salt, text) } else { Act::Done } {
                    Act::Drop => Outcomes::from([Outcome::DROPPED]),
                    Act::Fail => Outcomes::from([fails]),
                    Act::Done | Act::Retry => self.run(&format!("{text}/{salt}"), rest, sure),
                    Act::Split => {
                        let [one, other] = ["a", "b"]
                            .map(|part| self.run(&format!("{text}/{salt}{part}"), rest, sure));
                        worst_of(&one, &other)
                    }
                };
                if *limited {
                    all.insert(fails);
                }
                all
            }
            Node::Tee(branches) => {
                let mut worst = delivered;
                for (policy, list) in branches {
                    let list = all(list);
                    let mut sure = sure;
                    sure.room &= *policy == BranchPolicy::Block;
                    let outcomes = self.run(text, &list.iter().collect::<Vec<_>>(), sure);
                    if *policy != BranchPolicy::Detach {
                        worst = worst_of(&worst, &outcomes);
                    }
                }
                worst
            }
            Node::Route(salt, branches) => {
                let list = all(&branches[random(*salt, text) % branches.len()]);
                self.run(text, &list.iter().collect::<Vec<_>>(), sure)
            }
        };
        if misses {
            outcomes.insert(Outcome::DROPPED);
        }
        outcomes
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
    // A hundred take seconds, most of them for making threads; `cargo xtask ci --full` asks for
    // thousands.
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn messages_that_go_several_ways_arrive_as_the_model_says(
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
        let state = tempfile::tempdir().unwrap();
        let options =
            PipelineOptions { state_directory: Some(state.path().into()), ..Default::default() };
        let letters = Probe::new([""; 0]);
        let pipeline = Pipeline::new(steps, options).unwrap_or_else(|errors| panic!("{errors:?}"));
        let pipeline = pipeline.dead_letters_to(letters.sink()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let running = pipeline.start().unwrap_or_else(|error| panic!("{error}"));
        let control = running.control();
        let (tell, hear) = mpsc::channel();
        thread::spawn(move || drop(tell.send(running.wait())));
        if let Some((after, at_once)) = end {
            thread::sleep(Duration::from_micros(after));
            if at_once { control.abort() } else { control.stop() }
        }
        let summary = hear.recv_timeout(Duration::from_secs(30));
        let summary = summary.unwrap_or_else(|_| panic!("hangs; left: {:?}", control.left()));
        let ended_at_once = matches!(end, Some((_, true)));

        let count = made.sinks.len();
        let mut model = Model { output: vec![Vec::new(); count], fails: Outcome::DEAD_LETTERED };
        for (number, probe) in probes.iter().enumerate() {
            let all: Vec<_> = beginnings[number].iter().chain(&nodes).collect();
            let count = sources[number].0;
            let sure = Sure { room: true, here: true };
            let expected: Vec<_> =
                (0..count).map(|n| model.run(&format!("{number}.{n}"), &all, sure)).collect();
            for (n, outcome) in probe.outcomes_so_far() {
                let returned = ended_at_once && outcome == Outcome::RETURNED;
                prop_assert!(returned || expected[n as usize].contains(&outcome), "{}: {:?}", n, outcome);
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
            let mut rest = expected.iter();
            prop_assert!(found.iter().all(|one| rest.any(|(other, _)| other == one)), "a part of it");
            if end.is_none() {
                let mut rest = found.iter();
                let mut sure = expected.iter().filter(|(_, sure)| *sure);
                prop_assert!(sure.all(|(one, _)| rest.any(|other| other == one)), "{}: {:?} {:?}", number, found, expected);
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
            Drawn::Buffer => true,
            Drawn::Tee(branches) => branches.iter().all(|(_, list)| in_order(list)),
            Drawn::Route(branches) => branches.iter().all(|list| in_order(list)),
        })
    }
    in_order(drawn) && sources.iter().all(|(_, _, list)| in_order(list))
}
