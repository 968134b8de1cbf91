//! The definition of a test.
use crate::command::verify::{subject::Subject, verdict::Judged};

/// One thing that a component must do right.
pub(crate) struct Test {
    /// Stable: authors put it into `--exclude`.
    pub(crate) name: &'static str,
    /// The advice for the author if it fails.
    pub(crate) advice: &'static str,
    /// The same in the words of C; empty if they are the same.
    pub(crate) in_c: &'static str,
    pub(crate) run: fn(&Subject) -> Judged,
}
