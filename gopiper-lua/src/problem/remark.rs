//! Problems of a pipeline's file, noted while it runs.
use gopiper_core::loader::Refusal;

use crate::problem::place::Place;

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot run.
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
    /// The text in its parts, if a component's file was refused.
    pub(crate) refusal: Option<Box<Refusal>>,
}

impl Remark {
    pub(crate) fn error(place: Option<Place>, text: impl Into<String>) -> Self {
        Remark { severity: Severity::Error, text: text.into(), place, refusal: None }
    }

    pub(crate) fn warning(place: Option<Place>, text: impl Into<String>) -> Self {
        Remark { severity: Severity::Warning, text: text.into(), place, refusal: None }
    }

    pub(crate) fn refused(place: Option<Place>, refusal: Refusal) -> Self {
        let text = refusal.to_string();
        Remark { refusal: Some(Box::new(refusal)), ..Remark::error(place, text) }
    }
}
