//! The commands of the program that the checks in random rounds run. How a round goes, and what it
//! counts, is not known here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::Built;

/// A command of the program for `pipeline.lua` in `folder`.
pub(super) fn gopiper(built: &Built, words: &[&str], state: &Path, folder: &Path) -> Command {
    let mut command = Command::new(&built.program);
    command.args(words).arg("--state-dir").arg(state);
    command.arg(folder.join("pipeline.lua"));
    command.env("GOPIPER_COMPONENT_PATH", &built.plugins);
    command
}

/// The payloads of all dead letters; `gopiper` makes a command of these words.
pub(super) fn dead_letters(gopiper: impl Fn(&[&str]) -> Command) -> Result<Vec<Vec<u8>>> {
    let list = output(gopiper(&["dlq", "list", "--json"]))?;
    let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let letter: Value = serde_json::from_slice(line)?;
            let id = letter["id"].as_str().context("a letter has an id")?;
            output(gopiper(&["dlq", "show", "--payload", id]))
        })
        .collect()
}

/// The standard output of a command, which has to succeed.
fn output(mut command: Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {complaint}");
    Ok(output.stdout)
}
