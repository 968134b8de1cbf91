//! Mistakes in the text of an expression, and failures for one message.
use std::{error::Error, fmt, ops::Range};

/// A mistake in the text of an expression.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub(crate) text: String,
    pub(crate) at: Range<usize>,
    pub(crate) what: String,
}

/// The reason why an expression has no value for a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The place in the expression, counted from 1.
    pub(crate) column: usize,
    pub(crate) what: String,
}

/// The number of characters up to this byte, counted from 1.
pub(crate) fn column(text: &str, at: usize) -> usize {
    1 + text.char_indices().take_while(|(place, _)| *place < at).count()
}

impl fmt::Display for Mistake {
    /// The line with the mistake, and a mark below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { text, at, what } = self;
        let start = at.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let before = text[line_start..start].chars().count();
        let end = at.end.clamp(start, line_start + line.len()).max(start);
        let marks = text.get(start..end).map_or(1, |marked| marked.chars().count().max(1));
        write!(f, "{what}\n  {line}\n  {}{}", " ".repeat(before), "^".repeat(marks))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { column, what } = self;
        write!(f, "column {column}: {what}")
    }
}

impl Error for Mistake {}
impl Error for Failure {}
