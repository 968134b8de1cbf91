//! cargo-deny: licences, sources and advisories of all dependencies, by `deny.toml`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::{root, succeed, target_folder};

const VERSION: &str = "0.20.2";

/// Licences, sources and duplicates: needs no network.
pub(crate) fn licences() -> Result<()> {
    succeed(cargo_deny()?.args(["check", "bans", "licenses", "sources"]))
}

/// Known faults of dependencies. The database is a repository: without a way to it, a copy from an
/// earlier run is used, and without that the check says that it was left out.
pub(crate) fn advisories() -> Result<()> {
    if succeed(cargo_deny()?.args(["fetch", "db"])).is_err() {
        eprintln!("the advisory database cannot be fetched: a copy from an earlier run is used");
    }
    let output = cargo_deny()?.args(["--offline", "check", "advisories"]).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("failed to get 'FETCH_HEAD' metadata") {
        eprintln!("skipped: there is no copy of the advisory database");
        return Ok(());
    }
    eprint!("{text}{}", String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.success(), "an advisory is neither heeded nor listed in deny.toml");
    Ok(())
}

/// The installed program, or the one that this installs below the target folder.
fn cargo_deny() -> Result<Command> {
    let mut command = Command::new(program()?);
    command.current_dir(root());
    Ok(command)
}

fn program() -> Result<PathBuf> {
    let folder = target_folder()?.join("tools");
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        let mut install = Command::new("cargo");
        install.args(["install", "cargo-deny", "--locked", "--quiet", "--version", VERSION]);
        // Its build's own files go to a folder of cargo's that it removes.
        succeed(install.arg("--root").arg(&folder).env_remove("CARGO_TARGET_DIR"))
            .context("cannot install cargo-deny")?;
    }
    Ok(program)
}
