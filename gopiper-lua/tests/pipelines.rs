//! Whole pipelines as folders: `pipeline.lua`, and beside it `input`, the `output` that is
//! expected, the lines that standard `error` must have among others, the exit `code`, further
//! `arguments`. With `files` it runs in a copy of those, beside a copy of `pipeline.lua`, `state`
//! being its state directory, and must have `written` those.
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{gopiper, run, stderr};

fn folders() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines");
    let mut folders: Vec<_> = fs::read_dir(all)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    folders
}

fn read(folder: &Path, file: &str) -> Option<Vec<u8>> {
    fs::read(folder.join(file)).ok()
}

fn read_text(folder: &Path, file: &str) -> Option<String> {
    read(folder, file).map(|bytes| String::from_utf8(bytes).expect("text"))
}

/// All files in a folder, by their paths in it, in order: copied so, the last one is the newest.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.flat_map(|path| {
        let name = PathBuf::from(path.file_name().expect("a name"));
        match path.is_dir() {
            true => files(&path).into_iter().map(|file| name.join(file)).collect(),
            false => vec![name],
        }
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

/// A folder to run in, with `files` and the pipeline.
fn working_folder(folder: &Path) -> Option<tempfile::TempDir> {
    let given = folder.join("files");
    let working = given.exists().then(|| tempfile::tempdir().expect("a folder"))?;
    for file in files(&given) {
        let copy = working.path().join(&file);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        fs::copy(given.join(file), copy).expect("copied");
    }
    fs::copy(folder.join("pipeline.lua"), working.path().join("pipeline.lua")).expect("copied");
    Some(working)
}

fn command(verb: &str, folder: &Path, working: Option<&tempfile::TempDir>) -> Command {
    let mut command = gopiper();
    command.arg(verb);
    match working {
        None => command.arg(folder.join("pipeline.lua")),
        Some(working) => {
            let working = working.path();
            command.env("GOPIPER_STATE_DIR", working.join("state"));
            command.arg("pipeline.lua").current_dir(working)
        }
    };
    command.args(read_text(folder, "arguments").unwrap_or_default().split_whitespace());
    command
}

fn said(output: &Output, folder: &Path) -> String {
    stderr(output).replace(&folder.display().to_string(), "FOLDER")
}

/// The differences from the expected result.
fn differences(folder: &Path) -> Vec<String> {
    let working = working_folder(folder);
    let mut command = command("run", folder, working.as_ref());
    let output = run(&mut command, &read(folder, "input").unwrap_or_default());
    let mut differences = Vec::new();
    let expected =
        read_text(folder, "code").map_or(0, |code| code.trim().parse().expect("a number"));
    if output.status.code() != Some(expected) {
        differences.push(format!("it ended with {}, expected {expected}", output.status));
    }
    let expected = read(folder, "output").unwrap_or_default();
    if output.stdout != expected {
        let (found, expected) = (output.stdout.escape_ascii(), expected.escape_ascii());
        differences.push(format!("it wrote\n    {found}\n  expected\n    {expected}"));
    }
    let written = folder.join("written");
    for file in files(&written) {
        let found = working.as_ref().map(|working| working.path().join(&file));
        let found = found
            .and_then(|file| fs::read(file).ok())
            .map(|bytes| bytes.escape_ascii().to_string());
        let expected = fs::read(written.join(&file)).expect("read").escape_ascii().to_string();
        if found.as_ref() != Some(&expected) {
            let file = file.display();
            differences.push(format!("{file} has\n    {found:?}\n  expected\n    {expected}"));
        }
    }
    let said = said(&output, folder);
    let expected = read_text(folder, "error").unwrap_or_default();
    if expected.is_empty() && !said.is_empty() {
        differences.push("it said something".into());
    }
    for line in expected.lines().filter(|line| !said.contains(line)) {
        differences.push(format!("it did not say '{line}'"));
    }
    if !differences.is_empty() {
        differences.push(format!("what it said:\n{said}"));
    }
    differences
}

/// Errors that only a start can find: a check has no side effects, so it opens nothing.
const FOUND_BY_STARTING: &[&str] = &[
    "file-source-checkpoint-damaged",
    "file-source-checkpoint-newer",
    "function-changes-after-the-check",
];

#[test]
fn check_reports_the_same_as_run_before_its_start() {
    for folder in folders() {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let working = working_folder(&folder);
        let output = run(&mut command("check", &folder, working.as_ref()), b"");
        let said = said(&output, &folder);
        let refused = read_text(&folder, "code").is_some_and(|code| code.trim() == "78");
        let expected = if refused && !FOUND_BY_STARTING.contains(&&name[..]) { 78 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{name}: {said}");
        if expected == 78 {
            let lines = read_text(&folder, "error").unwrap_or_default();
            lines.lines().for_each(|line| assert!(said.contains(line), "{name}: {line}\n{said}"));
        } else {
            assert!(String::from_utf8_lossy(&output.stdout).contains(" → "), "{name}");
        }
    }
}

#[test]
fn each_behaves_as_its_folder_says() {
    let folders = folders();
    assert!(folders.len() >= 10, "the folders are there");
    let wrong: Vec<_> = folders
        .iter()
        .map(|folder| (folder.file_name().expect("a name"), differences(folder)))
        .filter(|(_, differences)| !differences.is_empty())
        .map(|(name, differences)| format!("{}:\n  {}", name.display(), differences.join("\n  ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
