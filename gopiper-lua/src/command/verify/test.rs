//! The definition of a test.
use super::{subject::Subject, verdict::Judged};

/// One thing that a component must do right.
pub(super) struct Test {
    /// Stable: authors put it into `--exclude`.
    pub(super) name: &'static str,
    /// The advice for the author if it fails.
    pub(super) advice: &'static str,
    /// The same in the words of C; empty if they are the same.
    pub(super) in_c: &'static str,
    pub(super) run: fn(&Subject) -> Judged,
}
