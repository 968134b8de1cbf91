//! The workspace as cargo describes it, and cargo as the commands call it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Artifact, CrateType, Message, Metadata, MetadataCommand, Package};

const PROGRAM_PACKAGE: &str = "gopiper-lua";
const PROGRAM: &str = "gopiper";

/// The arguments of cargo for all of the workspace that is built each time.
pub(crate) const WORKSPACE: &[&str] = &[
    "--workspace",
    "--features",
    "xtask/checks",
    "--exclude",
    "kafka-client",
    "--exclude",
    "kafka_source",
    "--exclude",
    "kafka_sink",
];

/// Members whose libraries take minutes to build: the first ones are components. They are built by
/// their names, and in `ci --full`.
pub(crate) const SLOW: &[&str] = &["kafka_source", "kafka_sink", "kafka-client"];

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Members only: dependencies are not resolved.
pub(crate) fn metadata(manifest: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .with_context(|| format!("cannot read {}", manifest.display()))
}

pub(crate) fn own_metadata() -> Result<Metadata> {
    metadata(&root().join("Cargo.toml"))
}

pub(crate) fn target_folder() -> Result<PathBuf> {
    Ok(own_metadata()?.target_directory.into())
}

pub(crate) fn has_cdylib(package: &Package) -> bool {
    package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib))
}

/// The members below one of `folders` of the checkout that become a shared library, without those
/// that are slow to build.
pub(crate) fn components_below<'a>(metadata: &'a Metadata, folders: &[&str]) -> Vec<&'a Package> {
    metadata
        .packages
        .iter()
        .filter(|package| has_cdylib(package) && !SLOW.contains(&package.name.as_str()))
        .filter(|package| {
            folders.iter().any(|folder| package.manifest_path.starts_with(root().join(folder)))
        })
        .collect()
}

/// The components that are slow to build.
pub(crate) fn slow_components(metadata: &Metadata) -> Vec<&Package> {
    let packages = metadata.packages.iter().filter(|package| has_cdylib(package));
    packages.filter(|package| SLOW.contains(&package.name.as_str())).collect()
}

/// How cargo is called: where, with which flags for every build, with which environment.
pub(crate) struct Cargo {
    nightly: bool,
    directory: PathBuf,
    flags: Vec<String>,
    environment: Vec<(String, OsString)>,
    quiet_when_fresh: bool,
}

impl Cargo {
    pub(crate) fn new() -> Self {
        Self::within(root())
    }

    /// In the folder of another workspace, so that its own cargo configuration counts.
    pub(crate) fn within(directory: &Path) -> Self {
        Self {
            nightly: false,
            directory: directory.to_owned(),
            flags: Vec::new(),
            environment: Vec::new(),
            quiet_when_fresh: false,
        }
    }

    /// That of the nightly toolchain, which need not be there.
    pub(crate) fn nightly(self) -> Self {
        Self { nightly: true, ..self }
    }

    pub(crate) fn release(self, yes: bool) -> Self {
        if yes { self.flags(["--release"]) } else { self }
    }

    pub(crate) fn flags<'a>(mut self, flags: impl IntoIterator<Item = &'a str>) -> Self {
        self.flags.extend(flags.into_iter().map(str::to_owned));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Says nothing on standard error when there was nothing to build.
    pub(crate) fn quiet_when_fresh(mut self) -> Self {
        self.quiet_when_fresh = true;
        self
    }

    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = match self.nightly {
            true => Command::new("rustup"),
            false => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        };
        if self.nightly {
            command.args(["run", "nightly", "cargo"]);
        }
        command
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .arg(subcommand)
            .args(&self.flags)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        // The variables that cargo set for xtask itself. Build scripts that watch these variables
        // would run again each time someone changes between `cargo` and `cargo xtask`.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Runs `cargo SUBCOMMAND ARGS` with its output passed on.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, subcommand: &str, args: &[S]) -> Result<()> {
        succeed(self.command(subcommand).args(args))
    }

    /// Runs `cargo build ARGS`.
    pub(crate) fn build(&self, args: &[&str]) -> Result<Vec<Artifact>> {
        self.artifacts("build", args)
    }

    /// Runs `cargo SUBCOMMAND ARGS`. Standard output stays free: cargo's is the list of artifacts.
    pub(crate) fn artifacts(&self, subcommand: &str, args: &[&str]) -> Result<Vec<Artifact>> {
        let mut command = self.command(subcommand);
        command.arg("--message-format=json-render-diagnostics").args(args).stdout(Stdio::piped());
        if self.quiet_when_fresh {
            command.stderr(Stdio::piped());
            if io::stderr().is_terminal() {
                command.arg("--color=always");
            }
        }
        let mut child = command.spawn().context("cannot start cargo")?;
        let echo = child.stderr.take().map(|stderr| thread::spawn(|| pass_on(stderr)));
        let stdout = child.stdout.take().expect("standard output is piped");
        let artifacts = artifacts(BufReader::new(stdout))?;
        let status = child.wait()?;
        if let Some(echo) = echo {
            echo.join().expect("the echo does not panic");
        }
        if !status.success() {
            bail!("cargo {subcommand} failed ({status})");
        }
        Ok(artifacts)
    }
}

