//! The cost of an answer of a server: its processor time while it answers many requests.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::asked::{ask, sockets};
use super::commands::Sample;

/// The time that the server may take to start.
const STARTING: Duration = Duration::from_secs(30);
/// The bytes of an answer without pipelines, at most: they have not started yet.
const WITHOUT_PIPELINES: usize = 100_000;

/// Starts a server that has its socket in this runtime directory, requests `path` many times, and
/// ends it. Writes the first whole answer to `answer`.
///
/// # Errors
/// The server does not answer.
pub(super) fn measured(
    mut server: Command,
    runtime_directory: &Path,
    (path, times): (&str, u32),
    answer: &Path,
) -> Result<Sample> {
    if runtime_directory.exists() {
        fs::remove_dir_all(runtime_directory)?;
    }
    fs::create_dir_all(runtime_directory)?;
    restrict(runtime_directory)?;
    server.env("XDG_RUNTIME_DIR", runtime_directory).stdin(Stdio::piped());
    let mut server = server.spawn().with_context(|| format!("cannot start {server:?}"))?;
    let sample = ask_often(&server, runtime_directory, (path, times), answer);
    server.kill()?;
    server.wait()?;
    sample
}

/// gopiper does not use a runtime directory that other users can open.
fn restrict(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?)
}

fn ask_often(
    server: &Child,
    folder: &Path,
    (path, times): (&str, u32),
    answer: &Path,
) -> Result<Sample> {
    let until = Instant::now() + STARTING;
    let socket = loop {
        let found = sockets(folder).into_iter().find(|it| it.extension() == Some("sock".as_ref()));
        let mut text = Vec::new();
        if let Some(socket) = found
            && ask(&socket, path, &mut text).unwrap_or(false)
            && text.len() > WITHOUT_PIPELINES
        {
            fs::write(answer, text)?;
            break socket;
        }
        if Instant::now() > until {
            bail!("nothing in {} answers with what is measured", folder.display());
        }
        thread::sleep(Duration::from_millis(10));
    };
    let (start, cpu) = (Instant::now(), processor_time(server)?);
    for _ in 0..times {
        if !ask(&socket, path, &mut std::io::sink())? {
            bail!("{} has stopped answering", socket.display());
        }
    }
    let cpu = processor_time(server)?.saturating_sub(cpu);
    Ok(Sample { wall: start.elapsed(), cpu, memory: 0 })
}

/// The time that its threads have run so far, as the scheduler counts it, in nanoseconds. The times
/// of a process are only precise to a 100th of a second.
fn processor_time(process: &Child) -> Result<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{}/task", process.id()))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().context("/proc has no times of threads")?;
        sum += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
