//! The control socket: how an operator finds a running pipeline, and sees what it does.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use common::{
    running::{PATIENCE, RunningPipeline, runtime_directory},
    stderr, stdout,
};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn a_running_pipeline_is_found_and_goes_from_the_list_at_its_end() {
    let mut at_work = RunningPipeline::new("");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode(&at_work.socket()) & 0o777, 0o600);
    assert_eq!(mode(at_work.socket().parent().expect("a folder")) & 0o777, 0o700);
    let listed = stdout(&at_work.ask(&["list", "--running", "--json"]));
    let process: Value = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .find(|process: &Value| process["pid"] == at_work.program.id())
        .expect("it is listed");
    assert_eq!(process["state"], "running");
    assert_eq!(process["file"], at_work.home.file.to_str().expect("text"));
    assert_eq!(process["pipelines"], serde_json::json!(["main"]));
    common::send(&at_work.program, Signal::TERM);
    at_work.program.wait().expect("it ends");
    assert!(!at_work.socket().exists());
}

#[test]
fn the_socket_of_a_killed_process_is_cleaned_up() {
    let at_work = RunningPipeline::new("");
    let left = at_work.socket().with_file_name("1.sock");
    drop(UnixListener::bind(&left).expect("a socket"));
    let other = at_work.socket().with_file_name("notes.txt");
    fs::write(&other, "").expect("written");
    let listed = stdout(&at_work.ask(&["list", "--running"]));
    assert!(listed.contains(&at_work.pid()), "{listed}");
    assert!(!left.exists() && other.exists() && at_work.socket().exists());
}

/// The sink's reader stays away: what comes before waits for it.
#[test]
fn top_shows_what_holds_a_pipeline_up() {
    let fails = "function(message) if message.data == 'bad' then error('it is bad') end end,";
    let mut at_work = RunningPipeline::new(fails);
    let mut input = at_work.input.take().expect("a pipe");
    input.write_all(b"good\nbad\n").expect("taken");
    let until = Instant::now() + PATIENCE;
    while at_work.row("lua")["failed_messages"] != 1 {
        assert!(Instant::now() < until, "{}", at_work.row("lua"));
    }
    // More than the pipe and the channels take.
    let line = [b"x".repeat(65_535), vec![b'\n']].concat();
    let feeder = thread::spawn(move || while input.write_all(&line).is_ok() {});
    while at_work.row("stdout")["is_bottleneck"] != true {
        assert!(Instant::now() < until, "{}", at_work.row("stdout"));
    }
    let table = at_work.ask(&["top", "--pid", &at_work.pid(), "--once", "--interval", "0.1"]);
    let table = stdout(&table);
    assert!(table.contains("> stdout"), "{table}");
    assert!(table.contains("the components before this one wait for it"), "{table}");
    at_work.program.kill().expect("it is there");
    feeder.join().expect("the pipe has broken");
}

