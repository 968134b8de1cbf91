//! `/api/v1/dead-letters/replay`: runs `gopiper dlq replay` as a separate process, one at a time.
//!
//! It works like the command in another terminal: it is refused before it reads a letter if the
//! pipeline has something that only one process may have (a checkpoint, a buffer, a file of
//! `file_sink`). Standard output belongs to this process, so a pipeline that writes to it is
//! refused, too. The replay ends with this process.
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
};

use hyper::StatusCode;

use crate::command::http::{
    answer::{Answer, json, text},
    state::shared::Shared,
};
use crate::command::process::signals::Phase;

/// This program, even if its file has been replaced.
const PROGRAM: &str = "/proc/self/exe";

/// Starts a replay. Later requests ask for its state.
pub(in crate::command::http) fn start(shared: &Arc<Shared>) -> Answer {
    if shared.served.replay.is_none() {
        return refused("this process replays dead letters itself: wait until it has ended");
    }
    if shared.stops.phase() != Phase::Running {
        return refused("the pipelines do not run: replay when they do");
    }
    if !shared.replays.begin() {
        return refused("a replay runs already: wait until it has ended");
    }
    // The child ends when the thread that started it ends, so this thread waits for the child.
    let for_thread = shared.clone();
    let thread = thread::Builder::new().name("gopiper-replay".into());
    let started = thread.spawn(move || {
        let shared = for_thread;
        let ended = run(&shared);
        shared.replays.end(ended);
    });
    if let Err(error) = started {
        shared.replays.end(Err(error));
    }
    let mut answer = json(&shared.replays.state());
    *answer.status_mut() = StatusCode::ACCEPTED;
    answer
}

fn refused(why: &str) -> Answer {
    text(StatusCode::CONFLICT, format!("{why}\n"))
}

/// Runs the command to its end.
fn run(shared: &Shared) -> io::Result<ExitStatus> {
    let mut child = Command::new(PROGRAM)
        .arg0("gopiper")
        .args(["dlq", "replay", "--end-with", &std::process::id().to_string()])
        .args(shared.served.replay.iter().flatten())
        .env("GOPIPER_LOG_FORMAT", "text")
        .stdin(Stdio::null())
        // A component that writes to standard output is refused when it is checked.
        .stdout(File::open("/dev/null")?)
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(said) = child.stderr.take() {
        let mut said = BufReader::new(said);
        let mut line = Vec::new();
        // A line without an end must not fill the memory.
        while said.by_ref().take(64 << 10).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            shared.replays.say(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    }
    child.wait()
}
