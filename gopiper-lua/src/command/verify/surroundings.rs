//! The surroundings of a test: its folder, and the command that runs beside it.
use std::{
    fs,
    io::{self, Read, Seek},
    os::unix::{fs::symlink, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use gopiper_abi::Kind;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{options::VerifyArguments, process::children, subject::Subject, verdict::Verdict};

/// The folder of a test with the fixture in it, and the command of `--while`.
pub(super) struct Surroundings {
    folder: tempfile::TempDir,
    beside: Option<(Child, fs::File)>,
}

impl Surroundings {
    pub(super) fn new(arguments: &VerifyArguments, subject: &Subject) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(&subject.scratch)?;
        if let Some(fixture) = &arguments.fixture {
            copy(fixture, folder.path())?;
        }
        let command = arguments.beside.as_ref().filter(|_| subject.kind == Kind::SOURCE);
        let beside = command.map(|command| start(command, folder.path())).transpose()?;
        Ok(Surroundings { folder, beside })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the command. A test that found no fault has proven nothing if the command had failed.
    pub(super) fn end(mut self, verdict: Verdict) -> io::Result<Verdict> {
        let Some((mut child, mut said)) = self.beside.take() else { return Ok(verdict) };
        let ended = child.try_wait()?;
        stop(&mut child);
        let failed = ended.filter(|status| !status.success());
        let (Some(status), false) = (failed, verdict.is_failure()) else { return Ok(verdict) };
        let mut bytes = Vec::new();
        said.rewind()?;
        said.read_to_end(&mut bytes)?;
        let last = String::from_utf8_lossy(&bytes);
        let last = last.trim_end().lines().last().map(|line| format!(": {line}"));
        let last = last.unwrap_or_default();
        Ok(Verdict::Skipped(format!("the command of --while ended with {status}{last}")))
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.beside {
            stop(child);
        }
    }
}

fn start(command: &str, folder: &Path) -> io::Result<(Child, fs::File)> {
    let said = tempfile::tempfile()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    let _starting = children::unless_it_ends();
    // A group of its own: what the shell has started ends with it.
    Ok((shell.stderr(said.try_clone()?).process_group(0).spawn()?, said))
}

fn stop(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

/// Copies what is in a folder. Links to folders remain links: they may lead around in a circle.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let named = |path: &Path| {
        let path: PathBuf = path.to_owned();
        move |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    for entry in fs::read_dir(from).map_err(named(from))? {
        let path = entry?.path();
        let copied = to.join(path.file_name().unwrap_or_default());
        let (kind, is_link) = (fs::metadata(&path).map_err(named(&path))?, path.is_symlink());
        if kind.is_dir() && is_link {
            symlink(fs::canonicalize(&path)?, copied).map_err(named(&path))?;
        } else if kind.is_dir() {
            fs::create_dir(&copied)?;
            copy(&path, &copied)?;
        } else if kind.is_file() {
            fs::copy(&path, copied).map_err(named(&path))?;
        } else {
            let error = "it is neither a file nor a folder, and cannot be copied";
            return Err(named(&path)(io::Error::other(error)));
        }
    }
    Ok(())
}