#[test]
fn top_says_why_it_shows_nothing() {
    let at_work = RunningPipeline::new("");
    let none = at_work.ask(&["top", "--pid", "1", "--once"]);
    assert_eq!(none.status.code(), Some(78));
    let error = stderr(&none);
    assert!(error.contains("no gopiper of this user runs as process 1"), "{error}");
    let wrong = at_work.ask(&["top", "--interval", "0"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(stderr(&wrong).contains("from 0.1 to 3600"), "{}", stderr(&wrong));
    let wrong = at_work.ask(&["top", "--pid", "abc"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(stderr(&wrong).contains("a process id is a whole number"), "{}", stderr(&wrong));
}

#[test]
fn a_tap_shows_messages_on_both_sides_of_a_component() {
    let upper = "function(message)
        message.attributes.length = #message.data
        message.data = string.upper(message.data)
    end,";
    let mut at_work = RunningPipeline::new(upper);
    let mut input = at_work.input.take().expect("a pipe");
    let pid = at_work.pid();
    let feeder = thread::spawn(move || while input.write_all(b"one\nsecret two\n").is_ok() {});
    // The pipeline would stand still if its output were not read.
    let mut out = at_work.program.stdout.take().expect("a pipe");
    thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let tap = |more: &[&str]| {
        let arguments = [&["tap", "lua", "--pid", &pid, "--rate", "1000"], more].concat();
        let output = at_work.ask(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let after = tap(&["--side", "after", "--limit", "1", "--format", "json", "--filter", "TWO"]);
    let after: Value = serde_json::from_str(&after).expect("an object");
    assert_eq!(after["data"], "SECRET TWO");
    assert_eq!(after["attributes"]["length"], 10);
    assert!(after["position"].as_str().is_some_and(|it| it.contains("message")), "{after}");
    assert_eq!(
        tap(&["--side", "before", "--filter", "one", "--limit", "2", "--format", "raw"]),
        "one\none\n"
    );
    assert_eq!(
        tap(&["--side", "before", "--filter", "one", "--limit", "1", "--format", "hex"]),
        "6f6e65\n"
    );
    let text = tap(&["--filter", "two", "--limit", "1"]);
    assert!(text.starts_with("before  2") && text.contains("  secret two"), "{text}");
    let missing = at_work.ask(&["tap", "other", "--pid", &pid]);
    assert_eq!(missing.status.code(), Some(1));
    for (option, value) in [("--rate", "0"), ("--limit", "0")] {
        let refused = at_work.ask(&["tap", "lua", "--pid", &pid, option, value]);
        assert_eq!(refused.status.code(), Some(64), "{option}");
        assert!(stderr(&refused).contains(option), "{}", stderr(&refused));
    }
    assert!(
        stderr(&missing)
            .contains("there is no component 'other', but there are: stdin, lua, stdout")
    );
    let before = at_work.ask(&["tap", "stdin", "--pid", &pid, "--side", "before"]);
    assert_eq!(before.status.code(), Some(1));
    assert!(stderr(&before).contains("'stdin' is a source"), "{}", stderr(&before));
    at_work.program.kill().expect("it is there");
    feeder.join().expect("the pipe has broken");
}

/// `su` and `sudo` may keep the variable: the directory is another user's to change.
#[test]
fn a_runtime_directory_that_others_can_open_is_not_used() {
    let at_work = RunningPipeline::new("");
    let others = runtime_directory(&at_work.home);
    fs::set_permissions(&others, fs::Permissions::from_mode(0o755)).expect("set");
    let listed = stdout(&at_work.ask(&["list", "--running"]));
    assert!(!listed.contains(&at_work.pid()), "{listed}");
}

/// One that follows ends with the process that it looks at.
#[test]
fn a_tap_ends_with_its_pipeline() {
    let mut at_work = RunningPipeline::new("");
    let mut input = at_work.input.take().expect("a pipe");
    let pid = at_work.pid();
    let mut command = at_work.asking(&["tap", "stdout", "--side", "before", "--pid", &pid]);
    let mut follows = command.spawn().expect("it starts");
    let mut shown = BufReader::new(follows.stdout.take().expect("a pipe"));
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut line = String::new();
        shown.read_line(&mut line).expect("text");
        sender.send(line).expect("somebody waits");
        std::io::copy(&mut shown, &mut std::io::sink())
    });
    let line = loop {
        input.write_all(b"one\n").expect("taken");
        match receiver.recv_timeout(Duration::from_millis(20)) {
            Ok(line) => break line,
            Err(_) => continue,
        }
    };
    assert!(line.ends_with("  one\n"), "{line}");
    drop(input);
    assert!(at_work.program.wait().expect("it ends").success());
    assert!(follows.wait().expect("it ends").success());
    reader.join().expect("no panic").expect("read");
}

/// It restores the terminal before, so the reason why it ends is seen.
#[test]
fn top_says_that_the_process_has_ended() {
    let mut at_work = RunningPipeline::new("");
    let pid = at_work.pid();
    let mut command = at_work.asking(&["top", "--json", "--interval", "0.1", "--pid", &pid]);
    let mut shows = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut rows = BufReader::new(shows.stdout.take().expect("a pipe"));
    let mut row = String::new();
    rows.read_line(&mut row).expect("text");
    assert!(row.contains("stuck_seconds"), "{row}");
    thread::spawn(move || std::io::copy(&mut rows, &mut std::io::sink()));
    drop(at_work.input.take());
    assert!(at_work.program.wait().expect("it ends").success());
    let ended = shows.wait_with_output().expect("it ends");
    assert!(ended.status.success());
    assert_eq!(stderr(&ended), format!("process {pid} has ended\n"));
}
