//! Problems of a pipeline's file, shown below their lines. This folder reads the file's text and
//! Lua's stack, and runs no Lua; other folders decide that something is a problem.
pub(crate) mod digits;
pub(crate) mod place;
pub(crate) mod remark;
pub(crate) mod syntax;

use std::{cmp::Ordering, fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use gopiper_core::loader::Refusal;

use self::remark::{Remark, Severity};

/// A problem of a pipeline's file. `Display` shows it with its line.
#[derive(Debug, Clone)]
pub struct Problem {
    severity: Severity,
    text: String,
    at: Option<Location>,
    refusal: Option<Box<Refusal>>,
}

#[derive(Debug, Clone)]
struct Location {
    file: String,
    text: String,
    range: Range<usize>,
}

impl Problem {
    /// A noted problem, with the name and the text of its file.
    pub(crate) fn new(note: Remark, at: Option<(String, String)>) -> Self {
        let at = note.place.as_ref().zip(at);
        let at = at.map(|(place, (file, text))| Location {
            range: syntax::range(&text, place),
            file,
            text,
        });
        Problem { severity: note.severity, text: note.text, at, refusal: note.refusal }
    }

    /// A problem without a place in the file.
    pub fn without_place(severity: Severity, text: impl Into<String>) -> Self {
        Problem { severity, text: text.into(), at: None, refusal: None }
    }

    /// The order in which they are shown: down the file, and those without a place last.
    pub(crate) fn by_place(&self, other: &Self) -> Ordering {
        let key = |at: &Location| (at.file.clone(), at.range.start);
        let (this, other) = (self.at.as_ref().map(key), other.at.as_ref().map(key));
        this.is_none().cmp(&other.is_none()).then(this.cmp(&other))
    }

    /// Its severity.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The text, without the place.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The refusal of a component's file, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// The file, the line and the column (in characters), both from 1 on.
    pub fn place(&self) -> Option<(&str, usize, usize)> {
        let Location { file, text, range } = self.at.as_ref()?;
        let before = &text[..range.start];
        let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
        Some((file, before.matches('\n').count() + 1, line.chars().count() + 1))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let (title, more) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        let title = level.primary_title(title);
        let snippet = self.at.as_ref().map(|Location { file, text, range }| {
            let here = AnnotationKind::Primary.span(range.clone());
            Snippet::source(text).path(file).annotation(here)
        });
        let more = (!more.is_empty()).then(|| Level::NOTE.no_name().message(more));
        let group = title.elements(snippet).elements(more);
        f.write_str(&Renderer::plain().render(&[group]))
    }
}
