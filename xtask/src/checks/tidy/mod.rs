//! The house rules that neither the compiler nor clippy knows. Only rules that can be read off the
//! text of the files: nothing here compiles or runs them.

mod crate_map;
mod floors;
mod house;
mod links;
mod names;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use ignore::WalkBuilder;
use regex::Regex;

use crate::workspace::root;

const MOST_LINES: usize = 400;

/// The places where unsafe code may be written: folders, or files.
const UNSAFE_ROOMS: &[&str] = &[
    "gopiper-abi/src/raw",
    "gopiper-abi/c/src",
    "gopiper-core/src/loader",
    "gopiper-core/c/src",
    "gopiper-lua/src/function/ffi",
    // Signals and the end of the process.
    "gopiper-lua/src/command/process/shared_process.rs",
    "gopiper-lua/src/state/code.rs",
    "gopiper-lua/src/state/time_limit.rs",
    // Signal handlers, locale and floating-point modes, which no safe library reads.
    "gopiper-lua/src/command/verify/process/foreign.rs",
    "gopiper-core/tests/components",
    "gopiper-core/tests/variants",
];

/// In two parts, because this file is checked too.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("npm", "js"),
    concat!("debian", ".org"),
];
const LOCK_FILE: &str = "Cargo.lock";

/// Of two forms of a word, the one that is not used. In two parts, as above.
const SECOND_FORM: &str = concat!("can", "'t");

pub(crate) fn tidy() -> Result<()> {
    let mut wrong = Vec::new();
    let mut files = 0;
    // The files that git would track, found without git.
    let walk = WalkBuilder::new(root())
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let name = entry.path().strip_prefix(root())?;
        let bytes = fs::read(entry.path()).with_context(|| format!("{}", name.display()))?;
        wrong.extend(check(name, &String::from_utf8_lossy(&bytes)));
        files += 1;
    }
    wrong.extend(floors::check()?);
    wrong.extend(names::check()?);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    eprintln!("{files} files are tidy");
    Ok(())
}

fn check(name: &Path, text: &str) -> Vec<String> {
    let extension = name.extension().unwrap_or_default();
    let mut wrong = Vec::new();
    if extension == "rs" {
        wrong.extend(length(name, text));
        wrong.extend(opening(name, text));
        wrong.extend(unsafe_outside_its_rooms(name, text));
        wrong.extend(reasons_elsewhere(name, text));
    }
    if let Some(markers) = comment_markers(&extension.to_string_lossy()) {
        wrong.extend(wide_comments(name, text, markers));
    }
    if ["rs", "md", "lua", "c", "h"].iter().any(|it| extension == *it) {
        wrong.extend(second_forms(name, text));
    }
    if extension == "md" {
        wrong.extend(links::dead(name, text, read));
    }
    if name != Path::new(LOCK_FILE) {
        wrong.extend(registries(name, text));
    }
    wrong
}

/// The text of a file; of a folder, none.
fn read(path: &Path) -> Option<String> {
    let path = root().join(path);
    if path.is_dir() {
        return Some(String::new());
    }
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn length(name: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let name = name.display();
    (lines > MOST_LINES).then(|| format!("{name}: {lines} lines, at most {MOST_LINES}"))
}

/// A folder's first file says what the folder contains.
fn opening(name: &Path, text: &str) -> Option<String> {
    let is_first = ["mod.rs", "lib.rs", "main.rs"].iter().any(|first| name.ends_with(first));
    (is_first && !text.starts_with("//! ")).then(|| {
        let name = name.display();
        format!("{name}:1: begin with '//! ': say what is in this folder, and what may not be")
    })
}

/// The beginnings of a line of a comment, for files with this extension.
fn comment_markers(extension: &str) -> Option<&'static [&'static str]> {
    match extension {
        "rs" => Some(&["//"]),
        "lua" => Some(&["--"]),
        "c" | "h" => Some(&["//", "/*", "* "]),
        _ => None,
    }
}

/// The formatter keeps code within this, and leaves comments alone.
const COLUMNS: usize = 100;

