//! The commands and packages that the tests need: `.ci/needs` lists them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::workspace::{succeed, target_folder};

const NEEDS: &str = include_str!("../../../.ci/needs");

/// The packages that were fetched for the tests.
pub(crate) struct Fetched {
    /// A folder for PYTHONPATH.
    pub(crate) python: PathBuf,
    /// A folder with `node_modules`.
    pub(crate) node: PathBuf,
}

/// Checks that the folders of `path` have the commands, and fetches missing packages.
pub(crate) fn fetch(path: &OsStr) -> Result<Fetched> {
    check_commands(NEEDS, path)?;
    let (target, python) = (target_folder()?, python()?);
    let node = fetched(&target.join("test-node"), &wanted(NEEDS, "npm"), |folder, packages| {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ]);
        succeed(npm.arg(folder).args(packages))
    })?;
    Ok(Fetched { python, node })
}

/// A folder for PYTHONPATH, with the packages of PyPI alone.
pub(crate) fn python() -> Result<PathBuf> {
    fetched(&target_folder()?.join("test-python"), &wanted(NEEDS, "pypi"), |folder, packages| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        succeed(pip.arg(folder).args(packages))
    })
}

/// Fails with the first command that is in none of the folders.
fn check_commands(needs: &str, path: &OsStr) -> Result<()> {
    for line in wanted(needs, "apt") {
        let (command, package) = line.split_once(' ').context(".ci/needs: apt COMMAND PACKAGE")?;
        if !env::split_paths(path).any(|folder| folder.join(command).is_file()) {
            bail!("the tests need {command}: apt-get install {}", package.trim());
        }
    }
    Ok(())
}

/// The lines of the list for a registry.
fn wanted<'a>(needs: &'a str, registry: &str) -> Vec<&'a str> {
    let of_registry = |line: &'a str| Some(line.strip_prefix(registry)?.strip_prefix(' ')?.trim());
    needs.lines().filter_map(of_registry).collect()
}

/// The folder with exactly these packages. After an interrupted fetch, they are fetched again.
fn fetched(
    folder: &Path,
    packages: &[&str],
    fetch: impl FnOnce(&Path, &[&str]) -> Result<()>,
) -> Result<PathBuf> {
    let (list, complete) = (packages.join("\n"), folder.join("packages"));
    if fs::read_to_string(&complete).is_ok_and(|there| there == list) {
        return Ok(folder.to_owned());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    if !packages.is_empty() {
        let names = packages.join(", ");
        fetch(folder, packages).with_context(|| format!("the tests need {names}"))?;
    }
    fs::write(complete, list)?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_is_named_with_its_package() {
        let error = check_commands(NEEDS, "/nowhere".as_ref()).unwrap_err().to_string();
        assert_eq!(error, "the tests need cc: apt-get install build-essential");
    }

    #[test]
    fn each_line_belongs_to_a_registry() {
        let registries = ["apt", "pypi", "npm"];
        let known: usize = registries.iter().map(|it| wanted(NEEDS, it).len()).sum();
        assert_eq!(known, NEEDS.lines().filter(|line| !line.starts_with('#')).count());
        let needs = "apt  cc  gcc\npypi one==1\nnpm two@2";
        let all: Vec<_> = registries.iter().flat_map(|it| wanted(needs, it)).collect();
        assert_eq!(all, ["cc  gcc", "one==1", "two@2"]);
    }

    #[test]
    fn packages_are_fetched_when_the_list_has_changed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("packages-of-a-test");
        let mut fetches = 0;
        let mut fetch = |packages: &[&str], is_there: bool| {
            fetched(&folder, packages, |folder, packages| {
                fetches += 1;
                fs::write(folder.join(packages[0]), "")?;
                if is_there { Ok(()) } else { bail!("no network") }
            })
        };
        let error = format!("{:#}", fetch(&["one"], false).unwrap_err());
        assert_eq!(error, "the tests need one: no network");
        fetch(&["one"], true).unwrap();
        fetch(&["one"], true).unwrap();
        fetch(&["two"], true).unwrap();
        assert_eq!(fetches, 3);
        assert!(folder.join("two").exists() && !folder.join("one").exists());
    }
}
