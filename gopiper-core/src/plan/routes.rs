//! The destinations of a stage's messages.
use crate::plan::policy::BranchPolicy;

/// The destinations of a stage's messages. Stages are numbered so that none comes before a stage
/// that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Nowhere: it is a sink.
    Nothing,
    To(usize),
    /// They continue there, once they are on disk.
    Stored(usize),
    Tee(Vec<(BranchPolicy, Destination)>),
    Route(Vec<(String, Destination)>),
}

impl Destination {
    /// The stages that follow directly.
    pub(crate) fn targets(&self) -> Vec<usize> {
        match self {
            Destination::Nothing => Vec::new(),
            Destination::To(stage) | Destination::Stored(stage) => vec![*stage],
            Destination::Tee(branches) => {
                branches.iter().flat_map(|(_, next)| next.targets()).collect()
            }
            Destination::Route(branches) => {
                branches.iter().flat_map(|(_, next)| next.targets()).collect()
            }
        }
    }

    /// The stage where stored messages continue.
    pub(crate) fn stored_at(&self) -> Option<usize> {
        match self {
            Destination::Stored(stage) => Some(*stage),
            _ => None,
        }
    }

    /// The same with other numbers of stages.
    pub(crate) fn renumbered(self, number: &impl Fn(usize) -> usize) -> Destination {
        match self {
            Destination::Nothing => Destination::Nothing,
            Destination::To(stage) => Destination::To(number(stage)),
            Destination::Stored(stage) => Destination::Stored(number(stage)),
            Destination::Tee(branches) => {
                let all = branches.into_iter();
                Destination::Tee(
                    all.map(|(policy, next)| (policy, next.renumbered(number))).collect(),
                )
            }
            Destination::Route(branches) => {
                let all = branches.into_iter();
                Destination::Route(
                    all.map(|(name, next)| (name, next.renumbered(number))).collect(),
                )
            }
        }
    }
}
