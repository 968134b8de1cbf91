//! A pipeline for its operator: its components, where they lead, and the promise of each way.
use std::{collections::BTreeSet, fmt, iter};

use gopiper_abi::Kind;

use crate::plan::{
    pipeline::Pipeline,
    planned_stage::PlannedStage,
    policy::{BranchPolicy, OnFail},
    routes::Destination,
};

/// A component in a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// How many workers it has.
    pub workers: usize,
}

/// A connection: messages that leave one component go to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The index of the first node.
    pub from: usize,
    /// The index of the other node.
    pub to: usize,
    /// The name of a route's branch, or the number of a tee's with its policy; otherwise empty.
    pub label: String,
    /// The loosest policy of the tees between them.
    pub policy: BranchPolicy,
}

impl Link {
    /// Whether messages are dropped if the other component has no room for them.
    pub fn is_lossy(&self) -> bool {
        self.policy != BranchPolicy::Block
    }
}

/// A way from a source to a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// The components that it leads through.
    pub components: Vec<String>,
    /// The branch that leads to each of them, as links are labelled; empty for none.
    pub branches: Vec<String>,
    /// Why a message on this way may be lost; if there is no reason, each reaches its end at least
    /// once.
    pub losses: Vec<String>,
    /// Whether a message may come twice after a crash, because its source or a buffer sends it
    /// again.
    pub repeats: bool,
    /// Why a message that comes twice may be written twice; if there is no reason, each is written
    /// once at most.
    pub duplicates: Vec<String>,
}

/// The promise of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Each message reaches its end, and is written there once.
    ExactlyOnce,
    /// Each reaches its end, and may be written twice.
    AtLeastOnce,
    /// Some may be lost, and none is written twice.
    AtMostOnce,
    /// Some may be lost, and others may be written twice.
    BestEffort,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Promise::ExactlyOnce => "exactly once at the sink",
            Promise::AtLeastOnce => "at least once",
            Promise::AtMostOnce => "at most once",
            Promise::BestEffort => "best effort",
        })
    }
}

impl Way {
    /// Its promise.
    pub fn promise(&self) -> Promise {
        match (self.losses.is_empty(), self.duplicates.is_empty()) {
            (true, true) => Promise::ExactlyOnce,
            (true, false) => Promise::AtLeastOnce,
            (false, _) if !self.repeats => Promise::AtMostOnce,
            (false, _) => Promise::BestEffort,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (component, branch)) in self.components.iter().zip(&self.branches).enumerate() {
            let arrow = if place == 0 { "" } else { " → " };
            match branch.as_str() {
                "" => write!(f, "{arrow}{component}")?,
                branch => write!(f, "{arrow}({branch}) {component}")?,
            }
        }
        Ok(())
    }
}

/// The most ways to a component that are listed: tees and routes multiply them.
const MOST_WAYS: usize = 4;

/// The ways from the sources to each stage, as text: `stdin → grep`. Of many ways, only the first
/// are listed.
pub(crate) fn ways_to(stages: &[PlannedStage]) -> Vec<Vec<String>> {
    let mut ways = vec![Vec::<String>::new(); stages.len()];
    // A stage comes after those that lead to it.
    for (place, stage) in stages.iter().enumerate() {
        if ways[place].is_empty() {
            ways[place].push(stage.name.clone());
        }
        for target in stage.next.targets() {
            let of_target = stages[target].name.as_str();
            let longer = ways[place].iter().map(|way| format!("{way} → {of_target}"));
            let longer: Vec<_> = longer.filter(|way| !ways[target].contains(way)).collect();
            ways[target].extend(longer);
            ways[target].truncate(MOST_WAYS);
        }
    }
    ways
}

impl Pipeline {
    /// Its components, the sources first; the operator's sink for failed messages last.
    pub fn nodes(&self) -> Vec<Node> {
        let node = |stage: &PlannedStage| Node {
            name: stage.name.clone(),
            kind: stage.factory.kind(),
            workers: stage.pool_size,
        };
        self.stages.iter().chain(&self.dead_letter).map(node).collect()
    }

