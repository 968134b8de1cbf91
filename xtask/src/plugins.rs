//! From a crate to a sealed plugin file that has been through the gates.

use std::fs::{self, File};
use std::path::{self, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result, bail};
use cargo_metadata::{Artifact, Metadata, Package};

use crate::symbols;
use crate::workspace::{
    Cargo, EndedWith, PROGRAM_ARGS, components_below, has_cdylib, library_of, metadata,
    own_metadata, program_of,
};

/// The folders that a user gets.
pub(crate) const SHIPPED: &[&str] = &["components"];
/// The folders that the tests load in addition.
pub(crate) const FOR_TESTS: &[&str] = &["components", "gopiper-core/tests/components"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build with optimisations
    #[arg(long)]
    release: bool,
    /// Keep the symbols, for debuggers and profilers, in DIR/.build-id
    #[arg(long, value_name = "DIR", requires = "release")]
    symbols: Option<PathBuf>,
    /// The folder for the files [default: target/plugins]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this package; may be given several times
    #[arg(short, long, value_name = "NAME")]
    package: Vec<String>,
    /// The components of another crate or workspace
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,
}

pub(crate) fn build(args: Args) -> Result<()> {
    let own = own_metadata()?;
    let other = match &args.manifest_path {
        Some(path) if path.is_dir() => Some(metadata(&path.join("Cargo.toml"))?),
        Some(path) => Some(metadata(path)?),
        None => None,
    };
    let packages = match &other {
        _ if !args.package.is_empty() => named(other.as_ref().unwrap_or(&own), &args.package)?,
        Some(other) => other.packages.iter().filter(|p| has_cdylib(p)).collect(),
        None => components_below(&own, SHIPPED),
    };
    let out = path::absolute(args.out.unwrap_or_else(|| default_out(&own)))?;

    let profile = if args.release { "release" } else { "dev" };
    eprintln!("building {} components ({profile})…", packages.len());
    let with_symbols = |cargo: Cargo| match &args.symbols {
        Some(_) => cargo
            .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
            .env("CARGO_PROFILE_RELEASE_STRIP", "none"),
        None => cargo,
    };
    let ours = with_symbols(Cargo::new().release(args.release));
    let (program, artifacts) = match &other {
        Some(other) if other.workspace_root != own.workspace_root => {
            let theirs = Cargo::within(other.workspace_root.as_std_path()).release(args.release);
            let theirs = with_symbols(theirs);
            let program = program_of(&ours.build(&PROGRAM_ARGS)?)?;
            (program, theirs.build(&library_args(&packages)?)?)
        }
        _ => build_with_program(&ours, &packages)?,
    };
    let known = Known::Again { symbols: args.symbols.as_deref() };
    for line in install(&program, &packages, &artifacts, &out, known)? {
        println!("{line}");
    }
    Ok(())
}

pub(crate) fn default_out(metadata: &Metadata) -> PathBuf {
    metadata.target_directory.join("plugins").into()
}

/// Builds the program, and the libraries of `packages`, which are of our workspace. In one call, so
/// that what they have in common is compiled once: by themselves they would want other features of
/// it.
pub(crate) fn build_with_program(
    cargo: &Cargo,
    packages: &[&Package],
) -> Result<(PathBuf, Vec<Artifact>)> {
    let args: Vec<&str> = PROGRAM_ARGS.into_iter().chain(library_args(packages)?).collect();
    let artifacts = cargo.build(&args)?;
    Ok((program_of(&artifacts)?, artifacts))
}

fn library_args<'a>(packages: &[&'a Package]) -> Result<Vec<&'a str>> {
    if packages.is_empty() {
        bail!("no component to build: no package here has a 'cdylib' target");
    }
    let mut args = vec!["--lib"];
    for package in packages {
        // By id: a dependency may have the same name.
        args.extend(["-p", &package.id.repr]);
    }
    Ok(args)
}

pub(crate) fn named<'a>(
    metadata: &'a Metadata,
    names: &[impl AsRef<str>],
) -> Result<Vec<&'a Package>> {
    let candidates: Vec<_> = metadata.packages.iter().filter(|p| has_cdylib(p)).collect();
    names
        .iter()
        .map(|name| {
            let name = name.as_ref();
            let found = candidates.iter().find(|p| p.name == name);
            found.copied().with_context(|| {
                let known: Vec<_> = candidates.iter().map(|p| p.name.as_str()).collect();
                format!(
                    "no package '{name}' with a 'cdylib' target; there are: {}",
                    known.join(", ")
                )
            })
        })
        .collect()
}

/// The treatment of a plugin file that is already the one just built.
#[derive(Clone, Copy)]
pub(crate) enum Known<'a> {
    /// It is installed again; the symbols of each library move into this folder.
    Again {
        symbols: Option<&'a Path>,
    },
    Keep,
}

