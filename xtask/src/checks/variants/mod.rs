//! Component files that are not as they should be, for the loader's tests. They are built here;
//! the expected answers of the loader are in `gopiper-core/tests/loader`.
//!
//! The variants are in `gopiper-core/tests/variants`; its README says what each is for.

mod difference;
mod workspace;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::Artifact;
use ignore::WalkBuilder;

use crate::plugins::copy_if_newer;
use crate::workspace::{Cargo, own_metadata, root};
use difference::Variant;
use workspace::{Files, host_of, library};

const FIXTURES: &str = "gopiper-core/tests/variants";

/// Builds them all, as far as they are not built already. Returns their folder.
pub(crate) fn build() -> Result<PathBuf> {
    let own = own_metadata()?;
    let target = own.target_directory.as_std_path();
    let out = target.join("variants");
    let folder = out.join("workspace");
    let variants = variants(&root().join(FIXTURES))?;
    let files = workspace::generate(&root().join(FIXTURES), &variants, &own)?;
    write(&folder, &files)?;
    lock(&folder)?;

    // In our own folder, so that our cargo configuration counts: otherwise each change between
    // there and here would recompile everything that depends on it.
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.to_str().context("the target folder's path is not UTF-8")?;
    let cargo = Cargo::new()
        .flags(["--manifest-path", manifest])
        .env("CARGO_TARGET_DIR", target)
        .quiet_when_fresh();
    let aborting = variants.iter().filter(|variant| variant.aborts);
    let aborting: Vec<&str> = aborting.map(|variant| variant.file.as_str()).collect();
    let excluded = aborting.iter().flat_map(|name| ["--exclude", name]);
    let args: Vec<&str> = ["--workspace"].into_iter().chain(excluded).collect();
    let mut artifacts = cargo.artifacts("build", &args)?;
    for name in aborting {
        // As its author's profile would: dependencies follow the last crate.
        let args = ["-p", name, "--lib", "--", "-Cpanic=abort"];
        artifacts.extend(cargo.artifacts("rustc", &args)?);
    }
    install(&variants, &artifacts, &out)?;
    Ok(out)
}

fn variants(fixtures: &Path) -> Result<Vec<Variant>> {
    let mut variants = Vec::new();
    for entry in fs::read_dir(fixtures).with_context(|| fixtures.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "diff") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            variants.push(Variant::parse(&name, &fs::read_to_string(&path)?)?);
        }
    }
    variants.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(variants)
}

/// Makes the workspace consist of `files`. Those that are as they should be stay untouched: cargo
/// goes by their times.
fn write(folder: &Path, files: &Files) -> Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        if fs::read_to_string(&path).is_ok_and(|before| before == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let members: BTreeSet<_> = files.keys().filter_map(|path| path.iter().next()).collect();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| !members.contains(name)) {
            fs::remove_dir_all(path)?;
        }
    }
    // A file that was moved since would be a second one of its module.
    for entry in WalkBuilder::new(folder).standard_filters(false).build() {
        let entry = entry?;
        let name = entry.path().strip_prefix(folder)?;
        let is_source =
            name.components().count() > 1 && name.extension().is_some_and(|end| end == "rs");
        if is_source && !files.contains_key(name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The versions of all that they depend on are ours: nothing is downloaded for them.
fn lock(folder: &Path) -> Result<()> {
    let own = fs::read_to_string(root().join("Cargo.lock"))?;
    let seen = folder.join("Cargo.lock.ours");
    if !fs::read_to_string(&seen).is_ok_and(|before| before == own) {
        fs::write(folder.join("Cargo.lock"), &own)?;
        fs::write(seen, own)?;
    }
    Ok(())
}

fn install(variants: &[Variant], artifacts: &[Artifact], out: &Path) -> Result<()> {
    let built = |target: &str, extension| {
        let of_target = artifacts.iter().filter(|artifact| artifact.target.name == target);
        let mut files = of_target.flat_map(|artifact| &artifact.filenames);
        let file = files.find(|file| file.extension() == extension);
        file.with_context(|| format!("cargo built no {target}"))
    };
    let mut names = BTreeSet::<OsString>::from(["workspace".into()]);
    let mut put = |from: &Path, name: String| {
        let copied = copy_if_newer(from, &out.join(&name));
        names.insert(name.into());
        copied
    };
    for variant in variants {
        let library = built(&library(variant), Some("so"))?;
        put(library.as_std_path(), format!("{}.so", variant.file))?;
        if variant.with_host {
            put(built(&host_of(variant), None)?.as_std_path(), host_of(variant))?;
        }
    }
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| !names.contains(name)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::workspace::ALL_FEATURES;
    use super::*;

    #[test]
    fn every_variant_can_be_read_and_says_what_it_is() {
        let fixtures = root().join(FIXTURES);
        let variants = variants(&fixtures).unwrap();
        assert!(variants.len() > 20, "{}", variants.len());
        for variant in variants {
            let text = fs::read_to_string(fixtures.join(format!("{}.diff", variant.file))).unwrap();
            assert!(text.lines().next().unwrap().ends_with('.'), "{}", variant.file);
            assert_ne!(variant.file, ALL_FEATURES);
        }
    }

    #[test]
    fn unchanged_files_keep_their_time_and_strange_folders_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/src/lib.rs");
        let files = |text: &str| Files::from([("a/src/lib.rs".into(), text.to_owned())]);
        write(folder.path(), &files("one")).unwrap();
        let time = || fs::metadata(&file).unwrap().modified().unwrap();
        let first = time();
        fs::create_dir_all(folder.path().join("b/src")).unwrap();
        write(folder.path(), &files("one")).unwrap();
        assert_eq!(time(), first);
        assert!(!folder.path().join("b").exists());
        let moved = file.with_file_name("moved.rs");
        fs::write(&moved, "").unwrap();
        write(folder.path(), &files("one")).unwrap();
        assert!(!moved.exists() && file.exists());
        write(folder.path(), &files("two")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }
}
