//! The meaning of a pattern: braces, and whether it is a pattern at all.
use glob::Pattern;
use gopiper_abi::{Error, FilePath};

/// The number of patterns that the braces of one may expand to.
const MOST: usize = 10_000;

/// The error in one of the patterns; Lua counts them from 1.
pub(crate) fn at(index: usize, error: String) -> Error {
    Error::attribute(format!("paths[{}]", index + 1), error)
}

/// The patterns with their folders.
pub(crate) fn with_folders(patterns: &[FilePath]) -> Result<Vec<String>, Error> {
    let placed = patterns.iter().enumerate();
    placed.map(|(index, pattern)| with_folder(pattern).map_err(|why| at(index, why))).collect()
}

/// The pattern with its folder, in which nothing is a pattern.
fn with_folder(pattern: &FilePath) -> Result<String, String> {
    let (folder, written) = (pattern.folder(), pattern.as_written());
    if written.starts_with('/') || written.is_empty() || folder.as_os_str().is_empty() {
        return Ok(written.to_owned());
    }
    let shown = folder.display();
    let folder = folder.to_str().ok_or_else(|| {
        format!("'{written}': the folder {shown} is not UTF-8: give an absolute path")
    })?;
    let folder = Pattern::escape(folder).replace('{', "[{]");
    Ok(format!("{}/{written}", folder.trim_end_matches('/')))
}

/// Refuses anything that is not a glob.
pub(crate) fn check(patterns: &[String]) -> Result<(), Error> {
    if patterns.is_empty() {
        return Err(Error::attribute("paths", "is empty: name at least one file"));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let expanded = expand(pattern).map_err(|why| at(index, format!("'{pattern}': {why}")))?;
        for one in expanded {
            Pattern::new(&one).map_err(|error| {
                at(index, format!("'{pattern}' is not a valid pattern: {}", in_words(error.msg)))
            })?;
        }
    }
    Ok(())
}

/// The glob crate's errors, in an operator's terms.
fn in_words(problem: &str) -> &str {
    match problem {
        "invalid range pattern" => "a '[' is not closed",
        "wildcards are either regular `*` or recursive `**`" => "more than two '*' in a row",
        "recursive wildcards must form a single path component" => {
            "'**' must be alone between slashes, as in 'logs/**/*.log'"
        }
        other => other,
    }
}

/// The patterns without braces that this one means: `{a,b}` is any of these, as in a shell.
pub(crate) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let (mut expanded, mut waiting) = (Vec::new(), vec![pattern.to_owned()]);
    while let Some(pattern) = waiting.pop() {
        match group(&pattern)? {
            Some((before, choices, behind)) => {
                let choices = choices.into_iter().rev();
                waiting.extend(choices.map(|choice| format!("{before}{choice}{behind}")));
            }
            None => expanded.push(pattern),
        }
        if expanded.len() + waiting.len() > MOST {
            return Err(format!("its braces expand to more than {MOST} patterns"));
        }
    }
    Ok(expanded)
}

/// The text before the first braces, the texts between their commas, and the text after them.
type Group<'a> = (&'a str, Vec<&'a str>, &'a str);

fn group(pattern: &str) -> Result<Option<Group<'_>>, String> {
    let mut at = 0;
    while let Some(open) = next(pattern, at, &['{']) {
        let (mut depth, mut from, mut choices) = (1, open + 1, Vec::new());
        let mut place = from;
        while let Some(found) = next(pattern, place, &['{', ',', '}']) {
            place = found + 1;
            match (&pattern[found..place], depth) {
                ("{", _) => depth += 1,
                (",", 1) => {
                    choices.push(&pattern[from..found]);
                    from = place;
                }
                ("}", 1) if choices.is_empty() => {
                    let inside = &pattern[from..found];
                    if inside.contains("..") {
                        return Err(format!(
                            "ranges in braces are not supported: list the values of {{{inside}}}, \
                             as in {{1,2,3}}"
                        ));
                    }
                    break;
                }
                ("}", 1) => {
                    choices.push(&pattern[from..found]);
                    return Ok(Some((&pattern[..open], choices, &pattern[place..])));
                }
                ("}", _) => depth -= 1,
                _ => {}
            }
        }
        // Not in pairs, or without a comma: the braces mean themselves.
        at = open + 1;
    }
    Ok(None)
}

