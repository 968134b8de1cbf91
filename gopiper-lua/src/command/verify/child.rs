//! One test in a process of its own.
use std::{
    env, fs,
    io::{self, Read, Seek},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use wait_timeout::ChildExt;

use super::{
    options::VerifyArguments,
    subject::Subject,
    suite::{STANDARD_ERROR, Test},
    surroundings::Surroundings,
    verdict::{NOT_IN_TIME, Verdict},
};

/// How much of its last output is shown.
const LAST_LINES: usize = 5;

/// Runs a test in a process of its own, in a folder of its own.
pub(super) fn run(
    test: &Test,
    arguments: &VerifyArguments,
    subject: &Subject,
) -> io::Result<Verdict> {
    let around = Surroundings::new(arguments, subject)?;
    let verdict = judge(test, arguments, subject, around.folder())?;
    around.end(verdict)
}

fn judge(
    test: &Test,
    arguments: &VerifyArguments,
    subject: &Subject,
    folder: &Path,
) -> io::Result<Verdict> {
    let result = tempfile::NamedTempFile::new()?;
    let mut said = tempfile::tempfile()?;
    let limit = Duration::from_secs(arguments.timeout);
    let mut command = Command::new(env::current_exe()?);
    command.arg("verify").arg(fs::canonicalize(&subject.file)?);
    command.args(["--include", test.name, "--patience", &arguments.patience.to_string()]);
    command.args(["--seed", &subject.seed.to_string()]).arg("--result").arg(result.path());
    // By now the path may have another file, which was not checked.
    let digest: String = subject.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    command.args(["--only", &digest]);
    if let Some(attributes) = &subject.given.attributes_text {
        command.args(["--attributes", attributes]);
    }
    if let Some(messages) = &subject.given.messages_file {
        command.arg("--messages").arg(messages.path());
    }
    // Its signature was checked before; a key's path may lead elsewhere from here.
    command.env_remove("GOPIPER_TRUSTED_KEY").env_remove("GOPIPER_UNSIGNED");
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null());
    if test.name == STANDARD_ERROR {
        command.args(["--log", "off"]);
    }
    // A group of its own: a signal that a component sends to its group reaches nothing else.
    let mut child = command.stderr(said.try_clone()?).process_group(0).spawn()?;
    // Open to the end, without input.
    let held = child.stdin.take();
    let status = child.wait_timeout(limit)?;
    // Also what the component has started, if the test has not ended that itself.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let Some(status) = status else {
        child.wait()?;
        return Ok(Verdict::Failed(format!("{NOT_IN_TIME} {limit:?}")));
    };
    drop(held);
    if let Ok(verdict) = serde_json::from_reader(fs::File::open(result.path())?) {
        return Ok(verdict);
    }
    said.rewind()?;
    let mut bytes = Vec::new();
    said.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n               ");
    let how = match status.signal() {
        Some(signal) => format!("ended by signal {signal}"),
        None => format!("ended with {status}"),
    };
    Ok(Verdict::Crashed(format!("{how}\n               {last}").trim_end().to_owned()))
}
