//! Wrong files, each with its expected error: `broken/NAME.lua` and `NAME.expected`.
//! `check` and `run` report the same. `GOPIPER_BLESS=1` replaces the expected errors:
//! look at the difference.
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    thread,
};

use common::{gopiper, plugins, run, stderr};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn files() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("one").path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "lua")).collect();
    files.sort();
    files
}

/// Component files that are damaged, or none.
fn damaged() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bytes = fs::read(plugins().join("grep_component.so")).expect("read");
    let write = |name, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    write("truncated_component.so", &bytes[..bytes.len() / 2]);
    // The last byte is not read before the digest is checked.
    *bytes.last_mut().expect("not empty") ^= 1;
    write("changed_component.so", &bytes);
    write("text_component.so", b"#!/bin/sh\necho hello\n");
    write("short.secret", b"abc\n");
    folder
}

/// Runs it in the folder, with the arguments that its first line may name.
fn said(verb: &str, file: &Path, made: &Path) -> (Output, String) {
    let text = fs::read_to_string(file).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let arguments = first.strip_prefix("-- arguments: ").unwrap_or_default();
    let mut command = gopiper();
    command.current_dir(folder()).arg(verb).arg(file.file_name().expect("a name"));
    command.args(arguments.split_whitespace()).env("SHORT", "abc").env("PRESENT", "a value");
    command.env("GOPIPER_COMPONENT_PATH", format!("{}:{}", plugins().display(), made.display()));
    let program = PathBuf::from(command.get_program());
    let output = run(&mut command, b"");
    let mut said = stderr(&output);
    let beside = program.parent().expect("a folder");
    for (path, name) in [(plugins(), "PLUGINS"), (made.into(), "MADE"), (beside.into(), "PROGRAM")]
    {
        said = said.replace(&path.display().to_string(), name);
    }
    let words = said.split_inclusive(char::is_whitespace).map(|word| {
        let is_digest =
            |word: &str| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_digest(word.trim_end()) {
            word.replace(word.trim_end(), "DIGEST")
        } else {
            word.into()
        }
    });
    let said = words.collect();
    (output, said)
}

fn differences(file: &Path, made: &Path) -> Option<String> {
    let (checked, said_by_check) = said("check", file, made);
    let (ran, said_by_run) = said("run", file, made);
    let name = file.file_stem().expect("a name").display();
    if said_by_check != said_by_run {
        return Some(format!("{name}: check said\n{said_by_check}and run said\n{said_by_run}"));
    }
    if checked.status.code() != Some(78) || ran.status.code() != Some(78) {
        return Some(format!(
            "{name}: ended with {} and {}\n{said_by_run}",
            checked.status, ran.status
        ));
    }
    let expected = file.with_extension("expected");
    if std::env::var_os("GOPIPER_BLESS").is_some() {
        fs::write(&expected, &said_by_check).expect("written");
    }
    let expected = fs::read_to_string(expected).unwrap_or_default();
    (said_by_check != expected)
        .then(|| format!("{name}: it said\n{said_by_check}expected\n{expected}"))
}

#[test]
fn each_is_refused_with_the_words_that_are_expected() {
    let (files, made) = (files(), damaged());
    assert!(files.len() >= 60, "{} files", files.len());
    let half = files.len().div_ceil(2);
    let wrong: Vec<_> = thread::scope(|scope| {
        let look = |files: &[PathBuf]| {
            files.iter().filter_map(|file| differences(file, made.path())).collect::<Vec<_>>()
        };
        let threads: Vec<_> =
            files.chunks(half).map(|half| scope.spawn(move || look(half))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it ended")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
