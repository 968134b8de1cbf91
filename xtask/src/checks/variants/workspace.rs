//! The workspace in which the variants are built, as text.
//!
//! One workspace, so that what they depend on is compiled once. Cargo wants different names in it,
//! and the layout check compares them: so a package whose name counts gets it from a build script.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Metadata};
use ignore::Walk;

use super::difference::{Interface, Variant};
use crate::workspace::root;

/// Contents by their path in the workspace.
pub(super) type Files = BTreeMap<PathBuf, String>;

const ABI: &str = "gopiper-abi";
/// The member that depends on all that our own workspace does.
pub(super) const ALL_FEATURES: &str = "all-features";

pub(super) fn generate(fixtures: &Path, variants: &[Variant], own: &Metadata) -> Result<Files> {
    let host = own.packages.iter().find(|package| package.name == ABI);
    let host = &host.with_context(|| format!("there is no package {ABI}"))?.version;
    let pages = sources(&fixtures.join("component"), Path::new("src"))?;
    let loader = sources(&root().join("gopiper-core/src/loader"), Path::new("src/loader"))?;
    let mut files = all_features(own);
    for variant in variants {
        files.extend(component(variant, &pages, host)?);
        if variant.changes_interface() {
            files.extend(interface(variant, host)?);
        }
        if variant.with_host {
            files.extend(host_program(variant, &pages, &loader));
        }
    }
    let members: BTreeSet<_> = files.keys().filter_map(|file| file.iter().next()).collect();
    let members: Vec<_> = members.iter().map(|name| name.to_string_lossy()).collect();
    files.insert("Cargo.toml".into(), workspace_manifest(&members)?);
    Ok(files)
}

/// Ours, with other members.
fn workspace_manifest(members: &[impl AsRef<str>]) -> Result<String> {
    let own = fs::read_to_string(root().join("Cargo.toml"))?;
    let rest = own.find("[workspace.package]").context("Cargo.toml has no [workspace.package]")?;
    let rest = own[rest..].replace("path = \"", &format!("path = \"{}/", root().display()));
    let listed: String = members.iter().map(|name| format!("    {:?},\n", name.as_ref())).collect();
    // Fast to build, and small. What they depend on stays as it is, or it would be built again.
    let profile = "opt-level = 0\ndebug = false\nstrip = \"debuginfo\"\n";
    let profiles =
        members.iter().map(|name| format!("\n[profile.dev.package.{}]\n{profile}", name.as_ref()));
    let profiles: String = profiles.collect();
    Ok(format!("[workspace]\nresolver = \"3\"\nmembers = [\n{listed}]\n\n{rest}{profiles}"))
}

/// A package that depends on what all of our own do: where it is built too, their dependencies have
/// the same features as in our workspace, and are the ones that are compiled already.
fn all_features(own: &Metadata) -> Files {
    let mut merged = BTreeMap::<(&str, &str), (String, bool, BTreeSet<&str>)>::new();
    let dependencies = own.packages.iter().flat_map(|package| &package.dependencies);
    for dependency in dependencies.filter(|dependency| dependency.path.is_none()) {
        let table = match dependency.kind {
            DependencyKind::Build => "build-dependencies",
            _ => "dependencies",
        };
        let entry = merged.entry((table, &dependency.name)).or_default();
        entry.0 = dependency.req.to_string();
        entry.1 |= dependency.uses_default_features;
        entry.2.extend(dependency.features.iter().map(String::as_str));
    }
    let mut manifest = package(ALL_FEATURES, "0.0.0");
    let mut last = "";
    for ((table, name), (version, default, features)) in merged {
        let features: Vec<_> = features.into_iter().collect();
        if table != last {
            writeln!(manifest, "\n[{table}]").unwrap();
            last = table;
        }
        writeln!(
            manifest,
            "{name} = {{ version = {version:?}, default-features = {default}, features = {features:?} }}"
        )
        .unwrap();
    }
    let folder = Path::new(ALL_FEATURES);
    [
        (folder.join("Cargo.toml"), manifest),
        (folder.join("src/lib.rs"), "//! Nothing.\n".to_owned()),
        (folder.join("build.rs"), "fn main() {}\n".to_owned()),
    ]
    .into()
}

fn component(variant: &Variant, pages: &Files, host: &Version) -> Result<Files> {
    let folder = Path::new(&variant.file);
    let version = variant.version.as_deref().unwrap_or("0.1.0");
    let mut manifest = package(&variant.file, version);
    write!(
        manifest,
        "\n[lib]\nname = \"{}\"\ncrate-type = [\"cdylib\"]\n\n[dependencies]\n",
        library(variant)
    )?;
    if variant.changes_interface() {
        let name = interface_of(variant);
        writeln!(manifest, "{ABI} = {{ package = \"{name}\", path = \"../{name}\" }}")?;
    } else {
        writeln!(manifest, "{ABI}.workspace = true")?;
    }
    if variant.aborts {
        // It is built by itself.
        writeln!(manifest, "{ALL_FEATURES} = {{ path = \"../{ALL_FEATURES}\" }}")?;
    }
    let mut files = Files::from([(folder.join("Cargo.toml"), manifest)]);
    if let Some(name) = &variant.name {
        files.insert(folder.join("build.rs"), format!("fn main() {{\n    {}\n}}\n", named(name)));
    }
    let first = Path::new("src").join(variant.page.as_deref().unwrap_or("exported.rs"));
    if !pages.contains_key(&first) {
        bail!("{}.diff: there is no page {}", variant.file, first.display());
    }
    for (path, text) in pages {
        let path = if *path == first { Path::new("src/lib.rs") } else { path };
        let text = variant.apply(path, text.clone())?;
        files.insert(folder.join(path), text.replace("HOST_INTERFACE", &host.to_string()));
    }
    Ok(files)
}

