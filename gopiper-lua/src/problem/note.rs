//! Problems of a pipeline's file, noted while it runs.
use crate::problem::place::Place;

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file can't run.
    Error,
    /// It can, but the operator should know.
    Warning,
}

/// A problem that is noted while the file runs.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    /// The first line states the problem, the others add details.
    pub(crate) text: String,
    pub(crate) place: Option<Place>,
}

impl Remark {
    pub(crate) fn error(place: Option<Place>, text: impl Into<String>) -> Self {
        Remark { severity: Severity::Error, text: text.into(), place }
    }

    pub(crate) fn warning(place: Option<Place>, text: impl Into<String>) -> Self {
        Remark { severity: Severity::Warning, text: text.into(), place }
    }
}
