//! The result of a test.
use serde::{Deserialize, Serialize};

/// Passed, or why not.
pub(crate) type Judged = Result<(), Verdict>;

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "said", rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Passed,
    /// The component never does what the test is about: it says so, or was seen not to.
    #[serde(rename = "NOT APPLICABLE")]
    NotApplicable(String),
    /// It could not be tried: nothing is known.
    Skipped(String),
    Warning(String),
    Failed(String),
    Crashed(String),
}

impl Verdict {
    pub(crate) fn of(judged: Judged) -> Self {
        judged.err().unwrap_or(Verdict::Passed)
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "PASSED",
            Verdict::NotApplicable(_) => "NOT APPLICABLE",
            Verdict::Skipped(_) => "SKIPPED",
            Verdict::Warning(_) => "WARNING",
            Verdict::Failed(_) => "FAILED",
            Verdict::Crashed(_) => "CRASHED",
        }
    }

    pub(crate) fn said(&self) -> &str {
        match self {
            Verdict::Passed => "",
            Verdict::NotApplicable(said)
            | Verdict::Skipped(said)
            | Verdict::Warning(said)
            | Verdict::Failed(said)
            | Verdict::Crashed(said) => said,
        }
    }

    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed(_) | Verdict::Crashed(_))
    }
}

/// The beginning of a failure's text if a test did not end within its limit.
pub(super) const NOT_IN_TIME: &str = "it did not end within";
/// Its beginning if a pipeline came to a halt.
pub(super) const NO_PROGRESS: &str = "it made no progress for";

/// Fails unless the condition holds.
pub(crate) fn must(is_so: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if is_so { Ok(()) } else { Err(Verdict::Failed(otherwise())) }
}

/// The verdict of a test for something that the component never does.
pub(crate) fn not_applicable(why: &str) -> Verdict {
    Verdict::NotApplicable(why.to_owned())
}
