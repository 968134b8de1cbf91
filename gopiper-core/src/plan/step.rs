//! What a pipeline is made of.
use crate::{buffer::BufferOptions, plan::options::ComponentSpec};

/// One element of the list that makes a pipeline: messages come to it from the one before, and go on to
/// the one behind.
pub enum Step {
    /// A component: the source first, a sink last.
    Component(ComponentSpec),
    /// Messages are kept on disk here.
    Buffer(BufferOptions),
    /// Each branch gets every message. What becomes of a message is the worst that becomes of it in a
    /// branch. Branches that do not end in a sink go on to the next step.
    Tee(Vec<Branch>),
    /// Each message goes to one branch.
    Route {
        /// A transform that says which: by [`set_branch`](gopiper_abi::Message::set_branch). More than
        /// there are means the last one.
        router: ComponentSpec,
        /// The branches, each with its name. Those that do not end in a sink go on to the next step.
        branches: Vec<(String, Vec<Step>)>,
    },
    /// What several lists give, each of which begins with a source, goes on to the next step.
    Merge(Vec<Vec<Step>>),
}

impl From<ComponentSpec> for Step {
    fn from(component: ComponentSpec) -> Self {
        Step::Component(component)
    }
}

/// One way that a [`Step::Tee`] leads.
pub struct Branch {
    /// What becomes of the others when this one is slow, or fails.
    pub policy: BranchPolicy,
    /// What it is made of.
    pub steps: Vec<Step>,
}

/// What becomes of the other branches of a tee when one is slow, or fails. For one whose messages are to
/// wait on disk, begin it with a [`Step::Buffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum BranchPolicy {
    /// They wait for it.
    #[default]
    Block,
    /// They don't: messages for which it has no room are dropped there, and counted.
    Drop,
    /// They know nothing of it: it gets what it has room for, nobody waits for what becomes of that,
    /// and when one of its components fails, it ends alone.
    Detach,
}
