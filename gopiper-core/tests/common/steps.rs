//! Short names for steps of pipelines.
use gopiper_abi::{Component, HandledCallback, Message, own, raw::client::FactoryHandle};
use gopiper_core::{Branch, BranchPolicy, ComponentOptions, ComponentSpec, Step};

use super::load;

pub fn spec(factory: FactoryHandle) -> ComponentSpec {
    ComponentSpec { factory, options: ComponentOptions::default() }
}

pub fn branch(policy: BranchPolicy, steps: Vec<Step>) -> Branch {
    Branch { policy, steps }
}

pub fn block(steps: Vec<Step>) -> Branch {
    branch(BranchPolicy::Block, steps)
}

pub fn grep(word: &str) -> Step {
    load("grep", [("word", word.into())]).into()
}

/// Sends each to the branch with its number.
struct ByNumber;

impl Component for ByNumber {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let number = String::from_utf8_lossy(message.data()).parse().unwrap_or(u16::MAX);
        message.set_branch(number);
        handled.done(message);
    }
}

/// A router: the branch with the number that a message says, or the last one.
pub fn by_number() -> ComponentSpec {
    spec(own::transform("by_number", |_| Ok(ByNumber)))
}
