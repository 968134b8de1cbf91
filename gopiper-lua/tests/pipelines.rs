//! Whole pipelines as folders: `pipeline.lua`, and beside it `input`, the `output` that is expected,
//! the lines that standard `error` must have among others, the exit `code`, further `arguments`.
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
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

/// What is not as expected.
fn differences(folder: &Path) -> Vec<String> {
    let mut command = gopiper();
    command.arg("run").arg(folder.join("pipeline.lua"));
    command.args(read_text(folder, "arguments").unwrap_or_default().split_whitespace());
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
    let said = stderr(&output).replace(&folder.display().to_string(), "FOLDER");
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

#[test]
fn each_does_what_its_folder_says() {
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
