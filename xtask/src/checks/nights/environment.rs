//! The conditions that a process finds when it starts, and the events that happen to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use fastrand::Rng;
use rustix::process::Signal;

use crate::workspace::{root, succeed};

pub(super) fn compile_launcher(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("launcher");
    let source = root().join("gopiper-lua/tests/limits/mdwe.c");
    let flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-o"];
    succeed(Command::new("cc").args(flags).arg(&program).arg(source))?;
    Ok(program)
}

/// The conditions of one life of the program.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// Files it may open, at first.
    files: Option<u32>,
    umask: Option<&'static str>,
    /// As under `nohup`: SIGHUP does nothing.
    pub(super) ignores_hangup: bool,
    /// It may not make memory executable.
    no_code: bool,
    variables: Vec<(&'static str, &'static str)>,
}

impl Environment {
    pub(super) fn any(random: &mut Rng) -> Self {
        let mut rarely = || random.u8(0..4) == 0;
        let (files, umask) = (rarely().then_some(40), rarely().then_some("000"));
        // Signals that this process ignores (under `nohup`), its children ignore too.
        let (ignores_hangup, no_code) = (rarely() || hangup_is_ignored(), rarely());
        let mut variables = Vec::new();
        for variable in [
            ("XDG_STATE_HOME", ""),
            ("GOPIPER_LOG", ""),
            ("HOME", "/nonexistent"),
            ("TZ", "Nowhere/Land"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("TMPDIR", "/nonexistent"),
        ] {
            if rarely() {
                variables.push(variable);
            }
        }
        Environment { files, umask, ignores_hangup, no_code, variables }
    }

    /// The command, in this environment. A shell sets the limits, and becomes it.
    pub(super) fn of(&self, command: &Command, launcher: &Path) -> Command {
        let mut script = String::new();
        if let Some(files) = self.files {
            script += &format!("ulimit -S -n {files}; ");
        }
        if let Some(umask) = self.umask {
            script += &format!("umask {umask}; ");
        }
        if self.ignores_hangup {
            script += "trap '' HUP; ";
        }
        script += "exec \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]);
        if self.no_code {
            shell.arg(launcher);
        }
        shell.arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.envs(self.variables.iter().copied());
        shell.stdin(Stdio::null());
        shell
    }
}

fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (Signal::HUP.as_raw() - 1)) != 0
}
