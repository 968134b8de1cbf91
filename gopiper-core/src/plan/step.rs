//! The steps of a pipeline.
use crate::{
    buffer::BufferOptions,
    plan::{options::ComponentSpec, policy::BranchPolicy},
};

/// One element of a pipeline's list: messages come from the one before, and go to the one after it.
pub enum Step {
    /// A component: the source first, a sink last.
    Component(ComponentSpec),
    /// Messages are kept on disk here.
    Buffer(BufferOptions),
    /// Each branch gets every message. The outcome of a message is its worst outcome in a branch.
    /// Branches that do not end in a sink continue with the next step.
    Tee(Vec<Branch>),
    /// Each message goes to one branch.
    Route {
        /// A transform that selects the branch by [`set_branch`](gopiper_abi::Message::set_branch).
        /// A number that is too large means the last one.
        router: ComponentSpec,
        /// The branches, each with its name. Those that do not end in a sink continue with the next
        /// step.
        branches: Vec<(String, Vec<Step>)>,
    },
    /// The messages of several lists, each of which begins with a source, continue with the next
    /// step.
    Merge(Vec<Vec<Step>>),
}

impl From<ComponentSpec> for Step {
    fn from(component: ComponentSpec) -> Self {
        Step::Component(component)
    }
}

/// One branch of a [`Step::Tee`].
pub struct Branch {
    /// The effect on the others when this one is slow, or fails.
    pub policy: BranchPolicy,
    /// Its steps.
    pub steps: Vec<Step>,
}