fn wide_comments(name: &Path, text: &str, markers: &[&str]) -> Vec<String> {
    let is_comment = |line: &str| markers.iter().any(|it| line.trim_start().starts_with(it));
    let comments = numbered(text).filter(|(_, line)| is_comment(line));
    let wide = comments.filter(|(_, line)| line.chars().count() > COLUMNS);
    wide.map(|(number, _)| {
        format!("{}:{number}: a comment wider than {COLUMNS} columns", name.display())
    })
    .collect()
}

fn unsafe_outside_its_rooms(name: &Path, text: &str) -> Vec<String> {
    static UNSAFE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bunsafe\s+(\{|(fn|impl|extern|trait)\b)").unwrap());
    if UNSAFE_ROOMS.iter().any(|room| name.starts_with(room)) {
        return Vec::new();
    }
    numbered(text)
        .filter(|(_, line)| UNSAFE.is_match(line.split("//").next().unwrap_or(line)))
        .map(|(number, _)| {
            let rooms = UNSAFE_ROOMS.join(", ");
            format!("{}:{number}: unsafe code outside of {rooms}", name.display())
        })
        .collect()
}

/// Each unsafe block gives its own reason: a SAFETY comment that refers to
/// another place, or to a reason of the caller, gives none.
fn reasons_elsewhere(name: &Path, text: &str) -> Vec<String> {
    static BEGINS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"// SAFETY(, for |: here and below|: (see|as) (above|below|before|there)\b)")
            .unwrap()
    });
    static IS_ALL: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"// SAFETY: (by the callers?|(see|as|as for|as in) (the )?\S+)[.;:]?$").unwrap()
    });
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let goes_on = |number: usize| lines.get(number).is_some_and(|next| next.starts_with("//"));
    let is_wrong = |number: usize, line: &str| {
        BEGINS.is_match(line) || IS_ALL.is_match(line.trim_end()) && !goes_on(number)
    };
    let wrong = numbered(text).filter(|(number, line)| is_wrong(*number, line));
    wrong
        .map(|(number, line)| {
            let (name, said) = (name.display(), line.trim().trim_start_matches("// "));
            format!("{name}:{number}: '{said}': say here who guarantees what for this block")
        })
        .collect()
}

fn registries(name: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in numbered(text) {
        for registry in REGISTRIES.iter().filter(|registry| line.contains(**registry)) {
            found.push(format!("{}:{number}: names {registry}", name.display()));
        }
    }
    found
}

