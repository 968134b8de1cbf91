//! The libraries and headers for C, laid out as a C compiler wants them: `include` and `lib`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Artifact, Metadata};

use crate::plugins::copy_if_newer;
use crate::workspace::{Cargo, own_metadata, target_folder};

/// For authors of components, and for programs that run pipelines.
const KIT: &str = "gopiper-abi-c";
const EMBEDDING: &str = "gopiper-core-c";
/// The linker's map for a component's file, beside the library.
const MAP: &str = "gopiper_component.map";

/// Builds them as users have them, into `target/c`, which it returns.
pub(crate) fn build() -> Result<PathBuf> {
    let metadata = own_metadata()?;
    let kit = Cargo::new().flags(["--profile", "c-kit"]).build(&["-p", KIT, "--lib"])?;
    let embedding = Cargo::new().release(true).build(&["-p", EMBEDDING, "--lib"])?;
    let out = metadata.target_directory.join("c").into_std_path_buf();
    lay_out(&metadata, &[kit, embedding].concat(), &out, copy_if_newer)?;
    Ok(out)
}

/// The same of what the tests have built; nothing is copied.
pub(crate) fn for_tests(metadata: &Metadata, artifacts: &[Artifact]) -> Result<()> {
    lay_out(metadata, artifacts, &test_folder()?, |file, link| {
        if link.symlink_metadata().is_ok() {
            fs::remove_file(link)?;
        }
        Ok(symlink(file, link)?)
    })
}

pub(crate) fn test_folder() -> Result<PathBuf> {
    Ok(target_folder()?.join("test-c"))
}

fn lay_out(
    metadata: &Metadata,
    artifacts: &[Artifact],
    out: &Path,
    put: impl Fn(&Path, &Path) -> Result<()>,
) -> Result<()> {
    let (include, lib) = (out.join("include"), out.join("lib"));
    for folder in [&include, &lib] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    for name in [KIT, EMBEDDING] {
        let package = metadata.packages.iter().find(|package| package.name == name);
        let package = package.with_context(|| format!("the workspace has no package {name}"))?;
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        for header in fs::read_dir(folder.join("include"))? {
            let header = header?;
            put(&header.path(), &include.join(header.file_name()))?;
        }
        if folder.join(MAP).exists() {
            put(folder.join(MAP).as_std_path(), &lib.join(MAP))?;
        }
        let of_package = artifacts
            .iter()
            .filter(|artifact| artifact.package_id == package.id && !artifact.profile.test);
        let libraries = of_package.flat_map(|artifact| &artifact.filenames);
        let libraries: Vec<_> =
            libraries.filter(|file| matches!(file.extension(), Some("a" | "so"))).collect();
        ensure!(!libraries.is_empty(), "cargo built no library of {name}");
        for library in libraries {
            let file_name = library.file_name().context("a library has a name")?;
            put(library.as_std_path(), &lib.join(file_name))?;
        }
    }
    Ok(())
}
