//! What is wrong with a pipeline's file, as it is noted while that runs.
use gopiper_core::loader::Refusal;

use crate::problem::place::Place;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file can't run.
    Error,
    /// It can, but the operator should know.
    Warning,
}

/// A problem as it is noted while the file runs.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    /// The first line says what is wrong, those behind it what more there is to say.
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