/// Runs a command to its end with its output passed on.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("failed ({status}): {shown}");
    }
    Ok(())
}

/// The command line, without folder and environment.
fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name();
    let words: Vec<_> = name.into_iter().chain(command.get_args()).collect();
    words.join(OsStr::new(" ")).to_string_lossy().into_owned()
}

/// Everything but the line with which cargo says that it is done.
fn pass_on(stderr: ChildStderr) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        if !(text.contains("Finished") && text.contains("target(s) in")) {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

fn artifacts(messages: impl BufRead) -> Result<Vec<Artifact>> {
    let mut artifacts = Vec::new();
    for message in Message::parse_stream(messages) {
        match message.context("cannot read what cargo build says")? {
            Message::CompilerArtifact(artifact) => artifacts.push(artifact),
            // The output of a procedural macro or a build script.
            Message::TextLine(line) => eprintln!("{line}"),
            _ => {}
        }
    }
    Ok(artifacts)
}

/// The shared library of `package`, its test build left aside.
pub(crate) fn library_of(artifacts: &[Artifact], package: &Package) -> Result<PathBuf> {
    artifacts
        .iter()
        .filter(|artifact| artifact.package_id == package.id && !artifact.profile.test)
        .filter(|artifact| artifact.target.crate_types.contains(&CrateType::CDyLib))
        .flat_map(|artifact| &artifact.filenames)
        .find(|file| file.extension() == Some("so"))
        .map(|file| file.clone().into_std_path_buf())
        .with_context(|| format!("cargo built no shared library of {}", package.name))
}

/// The program `gopiper`, its test build left aside.
pub(crate) fn program_of(artifacts: &[Artifact]) -> Result<PathBuf> {
    artifacts
        .iter()
        .filter(|artifact| artifact.target.name == PROGRAM && !artifact.profile.test)
        .find_map(|artifact| artifact.executable.clone())
        .map(Into::into)
        .with_context(|| {
            format!(
                "cargo built no program '{PROGRAM}': has {PROGRAM_PACKAGE} a target of that name?"
            )
        })
}

/// The arguments that build the program.
pub(crate) const PROGRAM_ARGS: [&str; 4] = ["-p", PROGRAM_PACKAGE, "--bin", PROGRAM];

/// Why xtask ends, if it ends as a program did that it started.
#[derive(Debug)]
pub(crate) struct EndedWith {
    pub(crate) code: u8,
    pub(crate) said: String,
}

impl fmt::Display for EndedWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for EndedWith {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn artifact(package: &str, kind: &str, name: &str, test: bool, file: &str) -> Value {
        let bin = kind == "bin";
        json!({
            "reason": "compiler-artifact",
            "package_id": format!("path+file:///w/{package}#0.1.0"),
            "manifest_path": format!("/w/{package}/Cargo.toml"),
            "target": {
                "kind": [kind], "crate_types": [kind], "name": name, "src_path": "/w/x.rs",
                "edition": "2024", "doc": true, "doctest": false, "test": true,
            },
            "profile": {
                "opt_level": "0", "debuginfo": 0, "debug_assertions": true,
                "overflow_checks": true, "test": test,
            },
            "features": [],
            "filenames": [file],
            "executable": (bin || test).then_some(file),
            "fresh": false,
        })
    }

    fn package(name: &str) -> Package {
        serde_json::from_value(json!({
            "name": name, "version": "0.1.0", "id": format!("path+file:///w/{name}#0.1.0"),
            "dependencies": [], "targets": [], "features": {},
            "manifest_path": format!("/w/{name}/Cargo.toml"),
        }))
        .unwrap()
    }

    #[test]
    fn slow_members_are_left_out_everywhere() {
        let excluded: Vec<_> = WORKSPACE
            .windows(2)
            .filter_map(|pair| (pair[0] == "--exclude").then_some(pair[1]))
            .collect();
        assert!(SLOW.len() == excluded.len() && SLOW.iter().all(|name| excluded.contains(name)));
        let metadata = own_metadata().unwrap();
        let usual = components_below(&metadata, &["components"]);
        assert!(usual.iter().all(|package| !SLOW.contains(&package.name.as_str())));
        assert_eq!(slow_components(&metadata).len(), 2);
    }

    #[test]
    fn finds_libraries_and_the_program_among_cargos_messages() {
        let messages = [
            artifact("grep", "cdylib", "grep", true, "/t/deps/grep-1"),
            artifact("grep", "cdylib", "grep", false, "/t/libgrep.so"),
            artifact("gopiper-lua", "bin", "gopiper", true, "/t/deps/gopiper-1"),
            artifact("gopiper-lua", "bin", "gopiper", false, "/t/gopiper"),
            json!({ "reason": "build-finished", "success": true }),
        ]
        .map(|message| message.to_string())
        .join("\n");
        let artifacts = artifacts(messages.as_bytes()).unwrap();

        let library = library_of(&artifacts, &package("grep")).unwrap();
        assert_eq!(library, Path::new("/t/libgrep.so"));
        assert_eq!(program_of(&artifacts).unwrap(), Path::new("/t/gopiper"));
        let missing = library_of(&artifacts, &package("stdin")).unwrap_err();
        assert!(missing.to_string().contains("stdin"));
        assert!(program_of(&artifacts[..3]).is_err());
    }
}
