//! The boundary's tests under tools that see what a passing test does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::checks::variants;
use crate::plugins::{self, Known};
use crate::workspace::{
    Cargo, SLOW, components_below, own_metadata, program_of, succeed, target_folder,
};

/// `-rdynamic`: a plugin takes the sanitizer's functions from the program that opens it.
const SANITIZE: &str = "-Zsanitizer=address -Clink-arg=-rdynamic --cfg sanitized";
const BOUNDARY: [&str; 9] = [
    "-p",
    "gopiper-abi",
    "-p",
    "gopiper-core",
    "--lib",
    "--tests",
    "--",
    // A program in C has not the functions that an instrumented library takes from its program.
    "--skip",
    "a_program_in_c_runs_pipelines",
];

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
        .context("neither AddressSanitizer nor valgrind is installed: install valgrind")?;
    let cargo = Cargo::new().env(&runner, "valgrind --quiet --error-exitcode=99");
    test_boundary(cargo, "test-plugins")
}

fn test_boundary(cargo: Cargo, plugins: &str) -> Result<()> {
    let metadata = own_metadata()?;
    let components = components_below(&metadata, plugins::FOR_TESTS);
    // With the programs that tests run.
    let left_out = SLOW.iter().chain(&["xtask"]).flat_map(|name| ["--exclude", name]);
    let workspace: Vec<&str> = ["--workspace"].into_iter().chain(left_out).collect();
    let artifacts = cargo.build(&[&workspace[..], &["--lib", "--bins", "--examples"]].concat())?;
    let program = program_of(&artifacts)?;
    let out = metadata.target_directory.join(plugins);
    plugins::install(&program, &components, &artifacts, out.as_ref(), Known::Keep)?;
    let cargo = cargo
        .env("GOPIPER_TEST_PLUGINS", &out)
        .env("GOPIPER_TEST_PROGRAM", &program)
        // Those of the usual build: what happens to them does not depend on how they were built.
        .env("GOPIPER_TEST_VARIANTS", variants::build()?);
    cargo.run("test", &BOUNDARY)?;
    // The functions that Lua calls through the FFI.
    cargo.run("test", &["-p", "gopiper-lua", "--lib", "function::"])
}

/// The models of threads, in every interleaving.
pub(crate) fn models() -> Result<()> {
    // A folder of its own: the flag is for all crates.
    Cargo::new()
        .env("CARGO_TARGET_DIR", target_folder()?.join("loom"))
        .env("RUSTFLAGS", "--cfg loom")
        .run(
            "test",
            &["-p", "gopiper-abi", "-p", "gopiper-core", "--lib", "models::", "--", "--nocapture"],
        )
}

pub(crate) fn miri() -> Result<()> {
    let found = [Cargo::new(), Cargo::new().nightly()]
        .into_iter()
        .find(|cargo| works(cargo.command("miri").arg("--version")));
    match found {
        Some(cargo) => {
            cargo.run("miri", &["test", "-p", "gopiper-abi", "--lib"])?;
            // The functions that Lua calls, without Lua.
            cargo.run("miri", &["test", "-p", "gopiper-lua", "--lib", "function::ffi::"])
        }
        None => {
            eprintln!("skipped: neither this toolchain nor a nightly one has 'cargo miri'");
            Ok(())
        }
    }
}

/// ThreadSanitizer, which has to see the standard library too: so that is built as well.
pub(crate) fn data_races() -> Result<()> {
    let sysroot = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .stderr(Stdio::null())
        .output();
    let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let library = Path::new(&sysroot.unwrap_or_default()).join("lib/rustlib/src/rust/library");
    if !library.is_dir() {
        eprintln!("skipped: there is no nightly toolchain with the component rust-src");
        return Ok(());
    }
    let metadata = own_metadata()?;
    let cargo = Cargo::new()
        .nightly()
        .flags(["--target", &host_target()?, "-Zbuild-std"])
        .env("CARGO_TARGET_DIR", metadata.target_directory.join("tsan"))
        .env("RUSTFLAGS", "-Zsanitizer=thread -Clink-arg=-rdynamic --cfg sanitized");
    let components = plugins::named(&metadata, &["faults", "grep", "null", "pass"])?;
    let (program, artifacts) = plugins::build_with_program(&cargo, &components)?;
    let out = metadata.target_directory.join("tsan-plugins");
    plugins::install(&program, &components, &artifacts, out.as_ref(), Known::Keep)?;
    let tests = [
        "--lib",
        "--test",
        "scheduler",
        "--test",
        "backpressure",
        "--test",
        "time",
        "--test",
        "stuck",
        "--test",
        "buffer",
    ];
    cargo
        .env("GOPIPER_TEST_PLUGINS", &out)
        .run("test", &[["-p", "gopiper-abi", "-p", "gopiper-core"].as_slice(), &tests].concat())
}

fn works(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
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
