//! A pipeline for its operator: its components, where they lead, and the promise of each way.
use std::{collections::BTreeSet, fmt, iter};

use gopiper_abi::Kind;

use crate::plan::{pipeline::Pipeline, policy::OnFail, routes::Next, step::BranchPolicy};

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

impl Pipeline {
    /// Its components, the sources first.
    pub fn nodes(&self) -> Vec<Node> {
        let node = |part: &crate::plan::part::Part| Node {
            name: part.name.clone(),
            kind: part.factory.kind(),
            workers: part.pool_size,
        };
        self.parts.iter().map(node).collect()
    }

    /// Its connections.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (from, part) in self.parts.iter().enumerate() {
            add_links(&part.next, from, "", BranchPolicy::Block, &mut links);
        }
        links
    }

    /// The ways from a source to a sink, with the promise of each. Each tee multiplies them, so
    /// they are computed one at a time.
    pub fn ways(&mut self) -> impl Iterator<Item = Way> {
        let links = self.links();
        let forgotten = self.dead_letter.as_mut().and_then(|part| {
            let cause = part.factory.durability().err()?;
            let cause = if cause.is_empty() { cause } else { format!(" ({cause})") };
            let name = &part.name;
            Some(format!(
                "what fails goes to {name} (dead_letter), which does not say that it outlives a crash{cause}"
            ))
        });
        let has_place = self.dead_letter.is_some() || self.options.state_directory.is_some();
        let outlets: Vec<_> = self.parts.iter().filter_map(|part| part.next.stored_at()).collect();
        let (mut losses, mut repeats) = (Vec::new(), Vec::new());
        for (place, part) in self.parts.iter_mut().enumerate() {
            let name = &part.name;
            let (mut of_part, kind) = (Vec::new(), part.factory.kind());
            let is_buffers = part.next.stored_at().is_some() || outlets.contains(&place);
            let may_lose = match kind {
                Kind::SOURCE => "does not give again what was under way at a crash",
                _ => "does not say that what it has taken outlives a crash",
            };
            let is_asked = kind != Kind::TRANSFORM && !is_buffers;
            let durability = part.factory.durability();
            repeats.push(is_buffers || (kind == Kind::SOURCE && durability.is_ok()));
            if let Some(cause) = durability.err().filter(|_| is_asked) {
                let cause = if cause.is_empty() { cause } else { format!(" ({cause})") };
                of_part.push(format!("{name} {may_lose}{cause}"));
            }
            if part.drops {
                of_part.push(format!("{name} drops what it has no room for (when_full)"));
            }
            match part.on_fail {
                Some(OnFail::Discard) => {
                    of_part.push(format!("what {name} fails with is discarded (on_fail)"));
                }
                None if !has_place => {
                    of_part.push("what fails has no place to be kept".into());
                }
                None | Some(OnFail::DeadLetter) => of_part.extend(forgotten.clone()),
                _ => {}
            }
            losses.push(of_part);
        }
        let is_source = |part: &usize| self.parts[*part].factory.kind() == Kind::SOURCE;
        let sources =
            (0..self.parts.len()).filter(|part| is_source(part) && !outlets.contains(part));
        let begun = Way { branches: vec![String::new()], ..Way::default() };
        let mut unfinished: Vec<_> = sources.map(|source| (source, begun.clone())).collect();
        unfinished.reverse();
        let names: Vec<_> = self.parts.iter().map(|part| part.name.clone()).collect();
        iter::from_fn(move || {
            loop {
                let (part, mut way) = unfinished.pop()?;
                way.components.push(names[part].clone());
                way.losses.extend(losses[part].iter().cloned());
                way.repeats |= repeats[part];
                let mut is_last = true;
                for link in links.iter().rev().filter(|link| link.from == part) {
                    unfinished.push((link.to, along(way.clone(), link, &names[link.to])));
                    is_last = false;
                }
                if is_last {
                    // A loss that applies to several components is listed once.
                    let mut told = BTreeSet::new();
                    way.losses.retain(|loss| told.insert(loss.clone()));
                    return Some(way);
                }
            }
        })
    }
}

/// A way, extended by a component.
fn along(mut way: Way, link: &Link, to: &str) -> Way {
    way.branches.push(link.label.clone());
    if link.is_lossy() {
        way.losses.push(format!("what {to} has no room for is dropped (policy)"));
    }
    if link.policy == BranchPolicy::Detach {
        way.losses.push(format!(
            "what the branch of {to} has not done at a crash, or when it ends alone, does not come \
             again (policy)"
        ));
    }
    way
}

fn add_links(next: &Next, from: usize, label: &str, policy: BranchPolicy, links: &mut Vec<Link>) {
    match next {
        Next::Nothing => {}
        Next::To(to) | Next::Stored(to) => {
            links.push(Link { from, to: *to, label: label.to_owned(), policy });
        }
        Next::Tee(branches) => {
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
        Next::Route(branches) => {
            for (name, next) in branches {
                add_links(next, from, &joined(label, name), policy, links);
            }
        }
    }
}

fn joined(label: &str, word: &str) -> String {
    if label.is_empty() { word.to_owned() } else { format!("{label}, {word}") }
}