/// A changed copy of gopiper-abi, which takes itself for that.
fn interface(variant: &Variant, host: &Version) -> Result<Files> {
    let name = interface_of(variant);
    let version = interface_version(variant.interface, host);
    let mut files = Files::new();
    let mut copied = sources(&root().join(ABI), Path::new("abi"))?;
    let changed = variant.replacements.iter().map(|replacement| Path::new(&replacement.path));
    for path in changed.filter(|path| path.starts_with("abi")) {
        if !copied.contains_key(path) {
            bail!("{}.diff no longer fits: there is no {}", variant.file, path.display());
        }
    }
    let manifest = Path::new("abi/Cargo.toml");
    let once = |path: &Path, before: &str, after: &str, copied: &mut Files| {
        let text = copied.get_mut(path).with_context(|| format!("{ABI} has no {path:?}"))?;
        let [first, second] = text.split(before).collect::<Vec<_>>()[..] else {
            bail!("{ABI}: {path:?} must contain exactly once: {before}");
        };
        *text = [first, after, second].concat();
        Ok(())
    };
    once(manifest, "name = \"gopiper-abi\"", &format!("name = \"{name}\""), &mut copied)?;
    let of_workspace = "\nversion.workspace = true";
    once(manifest, of_workspace, &format!("\nversion = \"{version}\""), &mut copied)?;
    let main = "fn main() {\n";
    let renamed = format!("{main}    {}\n", named(ABI));
    once(Path::new("abi/build.rs"), main, &renamed, &mut copied)?;
    for (path, text) in copied {
        let text = variant.apply(&path, text)?.replace("HOST_INTERFACE", &host.to_string());
        let below = path.strip_prefix("abi")?;
        files.insert(Path::new(&name).join(below), text);
    }
    Ok(files)
}

/// The loader, with the changed interface.
fn host_program(variant: &Variant, pages: &Files, loader: &Files) -> Files {
    let name = host_of(variant);
    let folder = Path::new(&name);
    let interface = interface_of(variant);
    let mut manifest = package(&name, "0.0.0");
    write!(
        manifest,
        "\n[dependencies]\n{ABI} = {{ package = \"{interface}\", path = \"../{interface}\" }}\n"
    )
    .unwrap();
    for name in [
        "abi_stable",
        "blake3",
        "libloading",
        "memmap2",
        "minisign-verify",
        "object",
        "parking_lot",
        "rustix",
        "semver",
        "tempfile",
    ] {
        writeln!(manifest, "{name}.workspace = true").unwrap();
    }
    let main = pages.get(Path::new("src/host.rs")).cloned().unwrap_or_default();
    let mut files = Files::from([
        (folder.join("Cargo.toml"), manifest),
        (folder.join("src/main.rs"), format!("#![allow(dead_code, unused_imports)]\n{main}")),
    ]);
    let loader = loader.iter().map(|(path, text)| (folder.join(path), text.clone()));
    files.extend(loader);
    files
}

fn package(name: &str, version: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n")
}

/// The line of a build script that gives the package another name.
fn named(name: &str) -> String {
    format!("println!(\"cargo:rustc-env=CARGO_PKG_NAME={name}\");")
}

fn interface_of(variant: &Variant) -> String {
    format!("{}-abi", variant.file)
}

/// The program's name.
pub(super) fn host_of(variant: &Variant) -> String {
    format!("{}-host", variant.file)
}

/// The library's name.
pub(super) fn library(variant: &Variant) -> String {
    format!("variant_{}", variant.file.replace('-', "_"))
}

fn interface_version(interface: Interface, host: &Version) -> Version {
    let Version { major, minor, patch, .. } = *host;
    match (interface, major) {
        (Interface::Same, _) => host.clone(),
        (Interface::Older, 0) => Version::new(0, minor.saturating_sub(1), 9),
        (Interface::Older, _) => Version::new(major - 1, 9, 0),
        (Interface::Breaking, 0) => Version::new(0, minor + 1, 0),
        (Interface::Breaking, _) => Version::new(major + 1, 0, 0),
        (Interface::Newer, 0) => Version::new(0, minor, patch + 1),
        (Interface::Newer, _) => Version::new(major, minor + 1, 0),
    }
}

/// The files below `folder`, as they shall lie below `to`.
fn sources(folder: &Path, to: &Path) -> Result<Files> {
    let mut files = Files::new();
    for entry in Walk::new(folder) {
        let path = entry?.into_path();
        if path.is_file() {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            files.insert(to.join(path.strip_prefix(folder)?), text);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_named_as_seen_from_the_hosts() {
        let version = |interface, host: &str| {
            interface_version(interface, &host.parse().unwrap()).to_string()
        };
        assert_eq!(version(Interface::Older, "0.1.0"), "0.0.9");
        assert_eq!(version(Interface::Breaking, "0.1.3"), "0.2.0");
        assert_eq!(version(Interface::Newer, "0.1.3"), "0.1.4");
        assert_eq!(version(Interface::Older, "1.2.3"), "0.9.0");
        assert_eq!(version(Interface::Breaking, "1.2.3"), "2.0.0");
        assert_eq!(version(Interface::Newer, "1.2.3"), "1.3.0");
        assert_eq!(version(Interface::Same, "1.2.3"), "1.2.3");
    }
}