    /// Its connections, those of failed messages last.
    pub fn links(&self) -> Vec<Link> {
        let mut links = self.links_of_ways();
        if self.dead_letter.is_some() {
            let keeps =
                |stage: &PlannedStage| matches!(stage.on_fail, None | Some(OnFail::DeadLetter));
            let keeping = (0..self.stages.len()).filter(|stage| keeps(&self.stages[*stage]));
            let (label, policy) = ("failed", BranchPolicy::Block);
            links.extend(keeping.map(|from| Link {
                from,
                to: self.stages.len(),
                label: label.into(),
                policy,
            }));
        }
        links
    }

    /// The connections that messages take as long as they do not fail.
    fn links_of_ways(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (from, stage) in self.stages.iter().enumerate() {
            add_links(&stage.next, from, "", BranchPolicy::Block, &mut links);
        }
        links
    }

    /// Its sources, and whether each sends messages again that were not settled.
    pub fn sources(&mut self) -> Vec<(String, bool)> {
        let outlets: BTreeSet<_> =
            self.stages.iter().filter_map(|stage| stage.next.stored_at()).collect();
        let replays = self.replays;
        let stages = self.stages.iter_mut().enumerate();
        let sources = stages.filter(|(_, stage)| stage.factory.kind() == Kind::SOURCE);
        let resends = |(place, stage): (usize, &mut PlannedStage)| {
            let keeps = replays || outlets.contains(&place) || stage.factory.durability().is_ok();
            (stage.name.clone(), keeps)
        };
        sources.map(resends).collect()
    }

    /// The ways from a source to a sink, with the promise of each. Each tee multiplies them, so
    /// they are computed one at a time.
    pub fn ways(&mut self) -> impl Iterator<Item = Way> {
        let links = self.links_of_ways();
        let outlets: BTreeSet<_> =
            self.stages.iter().filter_map(|stage| stage.next.stored_at()).collect();
        let failing = self.losses_of_failing();
        let promises = self.stages.iter_mut().enumerate().map(|(place, stage)| {
            let is_buffers = stage.next.stored_at().is_some() || outlets.contains(&place);
            Guarantees::of(stage, is_buffers, &failing)
        });
        let promises: Vec<_> = promises.collect();
        let is_source = |stage: &usize| self.stages[*stage].factory.kind() == Kind::SOURCE;
        let sources =
            (0..self.stages.len()).filter(|stage| is_source(stage) && !outlets.contains(stage));
        let begun = Way { branches: vec![String::new()], ..Way::default() };
        let mut unfinished: Vec<_> = sources.map(|source| (source, begun.clone())).collect();
        unfinished.reverse();
        iter::from_fn(move || {
            loop {
                let (stage, mut way) = unfinished.pop()?;
                promises[stage].add_to(&mut way);
                let mut is_last = true;
                for link in links.iter().rev().filter(|link| link.from == stage) {
                    unfinished.push((link.to, along(way.clone(), link, &promises[link.to].name)));
                    is_last = false;
                }
                if is_last {
                    // A loss that applies to several components is listed once.
                    let mut known = BTreeSet::new();
                    way.losses.retain(|loss| known.insert(loss.clone()));
                    return Some(way);
                }
            }
        })
    }

    /// How a message that fails for good can be lost, for each `on_fail`.
    fn losses_of_failing(&mut self) -> impl Fn(&str, Option<OnFail>) -> Vec<String> + use<> {
        let has_place = self.dead_letter.is_some() || self.options.state_directory.is_some();
        let mut of_dead_letter = Vec::new();
        if let Some(stage) = &mut self.dead_letter {
            let name = &stage.name;
            if let Err(cause) = stage.factory.durability() {
                of_dead_letter.push(format!(
                    "failed messages go to {name} (dead_letter), which does not promise that they \
                     survive a crash{}",
                    in_brackets(&cause)
                ));
            }
            if matches!(stage.on_fail, None | Some(OnFail::Discard)) {
                of_dead_letter.push(format!(
                    "failed messages with which {name} (dead_letter) fails, too, are discarded \
                     (on_fail)"
                ));
            }
        }
        move |name, on_fail| match on_fail {
            Some(OnFail::Discard) => {
                vec![format!("messages that fail in {name} are discarded (on_fail)")]
            }
            None if !has_place => vec!["there is no place to keep failed messages".into()],
            None | Some(OnFail::DeadLetter) => of_dead_letter.clone(),
            Some(OnFail::Stop) => Vec::new(),
        }
    }
}