/// The position of the next of these, outside of square brackets.
fn next(pattern: &str, from: usize, wanted: &[char]) -> Option<usize> {
    let mut at = from;
    while let Some(found) = pattern[at..].find(|c| c == '[' || wanted.contains(&c)) {
        at += found;
        if !pattern[at..].starts_with('[') {
            return Some(at);
        }
        // A bracket at its beginning does not close it.
        let inside = at + 1 + usize::from(pattern[at + 1..].starts_with('!'));
        let first = pattern[inside..].chars().next().map_or(0, char::len_utf8);
        let end = pattern[inside + first..].find(']');
        at = end.map_or(at + 1, |end| inside + first + end + 1);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

    use super::*;

    #[test]
    fn nothing_in_the_folder_of_a_pattern_is_a_pattern() {
        let placed = |folder: &str, written| with_folder(&FilePath::new(folder, written)).unwrap();
        assert_eq!(placed("", "*.log"), "*.log");
        assert_eq!(placed("/var", "/tmp/*.log"), "/tmp/*.log");
        assert_eq!(placed("/var/", "*.log"), "/var/*.log");
        assert_eq!(placed("/a[1]{b,c}*", "*.log"), "/a[[]1[]][{]b,c}[*]/*.log");
        let pattern = Pattern::new(&placed("/a[1]{b,c}*", "*.log")).unwrap();
        assert!(pattern.matches("/a[1]{b,c}*/x.log"));
    }

    #[test]
    fn a_folder_that_is_not_text_is_refused_for_a_relative_pattern() {
        let folder = PathBuf::from(OsString::from_vec(b"/of \xff".to_vec()));
        let of = |written| with_folders(&["/a".into(), FilePath::new(folder.clone(), written)]);
        assert_eq!(of("/*.log").unwrap(), ["/a", "/*.log"]);
        let error = of("*.log").unwrap_err().to_string();
        assert!(error.contains("paths[2]: '*.log': the folder /of "), "{error}");
        assert!(error.ends_with("is not UTF-8: give an absolute path"), "{error}");
    }

    fn expanded(pattern: &str) -> String {
        expand(pattern).unwrap().join(" ")
    }

    #[test]
    fn braces_are_a_shells() {
        assert_eq!(expanded("a"), "a");
        assert_eq!(expanded("{a,b}.log"), "a.log b.log");
        assert_eq!(expanded("x{a,b{1,2}}{c,}"), "xac xa xb1c xb1 xb2c xb2");
        assert_eq!(expanded("{a}{,b}"), "{a} {a}b");
        assert_eq!(expanded("{a,b"), "{a,b");
        assert_eq!(expanded("a,b}{c,d}"), "a,b}c a,b}d");
        assert_eq!(expanded("[{]a,b}"), "[{]a,b}");
        assert_eq!(expanded("{[,],[!]}]}x"), "[,]x [!]}]x");
        assert_eq!(expanded("{ä,ö}"), "ä ö");
    }

    #[test]
    fn unsupported_braces_are_refused() {
        assert!(expand("{1..3}").unwrap_err().contains("as in {1,2,3}"));
        assert!(expand(&"{a,b}".repeat(20)).unwrap_err().contains("more than"));
        let refused = |pattern: &str| check(&[pattern.into()]).unwrap_err().to_string();
        assert_eq!(
            refused("logs/[a.log"),
            "attribute paths[1]: 'logs/[a.log' is not a valid pattern: a '[' is not closed"
        );
        assert!(refused("a***").ends_with(": more than two '*' in a row"), "{}", refused("a***"));
        assert!(refused("a**").contains("must be alone between slashes"), "{}", refused("a**"));
    }
}
