//! Why a file is refused as a component, in a few lines that end with what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// The gate that refused a file, in the order of the gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Gate {
    /// The file itself: it exists, is regular and readable.
    File,
    /// The ELF file and its note, read before any of its code runs.
    Note,
    /// The version of the interface.
    Version,
    /// The signature beside the file.
    Signature,
    /// The dynamic linker. From here on, code of the file may have run.
    Open,
    /// The layout of every type of the interface, and the contents of the note.
    Layout,
}

/// Why a file is refused as a component. `Display` takes four lines, six at most.
///
/// A program that ends because of it should use exit code 78.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// The gate that refused it.
    pub gate: Gate,
    /// The end of a sentence that starts with the file: "is not a gopiper component".
    pub problem: &'static str,
    /// The value found.
    pub found: String,
    /// The value expected.
    pub wanted: String,
    /// The remedy.
    pub remedy: String,
}

impl Refusal {
    pub(super) fn new(
        file: &Path,
        gate: Gate,
        problem: &'static str,
        found: impl Into<String>,
        wanted: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Refusal {
            file: file.to_owned(),
            gate,
            problem,
            found: found.into(),
            wanted: wanted.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "refused: {} {}", self.file.display(), self.problem)?;
        // Texts of two lines stay in their column.
        let column = |text: &str| text.replace('\n', "\n           ");
        writeln!(f, "  found:   {}", column(&self.found))?;
        writeln!(f, "  wanted:  {}", column(&self.wanted))?;
        write!(f, "  remedy:  {}", column(&self.remedy))
    }
}

impl std::error::Error for Refusal {}

/// `text` on one line, shortened: errors of libraries can run to pages.
pub(super) fn shortened(text: &str) -> String {
    const LIMIT: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_has_four_labelled_lines() {
        let refusal =
            Refusal::new(Path::new("a.so"), Gate::Note, "is broken", "one\ntwo", "three", "four");
        let text = "refused: a.so is broken\n  found:   one\n           two\n  wanted:  three\n  remedy:  four";
        assert_eq!(refusal.to_string(), text);
    }

    #[test]
    fn shortened_is_one_short_line() {
        assert_eq!(shortened(" a\n\n  b\tc "), "a b c");
        let long = shortened(&"é ".repeat(1000));
        assert_eq!(long.chars().count(), 161);
        assert!(long.ends_with('…'));
    }
}
