//! gopiper-lua as a dependency of a crate outside of this workspace, where its cargo configuration
//! does not count.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::workspace::{root, target_folder};

/// Without the flag for LuaJIT the build must fail and say what to do.
pub(crate) fn check() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = root().join("gopiper-lua");
    let manifest = format!(
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n
[dependencies]\ngopiper-lua = {{ path = {path:?} }}\n\n[workspace]\n"
    );
    fs::create_dir(folder.path().join("src"))?;
    fs::write(folder.path().join("src/lib.rs"), "")?;
    fs::write(folder.path().join("Cargo.toml"), manifest)?;
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock"))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["check", "--quiet"]).current_dir(folder.path()).env("CFLAGS", "-O2");
    let output = cargo.env("CARGO_TARGET_DIR", target_folder()?.join("outside")).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it builds without the flag that stops endless loops");
    ensure!(said.contains("to CFLAGS"), "it does not build, and does not say why: {said}");
    Ok(())
}
