//! Builds of gopiper by others, with their own compiler flags: cargo's configuration of this
//! workspace does not count there. `cargo xtask ci --full` builds all of it like this.
mod common;

use std::process::Command;

use common::root;

#[test]
fn the_build_wants_the_flag_that_stops_endless_loops() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("build");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-o"]).arg(&script).arg(root().join("gopiper-lua/build.rs"));
    assert!(rustc.status().expect("rustc runs").success());
    let said = |flags: &str| {
        let output = Command::new(&script).env_clear().env("CFLAGS", flags).output();
        String::from_utf8(output.expect("it runs").stdout).expect("text")
    };
    let refusal = said("-O2");
    assert!(refusal.contains("cargo::error=") && refusal.contains("to CFLAGS"), "{refusal}");
    assert!(!said("-O2 -DLUAJIT_ENABLE_CHECKHOOK").contains("cargo::error="));
}