/// The list of words itself may name it.
fn second_forms(name: &Path, text: &str) -> Vec<String> {
    let is_list = name == Path::new("CONTRIBUTING.md");
    let found = numbered(text).filter(|(_, line)| !is_list && line.contains(SECOND_FORM));
    found
        .map(|(number, _)| format!("{}:{number}: write 'cannot', as everywhere", name.display()))
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_length() {
        let file = Path::new("a.rs");
        assert_eq!(length(file, &"\n".repeat(MOST_LINES)), None);
        let long = length(file, &"\n".repeat(MOST_LINES + 1)).unwrap();
        assert_eq!(long, "a.rs: 401 lines, at most 400");
    }

    #[test]
    fn the_first_file_of_a_folder_describes_it() {
        for first in ["src/a/mod.rs", "src/lib.rs", "src/main.rs"] {
            let found = |text: &str| check(Path::new(first), text);
            assert_eq!(found("//! Messages.\nmod a;\n"), Vec::<String>::new());
            for bare in ["mod a;\n//! Messages.\n", "// Messages.\n", "//!\n", ""] {
                let wrong = found(bare);
                assert_eq!(wrong.len(), 1, "{bare}");
                assert!(wrong[0].starts_with(&format!("{first}:1: begin with ")), "{wrong:?}");
            }
        }
        assert_eq!(check(Path::new("src/a.rs"), "mod b;\n"), Vec::<String>::new());
    }

    #[test]
    fn a_comment_is_as_wide_as_code_may_be() {
        let wide = |name: &str, text: &str| check(Path::new(name), text).len();
        assert_eq!(wide("a.rs", &format!("//{}", "→".repeat(98))), 0);
        assert_eq!(wide("a.rs", &format!("    //{}", "x".repeat(95))), 1);
        assert_eq!(wide("a.rs", &format!("let a = \"{}\"; // b", "x".repeat(200))), 0);
        let long = "x".repeat(99);
        for (name, comment) in [
            ("a.lua", format!("  --{long}")),
            ("a.c", format!("/* {long} */")),
            ("a.c", format!("/* x\n * {long} */")),
            ("a.h", format!("//{long}")),
        ] {
            assert_eq!(wide(name, &comment), 1, "{name}: {comment}");
        }
        assert_eq!(wide("a.lua", &format!("local a = '{long}'")), 0);
        assert_eq!(wide("a.txt", &format!("//{long}")), 0);
    }

    #[test]
    fn unsafe_code_has_its_rooms() {
        // Put together here, so that this file passes its own check.
        let code = |rest: &str| format!("let a = 1;\n    {}{rest}", "unsafe ");
        let found = |file: &str, text: &str| unsafe_outside_its_rooms(Path::new(file), text);
        for rest in ["{ f() }", "fn f() {}", "impl Send for A {}", "extern \"C\" {}"] {
            let wrong = found("gopiper-lua/src/a.rs", &code(rest));
            assert_eq!(wrong.len(), 1, "{rest}");
            assert!(wrong[0].starts_with("gopiper-lua/src/a.rs:2: "), "{wrong:?}");
            assert!(found("gopiper-abi/src/raw/a.rs", &code(rest)).is_empty());
            assert!(!found("gopiper-abi/src/raws/a.rs", &code(rest)).is_empty());
        }
        assert!(found("a.rs", &code("is a word")).is_empty());
        assert!(found("a.rs", &format!("// {}", code("{").trim_start())).len() == 1);
        assert!(found("a.rs", "fn f() {} // no unsafe {} here").is_empty());
        assert!(found("a.rs", "#![deny(unsafe_code)]").is_empty());
    }

    #[test]
    fn a_reason_for_unsafe_code_is_given_at_its_place() {
        let found = |comment: &str| {
            let text = format!("let a = 1;\n    // {}{comment}\n    f();", "SAFETY");
            reasons_elsewhere(Path::new("a.rs"), &text)
        };
        for pointer in [
            ": see above.",
            ": as above",
            ": as above; it is not used again.",
            ": as below.",
            ": see there.",
            ": by the caller.",
            ": by the callers.",
            ": as for `settle`.",
            ": see `start`.",
            ": as in `message.rs`.",
            ": here and below: the host is alive.",
            ", for all below: the host is alive.",
        ] {
            let wrong = found(pointer);
            assert_eq!(wrong.len(), 1, "{pointer}");
            assert!(wrong[0].starts_with("a.rs:2: 'SAFETY"), "{wrong:?}");
        }
        for reason in [
            ": the caller holds `count` indices of this delivery (`# Safety`).",
            ": by the caller, who holds a count of the record for each place.",
            ": as long as `part` lives, the descriptor is open.",
            ": by the caller\n    // the slot is not read meanwhile.",
        ] {
            assert_eq!(found(reason), Vec::<String>::new(), "{reason}");
        }
    }

    #[test]
    fn a_word_has_one_form() {
        let text = format!("It {} be read.\nIt cannot be read.", SECOND_FORM);
        let wrong = check(Path::new("docs/a.md"), &text);
        assert_eq!(wrong, ["docs/a.md:1: write 'cannot', as everywhere"]);
        assert!(check(Path::new("CONTRIBUTING.md"), &text).is_empty());
    }

    #[test]
    fn registries_are_not_named() {
        let text = format!("see docs\nhttps://{}/crates/serde", REGISTRIES[0]);
        let wrong = check(Path::new("docs/a.txt"), &text);
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("docs/a.txt:2: "));
        assert!(check(Path::new(LOCK_FILE), &text).is_empty());
    }
}
