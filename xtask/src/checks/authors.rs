//! A new author's way, with the program and the kits as users have them: from nothing to a sealed
//! component in a pipeline, in Rust and in C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Artifact;

use crate::checks::{c, compilers};
use crate::run::{self, Built};
use crate::workspace::{Cargo, root, succeed, target_folder};

/// The greatest size of the example in C, in bytes.
const LARGEST_IN_C: u64 = 600_000;
/// The oldest glibc that Rust's standard library supports is 2.17.
const OLDEST_GLIBC: u32 = 17;

pub(crate) fn check() -> Result<()> {
    let built = run::release_of_all()?;
    let kit = c::build()?;
    let folder = tempfile::tempdir()?;
    in_c(&built, &kit, folder.path())?;
    let tests = tests_of_templates()?;
    templates(&tests, &built, &kit, None)?;
    compilers::with_oldest_rustc(|rustc| templates(&tests, &built, &kit, Some(rustc)))?;
    for_an_old_glibc(&built, folder.path())
}

/// The commands of an author and an operator, with the program on the path.
fn shell(built: &Built, folder: &Path, commands: &str) -> Command {
    let beside = built.program.parent().expect("a program lies in a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-exc", commands]).current_dir(folder).env_remove("CARGO_TARGET_DIR");
    shell.env("PATH", format!("{beside}:{path}")).env("GOPIPER_COMPONENT_PATH", &built.plugins);
    shell
}

/// The example is small, too: the tests of plain `ci` have a kit that is not optimized.
fn in_c(built: &Built, kit: &Path, folder: &Path) -> Result<()> {
    let commands = "gopiper kit c c && cd c && make && make verify\n\
                    printf 'one\\n# two\\n' | gopiper run pipeline.lua | grep -x ONE";
    succeed(shell(built, folder, commands).env("GOPIPER_C_KIT", kit))?;
    let size = fs::metadata(folder.join("c/upper_component.so"))?.len();
    eprintln!("upper_component.so in C: {size} bytes");
    ensure!(size <= LARGEST_IN_C, "the example in C has {size} bytes, more than {LARGEST_IN_C}");
    Ok(())
}

/// The program of gopiper-lua's test `new`, which does all that the READMEs of `gopiper new` say.
fn tests_of_templates() -> Result<PathBuf> {
    let args = ["-p", "gopiper-lua", "--test", "new", "--no-run"];
    let artifacts = Cargo::new().artifacts("test", &args)?;
    let is_it = |artifact: &&Artifact| artifact.profile.test && artifact.target.name == "new";
    let program = artifacts.iter().find(is_it).and_then(|artifact| artifact.executable.clone());
    Ok(program.context("cargo built no test 'new'")?.into())
}

/// Each kind of `gopiper new`, with this compiler.
fn templates(tests: &Path, built: &Built, kit: &Path, rustc: Option<&Path>) -> Result<()> {
    let mut command = Command::new(tests);
    command.current_dir(root().join("gopiper-lua"));
    command.env("GOPIPER_TEST_PROGRAM", &built.program).env("GOPIPER_TEST_PLUGINS", &built.plugins);
    command.env("GOPIPER_TEST_C", kit);
    if let Some(rustc) = rustc {
        // Today's rustdoc cannot read the libraries of another compiler.
        command.env("RUSTC", rustc).env("RUSTDOC", "true");
    }
    succeed(&mut command)
}

/// With Zig, as the template's release workflow does it; and the program, as shipping.md says.
fn for_an_old_glibc(built: &Built, folder: &Path) -> Result<()> {
    let zig = target_folder()?.join("zig");
    if !zig.exists() {
        let new = zig.with_extension("new");
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&new))?;
        let install = ["install", "--quiet", "ziglang", "cargo-zigbuild"];
        succeed(Command::new(new.join("bin/pip")).args(install))?;
        fs::rename(new, &zig)?;
    }
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let (checkout, out) = (root().display(), target_folder()?.join("docs"));
    let out = out.display();
    let commands = format!(
        "gopiper new old --kind transform --abi-path {checkout}/gopiper-abi\n\
         cd old\n\
         cp {checkout}/Cargo.lock .\n\
         cargo zigbuild --release --target {target}.2.{OLDEST_GLIBC} --target-dir {out}\n\
         cp {out}/{target}/release/libold.so old_component.so\n\
         gopiper verify --seal old_component.so --attributes '{{\"word\": \"an\"}}' \
         --fixture fixture --messages messages.jsonl\n\
         test $(gopiper inspect old_component.so | sed -n 's/^glibc *2[.]//p') -le {OLDEST_GLIBC}\n\
         gopiper run pipeline.lua < README.md\n\
         program={out}/{target}/release/gopiper\n\
         cd {checkout}\n\
         TARGET_LIBS=-lunwind cargo zigbuild --release -p gopiper-lua \
         --target {target}.2.{OLDEST_GLIBC} --target-dir {out}\n\
         newest=$(objdump -T $program | grep -o 'GLIBC_2[.][0-9]*' | sort -Vu | tail -n 1)\n\
         test ${{newest#GLIBC_2.}} -le {OLDEST_GLIBC}\n\
         test $($program run examples/quickstart.lua < examples/data/access.log | wc -l) = 239"
    );
    let mut shell = shell(built, folder, &commands);
    let path = shell.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
    let path = path.unwrap_or_default().to_string_lossy().into_owned();
    // cargo-zigbuild finds Zig as a module of the Python on the path.
    shell.env("PATH", format!("{}:{path}", zig.join("bin").display()));
    succeed(&mut shell)
}
