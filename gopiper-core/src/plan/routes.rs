//! The destinations of a part's messages.
use crate::plan::policy::BranchPolicy;

/// The destinations of a part's messages. Parts are numbered in an order in which none comes before
/// one that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nowhere: it is a sink.
    Nothing,
    To(usize),
    /// They continue there, once they are on disk.
    Stored(usize),
    Tee(Vec<(BranchPolicy, Next)>),
    Route(Vec<(String, Next)>),
}

impl Next {
    /// The parts that follow directly.
    pub(crate) fn targets(&self) -> Vec<usize> {
        match self {
            Next::Nothing => Vec::new(),
            Next::To(stage) | Next::Stored(stage) => vec![*stage],
            Next::Tee(branches) => branches.iter().flat_map(|(_, next)| next.targets()).collect(),
            Next::Route(branches) => branches.iter().flat_map(|(_, next)| next.targets()).collect(),
        }
    }

    /// The part where stored messages continue.
    pub(crate) fn stored_at(&self) -> Option<usize> {
        match self {
            Next::Stored(stage) => Some(*stage),
            _ => None,
        }
    }

    /// The same with other numbers of parts.
    pub(crate) fn renumbered(self, number: &impl Fn(usize) -> usize) -> Next {
        match self {
            Next::Nothing => Next::Nothing,
            Next::To(stage) => Next::To(number(stage)),
            Next::Stored(stage) => Next::Stored(number(stage)),
            Next::Tee(branches) => {
                let all = branches.into_iter();
                Next::Tee(all.map(|(policy, next)| (policy, next.renumbered(number))).collect())
            }
            Next::Route(branches) => {
                let all = branches.into_iter();
                Next::Route(all.map(|(name, next)| (name, next.renumbered(number))).collect())
            }
        }
    }
}
