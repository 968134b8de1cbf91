//! The content of a `NAME.diff`: how a component differs from one without a fault.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// A component to build.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Variant {
    /// That of its file.
    pub(super) file: String,
    /// The component's name and version, if they are not the file's and 0.1.0.
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    /// Which page is its `src/lib.rs`.
    pub(super) page: Option<String>,
    pub(super) interface: Interface,
    pub(super) with_host: bool,
    pub(super) aborts: bool,
    pub(super) replacements: Vec<Replacement>,
}

/// The version of the interface, as seen from the host's.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) enum Interface {
    #[default]
    Same,
    /// Not accepted.
    Older,
    /// Not accepted.
    Breaking,
    /// Accepted.
    Newer,
}

/// One text for another, in one file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Replacement {
    pub(super) path: String,
    pub(super) before: String,
    pub(super) after: String,
}

impl Variant {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self> {
        let mut variant = Variant { file: file.to_owned(), ..Self::default() };
        let mut path = "";
        let mut was_after = false;
        for line in text.lines() {
            if let Some(next) = line.strip_prefix("@ ") {
                path = next;
                was_after = true;
            } else if path.is_empty() {
                variant.head(line).with_context(|| format!("{file}: {line}"))?;
            } else if let Some(before) = line.strip_prefix('-') {
                if was_after {
                    let path = path.to_owned();
                    variant.replacements.push(Replacement { path, ..Replacement::default() });
                }
                was_after = false;
                add_line(&mut variant.last(file)?.before, before);
            } else if let Some(after) = line.strip_prefix('+') {
                was_after = true;
                add_line(&mut variant.last(file)?.after, after);
            } else {
                bail!("{file}: neither '-' nor '+' nor '@ ': {line}");
            }
        }
        Ok(variant)
    }

    fn last(&mut self, file: &str) -> Result<&mut Replacement> {
        self.replacements.last_mut().with_context(|| format!("{file}: '+' without '-'"))
    }

    /// A line before the first path: a key with its value, or words.
    fn head(&mut self, line: &str) -> Result<()> {
        let Some((key, value)) = line.split_once(": ").filter(|(key, _)| !key.contains(' ')) else {
            return Ok(());
        };
        match (key, value) {
            ("name", name) => self.name = Some(name.to_owned()),
            ("version", version) => self.version = Some(version.to_owned()),
            ("page", page) => self.page = Some(page.to_owned()),
            ("interface", "older") => self.interface = Interface::Older,
            ("interface", "breaking") => self.interface = Interface::Breaking,
            ("interface", "newer") => self.interface = Interface::Newer,
            ("host", "yes") => self.with_host = true,
            ("panic", "abort") => self.aborts = true,
            _ => bail!("no such key, or no such value of it"),
        }
        Ok(())
    }

    /// Whether it needs a gopiper-abi of its own.
    pub(super) fn changes_interface(&self) -> bool {
        self.interface != Interface::Same
            || self.replacements.iter().any(|replacement| replacement.path.starts_with("abi/"))
    }

    /// `text`, which is the content of `path`, as it is in this variant.
    pub(super) fn apply(&self, path: &Path, mut text: String) -> Result<String> {
        for replacement in &self.replacements {
            if Path::new(&replacement.path) != path {
                continue;
            }
            let Replacement { before, after, .. } = replacement;
            if before.is_empty() || !text.contains(before) {
                let (file, path) = (&self.file, path.display());
                bail!("{file}.diff no longer fits: {path} has no text\n{before}");
            }
            text = text.replace(before, after);
        }
        Ok(text)
    }
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Two things are wrong: all of it.
name: other
interface: newer
@ abi/src/a.rs
-one
-two
+three
-four
@ src/lib.rs
-  x
+  y
+  z
";

    #[test]
    fn a_variant_is_read() {
        let variant = Variant::parse("bad", TEXT).unwrap();
        assert_eq!(variant.name.as_deref(), Some("other"));
        assert_eq!(variant.interface, Interface::Newer);
        let replacements: Vec<_> = variant
            .replacements
            .iter()
            .map(|r| (r.path.as_str(), r.before.as_str(), r.after.as_str()))
            .collect();
        let expected = [
            ("abi/src/a.rs", "one\ntwo", "three"),
            ("abi/src/a.rs", "four", ""),
            ("src/lib.rs", "  x", "  y\n  z"),
        ];
        assert_eq!(replacements, expected);
        assert!(variant.changes_interface());
        assert!(!Variant::parse("good", "It is fine.").unwrap().changes_interface());
    }

    #[test]
    fn it_is_applied_everywhere_in_its_file_alone() {
        let variant = Variant::parse("bad", TEXT).unwrap();
        let apply = |path: &str, text: &str| variant.apply(Path::new(path), text.to_owned());
        let changed = apply("abi/src/a.rs", "0 one\ntwo 4four\none\ntwo").unwrap();
        assert_eq!(changed, "0 three 4\nthree");
        assert_eq!(apply("abi/src/b.rs", "one").unwrap(), "one");
    }

    #[test]
    fn mismatched_differences_are_errors() {
        let variant = Variant::parse("bad", TEXT).unwrap();
        let error = variant.apply(Path::new("abi/src/a.rs"), "one two".to_owned()).unwrap_err();
        assert!(error.to_string().starts_with("bad.diff no longer fits: abi/src/a.rs"), "{error}");
        for text in ["nmae: x", "panic: unwind", "@ src/lib.rs\n+only new", "@ src/lib.rs\nx"] {
            Variant::parse("bad", text).unwrap_err();
        }
    }
}
