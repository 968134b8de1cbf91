//! A pipeline as its operator sees it: its components, where they lead, and what each way promises.
use gopiper_abi::Kind;

use crate::{next::Next, pipeline::Pipeline, policy::OnFail, step::BranchPolicy};

/// A component in a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How many workers it has.
    pub workers: usize,
}

/// Messages that leave one component come to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place among the nodes.
    pub from: usize,
    /// The other's.
    pub to: usize,
    /// The branch of a route, the policy of a tee's; empty for neither.
    pub label: String,
    /// What the tees on the way ask for: the loosest of it.
    pub policy: BranchPolicy,
}

impl Link {
    /// Whether messages that the other has no room for are dropped.
    pub fn is_lossy(&self) -> bool {
        self.policy != BranchPolicy::Block
    }
}

/// A way from a source to a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The components that it leads through.
    pub components: Vec<String>,
    /// Why a message that goes this way may be lost; if nothing is, each comes to its end at least
    /// once.
    pub losses: Vec<String>,
}

impl Pipeline {
    /// Its components, the sources first.
    pub fn nodes(&self) -> Vec<Node> {
        let node = |part: &crate::part::Part| Node {
            name: part.name.clone(),
            kind: part.factory.kind(),
            workers: part.pool_size,
        };
        self.parts.iter().map(node).collect()
    }

    /// Where they lead.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (from, part) in self.parts.iter().enumerate() {
            add_links(&part.next, from, "", BranchPolicy::Block, &mut links);
        }
        links
    }

    /// All ways from a source to a sink, with what is promised on each.
    pub fn ways(&mut self) -> Vec<Way> {
        let links = self.links();
        let has_place = self.dead_letter.is_some() || self.options.state_directory.is_some();
        let outlets: Vec<_> = self.parts.iter().filter_map(|part| part.next.stored_at()).collect();
        let mut losses = Vec::new();
        for (place, part) in self.parts.iter_mut().enumerate() {
            let name = &part.name;
            let (mut of_part, kind) = (Vec::new(), part.factory.kind());
            let durable = part.next.stored_at().is_some()
                || outlets.contains(&place)
                || part.factory.is_durable();
            if kind == Kind::SOURCE && !durable {
                of_part.push(format!("{name} does not give again what was under way at a crash"));
            }
            if kind == Kind::SINK && !durable {
                of_part
                    .push(format!("{name} does not say that what it has taken outlives a crash"));
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
                _ => {}
            }
            losses.push(of_part);
        }
        let is_source = |part: &usize| self.parts[*part].factory.kind() == Kind::SOURCE;
        let sources =
            (0..self.parts.len()).filter(|part| is_source(part) && !outlets.contains(part));
        let mut ways = Vec::new();
        for source in sources {
            let way = Way { components: Vec::new(), losses: Vec::new() };
            self.follow(source, way, &links, &losses, &mut ways);
        }
        ways
    }

    fn follow(
        &self,
        part: usize,
        mut way: Way,
        links: &[Link],
        losses: &[Vec<String>],
        ways: &mut Vec<Way>,
    ) {
        let name = &self.parts[part].name;
        way.components.push(name.clone());
        way.losses.extend(losses[part].iter().cloned());
        let mut is_last = true;
        for link in links.iter().filter(|link| link.from == part) {
            let mut way = way.clone();
            let to = &self.parts[link.to].name;
            if link.is_lossy() {
                way.losses.push(format!("what {to} has no room for is dropped (policy)"));
            }
            if link.policy == BranchPolicy::Detach {
                way.losses.push(format!(
                    "what the branch of {to} has not done at a crash, or when it ends alone, does not come \
                     again (policy)"
                ));
            }
            self.follow(link.to, way, links, losses, ways);
            is_last = false;
        }
        if is_last {
            way.losses.dedup();
            ways.push(way);
        }
    }
}

fn add_links(next: &Next, from: usize, label: &str, policy: BranchPolicy, links: &mut Vec<Link>) {
    match next {
        Next::Nothing => {}
        Next::To(to) | Next::Stored(to) => {
            links.push(Link { from, to: *to, label: label.to_owned(), policy });
        }
        Next::Tee(branches) => {
            for (of_branch, next) in branches {
                let word = match of_branch {
                    BranchPolicy::Block => "",
                    BranchPolicy::Drop => "drop",
                    BranchPolicy::Detach => "detach",
                };
                add_links(next, from, &joined(label, word), policy.max(*of_branch), links);
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
    [label, word].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
