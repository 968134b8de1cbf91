//! Components as third parties build them: the same source, other compilers.
//!
//! Debian has some beside its own, which are unpacked aside, not installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::semver::Version;

use crate::checks::{test, variants};
use crate::plugins::{self, Known};
use crate::workspace::{Cargo, components_below, own_metadata, succeed, target_folder};

/// The oldest that the kit promises, and one that is newer than most.
const VERSIONS: [&str; 2] = ["1.85", "1.96"];

/// The oldest compiler takes the kit, and that for C.
pub(crate) fn oldest() -> Result<()> {
    let args = ["-p", "gopiper-abi", "-p", "gopiper-abi-c"];
    with_compiler(VERSIONS[0], |cargo| cargo.run("check", &args))
}

/// Each compiler's output for our components is loaded by today's host, verified, and works in
/// pipelines as it should.
pub(crate) fn all() -> Result<()> {
    let built = test::built()?;
    let metadata = own_metadata()?;
    let mut components = components_below(&metadata, plugins::SHIPPED);
    components.extend(plugins::named(&metadata, &["faults", "faults-source"])?);
    for version in VERSIONS {
        let components: Vec<_> = components
            .iter()
            .copied()
            .filter(|it| is_for(it.rust_version.as_ref(), version))
            .collect();
        with_compiler(version, |cargo| {
            let mut args = vec!["--lib"];
            components.iter().for_each(|package| args.extend(["-p", &package.id.repr]));
            let artifacts = cargo.build(&args)?;
            let out = target_folder()?.join(format!("plugins-{version}"));
            let known = Known::Again { symbols: None };
            let said = plugins::install(&built.program, &components, &artifacts, &out, known)?;
            said.iter().for_each(|line| eprintln!("{line}"));
            ensure!(
                said.iter().all(|line| line.contains(&format!("rustc {version}."))),
                "another compiler built them"
            );
            Cargo::new()
                .env("GOPIPER_TEST_PLUGINS", out)
                .env("GOPIPER_TEST_PROGRAM", &built.program)
                .env("GOPIPER_TEST_VARIANTS", variants::build()?)
                .run(
                    "test",
                    &[
                        "-p",
                        "gopiper-core",
                        "-p",
                        "gopiper-lua",
                        "--test",
                        "scheduler",
                        "--test",
                        "pipelines",
                        "--test",
                        "verify",
                    ],
                )
        })?;
    }
    Ok(())
}

/// Whether a component that needs this version of Rust can be built with that compiler. A library
/// may need a later one than the kit does.
fn is_for(needed: Option<&Version>, compiler: &str) -> bool {
    let compiler = Version::parse(&format!("{compiler}.0"));
    needed.is_none_or(|needed| compiler.is_ok_and(|compiler| *needed <= compiler))
}

/// Does it with a cargo that compiles with that version, in a folder of its own.
fn with_compiler(version: &str, act: impl FnOnce(Cargo) -> Result<()>) -> Result<()> {
    let target = target_folder()?.join("compilers").join(version).join("target");
    with_rustc(version, |rustc| {
        act(Cargo::new().env("RUSTC", rustc).env("CARGO_TARGET_DIR", target))
    })
}

/// Does it with the oldest compiler that the kit promises.
pub(crate) fn with_oldest_rustc(act: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    with_rustc(VERSIONS[0], act)
}

fn with_rustc(version: &str, act: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let Some(rustc) = compiler(version, &target_folder()?.join("compilers").join(version))? else {
        eprintln!("skipped: this machine's packages have no rustc-web {version}");
        return Ok(());
    };
    act(&rustc).with_context(|| format!("with rustc {version}"))
}

/// That compiler, in `folder`; none if there are no packages of it.
fn compiler(version: &str, folder: &Path) -> Result<Option<PathBuf>> {
    let rustc = folder.join("rustc");
    if rustc.exists() {
        return Ok(Some(rustc));
    }
    let Some(package) = package_version(version).or_else(|| {
        // The machine's lists of packages may be old.
        let updated = succeed(Command::new("apt-get").args(["update", "-qq"]));
        updated.ok().and_then(|()| package_version(version))
    }) else {
        return Ok(None);
    };
    let standard = format!("libstd-rust-web-{version}");
    let of_version = |name: &str| format!("{name}={package}");
    let mut packages =
        vec![of_version("rustc-web"), of_version("libstd-rust-web-dev"), of_version(&standard)];
    packages.extend(llvm(&of_version(&standard)));
    fs::create_dir_all(folder)?;
    succeed(Command::new("apt-get").current_dir(folder).args(["download", "-qq"]).args(packages))?;
    let (mut libraries, root) = (Vec::new(), folder.join("root"));
    for file in fs::read_dir(folder)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            succeed(Command::new("dpkg").arg("-x").arg(&file).arg(&root))?;
            fs::remove_file(file)?;
        }
    }
    for folder in fs::read_dir(root.join("usr/lib"))? {
        let folder = folder?.path();
        libraries.extend([folder.join("lib"), folder].map(|folder| folder.display().to_string()));
    }
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n",
        libraries.join(":"),
        root.join("usr/bin/rustc").display()
    );
    let aside = folder.join("rustc.new");
    fs::write(&aside, script)?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o755))?;
    fs::rename(aside, &rustc)?;
    Ok(Some(rustc))
}

/// The package's full version.
fn package_version(version: &str) -> Option<String> {
    let output = Command::new("apt-cache").args(["madison", "rustc-web"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut versions = text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    versions.find(|package| package.starts_with(&format!("{version}."))).map(str::to_owned)
}

/// The LLVM that a package needs.
fn llvm(package: &str) -> Option<String> {
    let output = Command::new("apt-cache").args(["show", package]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let depends = text.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    let name = depends.split([',', ' ']).find(|name| name.starts_with("libllvm"))?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_may_need_a_later_compiler() {
        let needed = Version::new(1, 89, 0);
        assert!(is_for(None, "1.85"));
        assert!(!is_for(Some(&needed), "1.85"));
        assert!(is_for(Some(&needed), "1.96"));
    }
}
