//! Files in and out: across kills and signals, while others rename, truncate and compress them.
mod common;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::Duration,
};

use common::{gopiper, send, stderr};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

struct Folder(tempfile::TempDir);

impl Folder {
    /// With a pipeline of these components.
    fn new(source: &str, sink: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {source}),
  gopiper.loadComponent({sink}),
}})
"
        );
        fs::write(folder.path().join("pipeline.lua"), text).expect("written");
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).expect(name);
        file.write_all(bytes.as_ref()).expect("written");
    }

    fn length(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |metadata| metadata.len())
    }

    fn command(&self) -> Command {
        let mut command = gopiper();
        command.args(["run", "-v", "pipeline.lua", "--state-dir", "state"]).current_dir(&self.0);
        command
    }

    fn run(&self) -> Output {
        self.command().output().expect("it ran")
    }

    fn start(&self) -> Child {
        self.command().spawn().expect("started")
    }
}

/// Both paths lie beside the file; the folder's name looks like a pattern and a template.
#[test]
fn relative_paths_start_at_the_folder_of_the_file_or_if_asked_where_it_is_run() {
    const VARIABLE: &str = "GOPIPER_PATHS_FROM_WORKING_DIRECTORY";
    let outside = tempfile::tempdir().expect("a folder");
    let beside = outside.path().join("of [a-c] {x,y} %Y");
    fs::create_dir(&beside).expect("a folder");
    let text = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '*.log' }, checkpoint = false }),
  gopiper.loadComponent('file_sink_component.so', { path = 'out/{{all}}' }),
})
";
    fs::write(beside.join("pipeline.lua"), text).expect("written");
    fs::write(beside.join("a.log"), "beside the file\n").expect("written");
    fs::write(outside.path().join("a.log"), "where it is run\n").expect("written");
    let (beside_it, where_it_is_run) = ("beside the file\n", "where it is run\n");
    for (option, variable, folder, expected) in [
        (None, "0", beside.as_path(), beside_it),
        (Some("--paths-from-working-directory"), "0", outside.path(), where_it_is_run),
        (None, "1", outside.path(), where_it_is_run),
    ] {
        let _ = fs::remove_dir_all(folder.join("out"));
        let mut command = gopiper();
        command.env(VARIABLE, variable);
        command.arg("run").args(option).arg(beside.join("pipeline.lua")).current_dir(&outside);
        let output = command.arg("--state-dir").arg("state").output().expect("it ran");
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(fs::read_to_string(folder.join("out/{all}")).expect("written"), expected);
    }
}

fn end(child: Child, signal: Signal) -> Output {
    send(&child, signal);
    child.wait_with_output().expect("ended")
}

/// Waits for something that a process is about to do.
fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(1));
    }
}

const LINES: usize = 300_000;
const STDOUT: &str = "'stdout_component.so', {}";
const OUT: &str = "'file_sink_component.so', { path = 'out' }";

fn lines() -> String {
    (0..LINES).map(|n| format!("line {n}\n")).collect()
}

/// The numbers of the lines in a file; each line is whole.
fn numbers(file: &Path) -> Vec<usize> {
    let text = fs::read_to_string(file).expect("text");
    assert!(text.ends_with('\n'));
    let number = |line: &str| line.strip_prefix("line ").and_then(|n| n.parse().ok());
    text.lines().map(|line| number(line).unwrap_or_else(|| panic!("'{line}'"))).collect()
}

#[test]
fn after_a_signal_each_line_has_come_once() {
    let folder = Folder::new("{ paths = { 'in' } }", OUT);
    folder.append("in", lines());
    let child = folder.start();
    until(|| folder.length("out") > 100_000);
    let output = end(child, Signal::TERM);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let first = numbers(&folder.path("out")).len();
    let output = folder.run();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(first < LINES, "it was stopped in its middle");
    assert!(numbers(&folder.path("out")).into_iter().eq(0..LINES));
}