/// What a component guarantees for each message that comes to it.
struct Guarantees {
    name: String,
    losses: Vec<String>,
    repeats: bool,
    duplicates: Option<String>,
}

impl Guarantees {
    /// `is_buffers`: it is one of the two halves of a buffer, which keeps what it has on disk.
    fn of(
        stage: &mut PlannedStage,
        is_buffers: bool,
        failing: impl Fn(&str, Option<OnFail>) -> Vec<String>,
    ) -> Self {
        let (name, kind, mut losses) = (stage.name.clone(), stage.factory.kind(), Vec::new());
        let may_lose = match kind {
            Kind::SOURCE => "does not resend messages that were under way at a crash",
            _ => "does not promise that the messages it has taken survive a crash",
        };
        let durability = stage.factory.durability();
        let repeats = is_buffers || (kind == Kind::SOURCE && durability.is_ok());
        let is_asked = kind != Kind::TRANSFORM && !is_buffers;
        if let Some(cause) = durability.err().filter(|_| is_asked) {
            losses.push(format!("{name} {may_lose}{}", in_brackets(&cause)));
        }
        if stage.drops {
            losses.push(format!("{name} drops messages while it is full (when_full)"));
        }
        losses.extend(failing(&name, stage.on_fail));
        let duplicates = match is_buffers {
            // Its two halves are one for the operator.
            true if kind == Kind::SOURCE => None,
            true => Some(format!("{name} may send messages again after a crash")),
            false => stage.factory.exactly_once().err().and_then(|cause| {
                let lacks = match kind {
                    Kind::SOURCE => "does not give messages identities that stay the same",
                    Kind::SINK => "does not write each message once",
                    // It makes messages from several others, or need not say anything.
                    _ if cause.is_empty() => return None,
                    _ => "sends messages that have no identity",
                };
                Some(format!("{name} {lacks}{}", in_brackets(&cause)))
            }),
        };
        let late = format!(
            "{name} may write a message although its time was over, and it failed (timeout)"
        );
        let is_late = kind == Kind::SINK && !is_buffers && stage.timeout.is_some();
        let duplicates = duplicates.or(is_late.then_some(late));
        Guarantees { name, losses, repeats, duplicates }
    }

    fn add_to(&self, way: &mut Way) {
        way.components.push(self.name.clone());
        way.losses.extend(self.losses.iter().cloned());
        way.repeats |= self.repeats;
        way.duplicates.extend(self.duplicates.clone());
    }
}

/// The cause, if there is one.
fn in_brackets(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(" ({cause})") }
}

/// A way, extended by a component.
fn along(mut way: Way, link: &Link, to: &str) -> Way {
    way.branches.push(link.label.clone());
    if link.is_lossy() {
        way.losses.push(format!("messages are dropped while {to} is full (policy)"));
    }
    if link.policy == BranchPolicy::Detach {
        way.losses.push(format!(
            "messages that the branch of {to} has not finished at a crash, or when it ends alone, \
             are not resent (policy)"
        ));
    }
    way
}

fn add_links(
    next: &Destination,
    from: usize,
    label: &str,
    policy: BranchPolicy,
    links: &mut Vec<Link>,
) {
    match next {
        Destination::Nothing => {}
        Destination::To(to) | Destination::Stored(to) => {
            links.push(Link { from, to: *to, label: label.to_owned(), policy });
        }
        Destination::Tee(branches) => {
            for (number, (of_branch, next)) in (1..).zip(branches) {
                let word = match of_branch {
                    BranchPolicy::Block => "",
                    BranchPolicy::Drop => ", drop",
                    BranchPolicy::Detach => ", detach",
                };
                let label = joined(label, &format!("copy {number}{word}"));
                add_links(next, from, &label, policy.max(*of_branch), links);
            }
        }
        Destination::Route(branches) => {
            for (name, next) in branches {
                add_links(next, from, &joined(label, name), policy, links);
            }
        }
    }
}

fn joined(label: &str, word: &str) -> String {
    if label.is_empty() { word.to_owned() } else { format!("{label}, {word}") }
}
