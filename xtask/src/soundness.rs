//! The boundary's tests under tools that see what a passing test does not.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::plugins::{self, Known};
use crate::variants;
use crate::workspace::{Cargo, components_below, own_metadata, program_of, succeed, target_folder};

/// `-rdynamic`: a plugin takes the sanitizer's functions from the program that opens it.
const SANITIZE: &str = "-Zsanitizer=address -Clink-arg=-rdynamic";
const BOUNDARY: [&str; 6] = ["-p", "gopiper-abi", "-p", "gopiper-core", "--lib", "--tests"];

/// AddressSanitizer; valgrind where the compiler has no runtime for it.
pub(crate) fn memory_errors() -> Result<()> {
    let target = host_target()?;
    if sanitizer_works(&target)? {
        address_sanitizer(&target)
    } else {
        eprintln!("no AddressSanitizer with this compiler, so valgrind instead");
        valgrind(&target)
    }
}

fn address_sanitizer(target: &str) -> Result<()> {
    // A folder of its own: what runs while building must not see these flags, and build scripts
    // that watch RUSTC_BOOTSTRAP would otherwise spoil the usual builds.
    let folder = target_folder()?.join("asan");
    let cargo = Cargo::new()
        .flags(["--target", target])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", SANITIZE)
        // Libraries are never unloaded, so what they hold is not lost.
        .env("ASAN_OPTIONS", "detect_leaks=0");
    test_boundary(cargo, "asan-plugins")
}

fn valgrind(target: &str) -> Result<()> {
    let runner = format!("CARGO_TARGET_{}_RUNNER", target.to_uppercase().replace('-', "_"));
    succeed(Command::new("valgrind").arg("--version"))
        .context("neither AddressSanitizer nor valgrind is here: install valgrind")?;
    let cargo = Cargo::new().env(&runner, "valgrind --quiet --error-exitcode=99");
    test_boundary(cargo, "test-plugins")
}

fn test_boundary(cargo: Cargo, plugins: &str) -> Result<()> {
    let metadata = own_metadata()?;
    let components = components_below(&metadata, plugins::FOR_TESTS);
    // With the programs that tests run.
    let artifacts =
        cargo.build(&["--workspace", "--exclude", "xtask", "--lib", "--bins", "--examples"])?;
    let program = program_of(&artifacts)?;
    let out = metadata.target_directory.join(plugins);
    plugins::install(&program, &components, &artifacts, out.as_ref(), Known::Keep)?;
    cargo
        .env("GOPIPER_TEST_PLUGINS", &out)
        .env("GOPIPER_TEST_PROGRAM", &program)
        // Those of the usual build: what happens to them does not depend on how they were built.
        .env("GOPIPER_TEST_VARIANTS", variants::build()?)
        .run("test", &BOUNDARY)
}

pub(crate) fn miri() -> Result<()> {
    let cargo = Cargo::new();
    let here = cargo
        .command("miri")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !here.success() {
        eprintln!("skipped: this toolchain has no 'cargo miri' (a component of nightly ones)");
        return Ok(());
    }
    cargo.run("miri", &["test", "-p", "gopiper-abi", "--lib"])
}

fn sanitizer_works(target: &str) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("probe.rs");
    fs::write(&source, "fn main() {}")?;
    let probe = folder.path().join("probe");
    let built = Command::new("rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .args(SANITIZE.split(' '))
        .args(["--target", target, "-o"])
        .arg(&probe)
        .arg(&source)
        .stderr(Stdio::null())
        .status()
        .context("cannot start rustc")?;
    Ok(built.success() && Command::new(probe).status().is_ok_and(|ran| ran.success()))
}

fn host_target() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc -vV names no host")
}