/// Puts each package's library into `out`, sealed. Returns the output of `gopiper verify` for each.
pub(crate) fn install(
    program: &Path,
    packages: &[&Package],
    artifacts: &[Artifact],
    out: &Path,
    known: Known<'_>,
) -> Result<Vec<String>> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut said = Vec::new();
    for (index, package) in packages.iter().enumerate() {
        let library = library_of(artifacts, package)?;
        let plugin = out.join(file_name(&package.name));
        let symbols = match known {
            Known::Keep if is_copy_of(&plugin, &library) => continue,
            Known::Keep => None,
            Known::Again { symbols } => symbols,
        };
        eprintln!("[{}/{}] {}", index + 1, packages.len(), package.name);
        said.push(seal(program, &library, &plugin, symbols)?);
    }
    Ok(said)
}

pub(crate) fn file_name(package: &str) -> String {
    format!("{}_component.so", package.replace('-', "_"))
}

/// A plugin has its library's time to the nanosecond, so that equal times mean the same file,
/// from any profile or folder.
fn is_copy_of(plugin: &Path, library: &Path) -> bool {
    let time = |file: &Path| fs::metadata(file).and_then(|m| m.modified()).ok();
    time(plugin).is_some() && time(plugin) == time(library)
}

/// Sealed aside and then renamed: no process ever sees half a file, and a process that has the old
/// one mapped keeps it.
fn seal(program: &Path, library: &Path, plugin: &Path, symbols: Option<&Path>) -> Result<String> {
    let folder = plugin.parent().context("a plugin lies in a folder")?;
    let aside = tempfile::Builder::new().prefix(".new-").tempdir_in(folder)?;
    let copy = aside.path().join(plugin.file_name().context("a plugin has a name")?);
    fs::copy(library, &copy)
        .with_context(|| format!("cannot copy {} to {}", library.display(), copy.display()))?;
    if let Some(symbols) = symbols {
        symbols::split(&copy, symbols)?;
    }

    let output = Command::new(program)
        .args(["verify", "--seal"])
        .arg(&copy)
        .args(["--include", "gates::", "--only-failed"])
        // For a program built with a sanitizer: a library that is never unloaded is no leak.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .replace(&*copy.to_string_lossy(), &plugin.to_string_lossy())
            .trim_end()
            .to_owned()
    };
    let (said, complaint) = (text(&output.stdout), text(&output.stderr));
    if !output.status.success() {
        let (plugin, status) = (plugin.display(), output.status);
        let said = format!("gopiper verify refused {plugin} ({status})\n{complaint}\n{said}");
        // A signal has no code.
        let code = status.code().and_then(|code| code.try_into().ok()).unwrap_or(1);
        return Err(Error::new(EndedWith { code, said: said.trim_end().to_owned() }));
    }
    if !complaint.is_empty() {
        eprintln!("{complaint}");
    }
    put_in_place(&copy, library, plugin)?;
    Ok(said)
}

/// The same, without a seal.
pub(crate) fn copy_if_newer(library: &Path, copy: &Path) -> Result<()> {
    if is_copy_of(copy, library) {
        return Ok(());
    }
    let folder = copy.parent().context("a copy lies in a folder")?;
    let aside = tempfile::Builder::new().prefix(".new-").tempdir_in(folder)?;
    let aside = aside.path().join("copy");
    fs::copy(library, &aside).with_context(|| format!("cannot copy {}", library.display()))?;
    put_in_place(&aside, library, copy)
}

fn put_in_place(aside: &Path, library: &Path, plugin: &Path) -> Result<()> {
    let time = fs::metadata(library)?.modified()?;
    File::options().write(true).open(aside)?.set_modified(time)?;
    Ok(fs::rename(aside, plugin)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(folder: &Path, body: &str) -> PathBuf {
        let file = folder.join("gopiper");
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn a_plugin_is_named_after_its_package() {
        assert_eq!(file_name("grep"), "grep_component.so");
        assert_eq!(file_name("tokio-source"), "tokio_source_component.so");
    }

    #[test]
    fn a_sealed_plugin_is_known_as_the_copy_of_its_library() {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), r#"printf sealed >> "$3"; echo "$3 is fine""#);
        let library = folder.path().join("libgrep.so");
        let plugin = folder.path().join("grep_component.so");
        fs::write(&library, "code").unwrap();
        assert!(!is_copy_of(&plugin, &library));

        let said = seal(&program, &library, &plugin, None).unwrap();
        assert_eq!(said, format!("{} is fine", plugin.display()));
        assert_eq!(fs::read_to_string(&plugin).unwrap(), "codesealed");
        assert!(is_copy_of(&plugin, &library));

        fs::write(&library, "newer code").unwrap();
        assert!(!is_copy_of(&plugin, &library));
    }

    #[test]
    fn a_refused_plugin_leaves_the_old_one_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), r#"echo "$3: no note" >&2; exit 78"#);
        let library = folder.path().join("libgrep.so");
        let plugin = folder.path().join("grep_component.so");
        fs::write(&library, "code").unwrap();
        fs::write(&plugin, "old").unwrap();

        let refusal = seal(&program, &library, &plugin, None).unwrap_err();
        assert_eq!(refusal.downcast_ref::<EndedWith>().unwrap().code, 78);
        let refusal = refusal.to_string();
        assert!(refusal.contains("no note"), "{refusal}");
        assert!(refusal.contains("78"), "{refusal}");
        assert!(!refusal.contains(".new-"), "{refusal}");
        assert_eq!(fs::read_to_string(&plugin).unwrap(), "old");
    }
}