#[test]
fn after_kills_each_line_has_come_whole() {
    let folder = Folder::new("{ paths = { 'in' }, checkpoint_interval = 0.01 }", OUT);
    folder.append("in", lines());
    for part in 1..4 {
        let child = folder.start();
        until(|| folder.length("out") > part * 500_000);
        end(child, Signal::KILL);
    }
    let output = folder.run();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // Each time it has gone back, never forward.
    let mut next = 0;
    let mut again = 0;
    for number in numbers(&folder.path("out")) {
        assert!(number <= next, "{number} follows {}", next - 1);
        again += usize::from(number < next);
        next = number + 1;
    }
    assert_eq!(next, LINES);
    assert!(again < LINES, "it did not begin at the beginning each time");
}

/// A pipeline that follows files, and its output.
struct Following {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Following {
    fn new(folder: &Folder) -> Self {
        Self::of(folder.command())
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("started");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Following { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line
    }

    fn end(self) -> String {
        let output = end(self.child, Signal::TERM);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    }
}

#[test]
fn files_are_followed_while_others_rename_and_truncate_them() {
    let folder = Folder::new("{ paths = { '*.log' }, follow = true }", STDOUT);
    folder.append("a.log", "1\n");
    let mut following = Following::new(&folder);
    assert_eq!(following.line(), "1\n");
    folder.append("a.log", "2\n3");
    assert_eq!(following.line(), "2\n");
    // As logrotate does it: the writer continues with the old file for a while.
    let mut old = File::options().append(true).open(folder.path("a.log")).expect("open");
    fs::rename(folder.path("a.log"), folder.path("a.log.1")).expect("renamed");
    old.write_all(b".\n4\n").expect("written");
    assert_eq!((following.line(), following.line()), ("3.\n".into(), "4\n".into()));
    folder.append("a.log", "5\n");
    assert_eq!(following.line(), "5\n");
    // And with copytruncate.
    fs::copy(folder.path("a.log"), folder.path("a.copy")).expect("copied");
    File::options().write(true).truncate(true).open(folder.path("a.log")).expect("truncated");
    folder.append("a.log", "6, longer than before\n");
    assert_eq!(following.line(), "6, longer than before\n");
    let said = following.end();
    assert!(said.contains("a.log was truncated: reading it from the beginning"), "{said}");

    // The lines written while gopiper was not running.
    folder.append("a.log", "7\n");
    fs::rename(folder.path("a.log"), folder.path("a.log.2")).expect("renamed");
    folder.append("a.log", "8\n");
    let mut following = Following::new(&folder);
    let mut lines = [following.line(), following.line()];
    lines.sort();
    assert_eq!(lines, ["7\n", "8\n"]);
    following.end();
}

#[test]
fn it_stops_while_nothing_happens() {
    let folder = Folder::new("{ paths = { 'none/*' }, follow = true }", STDOUT);
    fs::create_dir(folder.path("none")).expect("made");
    let mut following = Following::new(&folder);
    folder.append("none/a", "1\n");
    assert_eq!(following.line(), "1\n");
    following.end();
}

/// Runs in a shell that sets a limit first.
fn limited(folder: &Folder, limit: &str) -> Command {
    let command = folder.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args()).current_dir(&folder.0);
    shell.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn without_file_descriptors_it_says_so_once_and_continues() {
    let folder = Folder::new("{ paths = { 'in/*' }, follow = true }", STDOUT);
    fs::create_dir(folder.path("in")).expect("made");
    (0..60).for_each(|n| folder.append(&format!("in/{n:02}"), format!("{n:02}\n")));
    let mut following = Following::of(limited(&folder, "ulimit -n 50"));
    assert_eq!(following.line(), "00\n");
    folder.append("in/00", "again\n");
    until(|| following.line() == "again\n");
    let said = following.end();
    assert_eq!(said.matches("Too many open files").count(), 1, "{said}");
}

#[test]
fn writing_continues_when_the_disk_has_room_again() {
    let retry = "{ retry = { max_attempts = 10000, max_backoff = 0.02 } }";
    let sink = format!("'file_sink_component.so', {{ path = 'out' }}, {retry}");
    let folder = Folder::new("{ paths = { 'in' }, follow = true }", &sink);
    // Not the signal that a file that is too large brings, but the error.
    let child = limited(&folder, "trap '' XFSZ").spawn().expect("started");
    let numbered = |range: std::ops::Range<usize>| -> String {
        range.map(|n| format!("line {n}\n")).collect()
    };
    folder.append("in", numbered(0..100));
    until(|| folder.length("out") == numbered(0..100).len() as u64);
    let full = |size| {
        let limit = Rlimit { current: size, maximum: None };
        prlimit(Some(Pid::from_child(&child)), Resource::Fsize, limit).expect("limited");
    };
    full(Some(2000));
    folder.append("in", numbered(100..500));
    thread::sleep(Duration::from_millis(300));
    // The sink writes a part again and again, and takes it back.
    assert!(folder.length("out") < numbered(0..500).len() as u64, "there was no limit");
    full(None);
    until(|| folder.length("out") == numbered(0..500).len() as u64);
    let output = end(child, Signal::TERM);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(numbers(&folder.path("out")).into_iter().eq(0..500), "nothing overtakes");
}

#[test]
fn messages_written_after_one_that_stops_the_pipeline_are_not_written_again() {
    for buffer in ["", "gopiper.buffer(),"] {
        let folder =
            Folder::new("{ paths = { 'in' } }", "'file_sink_component.so', { path = 'out' }");
        let failing = format!(
            "{buffer} gopiper.transform(function(message)
              if message:find('line 500') then error('the 500th') end
            end, {{ on_fail = 'stop' }}),
            gopiper.loadComponent('file_sink"
        );
        let text = fs::read_to_string(folder.path("pipeline.lua")).expect("written");
        let text = text.replace("gopiper.loadComponent('file_sink", &failing);
        fs::write(folder.path("pipeline.lua"), text).expect("written");
        folder.append("in", (0..1000).map(|n| format!("line {n}\n")).collect::<String>());
        for _ in 0..3 {
            let ended = folder.run();
            assert_eq!(ended.status.code(), Some(1), "{}", stderr(&ended));
            // The amount read before the pipeline stops is random.
            let mut written = numbers(&folder.path("out"));
            let lines = written.len();
            written.sort_unstable();
            written.dedup();
            assert_eq!(written.len(), lines, "some came twice");
            assert!(lines >= 500 && !written.contains(&500), "{lines} lines");
        }
    }
}

#[test]
fn the_example_continues_until_it_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    common::copy_examples(folder.path());
    let mut command = gopiper();
    command.args(["run", "examples/files.lua"]).args(["--state-dir", "state"]).current_dir(&folder);
    let child = command.spawn().expect("started");
    let written = || -> String {
        let files = fs::read_dir(folder.path().join("target")).into_iter().flatten().flatten();
        let logs = files.map(|entry| entry.path()).filter(|path| path.extension().is_some());
        let logs = logs.filter(|path| !path.to_string_lossy().ends_with("gopiper"));
        logs.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
    };
    until(|| written().lines().count() == 239);
    let output = end(child, Signal::TERM);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(written().lines().all(|line| line.contains("\" 500 ")));
}

/// Opening a pipe without a reader blocks.
#[test]
fn a_component_that_does_not_start_is_named() {
    let folder = Folder::new("{ paths = { 'in' } }", OUT);
    folder.append("in", "a\n");
    let made = Command::new("mkfifo").arg(folder.path("out")).status().expect("mkfifo");
    assert!(made.success());
    let mut child = folder.start();
    let mut said = String::new();
    BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut said).expect("said");
    assert!(said.contains("it has not started in 3s"), "{said}");
    assert!(said.contains("component=\"file_sink\""), "{said}");
    assert_eq!(end(child, Signal::INT).status.code(), Some(1));
}
