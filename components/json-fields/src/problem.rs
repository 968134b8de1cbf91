//! Errors of JSON messages and paths.
use std::fmt;

use crate::depth::DEPTH;

/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub enum JsonProblem {
    /// The message is not JSON, as far as it was read: it may be one of many that are not.
    Unreadable(String),
    /// The request is wrong, or exceeds a limit.
    Wrong(String),
}

impl JsonProblem {
    pub fn of(error: &sonic_rs::Error) -> Self {
        // The other lines are a drawing.
        JsonProblem::Unreadable(error.to_string().lines().next().unwrap_or_default().into())
    }

    /// An object with something else in place of a key.
    pub fn no_key() -> Self {
        JsonProblem::Unreadable("expected a key in double quotes, or the end of the object".into())
    }

    pub fn too_deep() -> Self {
        JsonProblem::Wrong(format!(": nested deeper than {DEPTH} levels"))
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
pub fn after_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}
