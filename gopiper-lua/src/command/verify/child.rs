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
    options::{VerifyArguments, VerifyInput},
    process::children,
    subject::Subject,
    suite::{LOADS, STANDARD_ERROR, Test},
    surroundings::Surroundings,
    verdict::{NOT_IN_TIME, Verdict},
};
use crate::command::process::exit;

/// How much of its last output is shown.
const LAST_LINES: usize = 5;

/// The file that a process of its own loads, and what that gets besides.
struct ChildInput<'a> {
    file: &'a Path,
    digest: [u8; 32],
    seed: u64,
    given: &'a VerifyInput,
    scratch: &'a Path,
}

/// Runs a test in a process of its own, in a folder of its own.
pub(super) fn run(
    test: &Test,
    arguments: &VerifyArguments,
    subject: &Subject,
) -> io::Result<Verdict> {
    let around = Surroundings::new(arguments, subject)?;
    let Subject { digest, seed, .. } = *subject;
    let (given, scratch) = (&subject.given, &subject.scratch);
    let input = ChildInput { file: &subject.file, digest, seed, given, scratch };
    let (verdict, _) = judge(test.name, arguments, &input, around.folder())?;
    around.end(verdict)
}

/// Opens a file that passed the first gates in a process of its own. Returns how that ended, unless
/// it was opened, or refused in words.
pub(super) fn open(
    arguments: &VerifyArguments,
    file: &Path,
    digest: [u8; 32],
    (given, scratch): (&VerifyInput, &Path),
) -> io::Result<Option<Verdict>> {
    let folder = tempfile::tempdir_in(scratch)?;
    let input = ChildInput { file, digest, seed: 0, given, scratch };
    let (verdict, code) = judge(LOADS, arguments, &input, folder.path())?;
    let is_refused = code == Some(i32::from(exit::CONFIGURATION));
    Ok((verdict.is_failure() && !is_refused).then_some(verdict))
}

/// Returns the verdict, and the exit code of the process, if it had one.
fn judge(
    test: &str,
    arguments: &VerifyArguments,
    input: &ChildInput<'_>,
    folder: &Path,
) -> io::Result<(Verdict, Option<i32>)> {
    let result = tempfile::NamedTempFile::new_in(input.scratch)?;
    let mut said = tempfile::tempfile()?;
    let limit = Duration::from_secs(arguments.timeout);
    let mut command = Command::new(env::current_exe()?);
    command.arg("verify").arg(fs::canonicalize(input.file)?);
    command.args(["--include", test, "--patience", &arguments.patience.to_string()]);
    command.args(["--seed", &input.seed.to_string()]).arg("--result").arg(result.path());
    // By now the path may have another file, which was not checked.
    let digest: String = input.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    command.args(["--only", &digest]);
    if let Some(attributes) = &input.given.attributes_text {
        command.args(["--attributes", attributes]);
    }
    if let Some(messages) = &input.given.messages_file {
        command.arg("--messages").arg(messages.path());
    }
    // Its signature was checked before; a key's path may lead elsewhere from here.
    command.env_remove("GOPIPER_TRUSTED_KEY").env_remove("GOPIPER_UNSIGNED");
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null());
    if test == STANDARD_ERROR {
        command.args(["--log", "off"]);
    }
    // A group of its own: a signal that a component sends to its group reaches nothing else.
    command.stderr(said.try_clone()?).process_group(0);
    let mut child = {
        let _starting = children::unless_it_ends();
        command.spawn()?
    };
    // Open to the end, without input.
    let held = child.stdin.take();
    let status = child.wait_timeout(limit)?;
    drop(children::unless_it_ends());
    // Also what the component has started, if the test has not ended that itself.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let Some(status) = status else {
        child.wait()?;
        return Ok((Verdict::Failed(format!("{NOT_IN_TIME} {limit:?}")), None));
    };
    drop(held);
    if let Ok(verdict) = serde_json::from_reader(fs::File::open(result.path())?) {
        return Ok((verdict, status.code()));
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
    let verdict = Verdict::Crashed(format!("{how}\n               {last}").trim_end().to_owned());
    Ok((verdict, status.code()))
}
