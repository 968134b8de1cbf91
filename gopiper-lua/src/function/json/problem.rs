//! Errors of JSON messages and paths.
use std::fmt;

use crate::state::depth::TOO_DEEP;

/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub(crate) enum JsonProblem {
    /// The message is no JSON, as far as it was looked at: it may be one of many that are none.
    Unreadable(String),
    /// What was asked for is wrong, or more than anybody does.
    Wrong(String),
}

impl JsonProblem {
    pub(super) fn of(error: &sonic_rs::Error) -> Self {
        // What follows is a drawing.
        JsonProblem::Unreadable(error.to_string().lines().next().unwrap_or_default().into())
    }

    /// An object in which something else stands where a key does.
    pub(super) fn no_key() -> Self {
        JsonProblem::Unreadable(
            "an object begins with neither a key in double quotes nor its end".into(),
        )
    }

    pub(super) fn too_deep() -> Self {
        JsonProblem::Wrong(TOO_DEEP.into())
    }
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonProblem::Unreadable(why) => write!(f, ": the JSON cannot be read: {why}"),
            JsonProblem::Wrong(what) => f.write_str(what),
        }
    }
}

/// Without the byte order mark that some put before a text.
pub(super) fn after_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}
