//! The result of a test.
use serde::{Deserialize, Serialize};

/// Passed, or why not.
pub(crate) type Judged = Result<(), Verdict>;

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "said", rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Passed,
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
            Verdict::Skipped(_) => "SKIPPED",
            Verdict::Warning(_) => "WARNING",
            Verdict::Failed(_) => "FAILED",
            Verdict::Crashed(_) => "CRASHED",
        }
    }

    pub(crate) fn said(&self) -> &str {
        match self {
            Verdict::Passed => "",
            Verdict::Skipped(said)
            | Verdict::Warning(said)
            | Verdict::Failed(said)
            | Verdict::Crashed(said) => said,
        }
    }

    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed(_) | Verdict::Crashed(_))
    }
}

/// Fails unless the condition holds.
pub(crate) fn must(is_so: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if is_so { Ok(()) } else { Err(Verdict::Failed(otherwise())) }
}
