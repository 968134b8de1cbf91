//! Components that end the process, or take its signals.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Output, Stdio},
};

use common::{Home, pipeline_text, run, send, stderr};
use rustix::process::Signal;

const WHO: &str = "component faults (pipeline main, worker 1)";

/// With a pipeline of a component that misbehaves.
fn home(attributes: &str) -> Home {
    let faults = format!("gopiper.loadComponent('faults_component.so', {attributes}),");
    Home::new(&pipeline_text(&faults, "{}"))
}

fn after(message: &str) -> Output {
    home("{}").run(&["run"], format!("{message}\n").as_bytes())
}

/// Sends the program a signal while its component is at work, and waits for its end.
fn signalled(attributes: &str, signal: Signal) -> Output {
    let home = home(attributes);
    let mut command = home.gopiper(&["run"]);
    let mut child: Child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    writeln!(input, "done").expect("taken");
    output.read_line(&mut String::new()).expect("a line");
    send(&child, signal);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_component_that_exits_is_named_and_the_code_says_it() {
    let output = after("exit");
    assert_eq!(output.status.code(), Some(70), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains(&format!("gopiper: {WHO} ended the process by exit")), "{said}");
    assert!(
        said.ends_with("gopiper: position of the message: standard input, message 1\n"),
        "{said}"
    );
}

#[test]
fn a_fatal_signal_names_the_component_and_remains_the_status() {
    for (message, signal, name) in [
        ("fault", Signal::SEGV, "SIGSEGV"),
        ("abort", Signal::ABORT, "SIGABRT"),
        // Rust's own handler ends the process by another signal.
        ("overflow", Signal::ABORT, "SIGSEGV"),
    ] {
        let output = after(&format!("before\n{message}"));
        let said = stderr(&output);
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{message}: {said}");
        let line = format!(
            "gopiper: {name} in {WHO}: it ends the process\n\
             gopiper: position of the message: standard input, message 2\n"
        );
        assert_eq!(said.matches(&*line).count(), 1, "{message}: {said}");
        assert_eq!(said.contains("has overflowed its stack"), message == "overflow", "{said}");
    }
}

#[test]
fn a_fatal_signal_while_a_file_is_opened_names_the_file() {
    let home = home("{}");
    let output = run(home.gopiper(&["run"]).env("FAULTS", "opening"), b"");
    let said = stderr(&output);
    assert_eq!(output.status.signal(), Some(Signal::ILL.as_raw()), "{said}");
    let line = said.lines().find(|line| line.starts_with("gopiper: SIGILL in file "));
    assert!(line.is_some_and(|line| line.contains("faults_component.so: it ends")), "{said}");
}

#[test]
fn a_fatal_signal_from_outside_ends_the_program() {
    let output = signalled("{}", Signal::SEGV);
    let said = stderr(&output);
    assert_eq!(output.status.signal(), Some(Signal::SEGV.as_raw()), "{said}");
    let line = format!("gopiper: SIGSEGV, sent by process {}: it ends", std::process::id());
    assert!(said.contains(&line), "{said}");
}

#[test]
fn signals_that_a_component_takes_still_stop_the_program() {
    let output = signalled("{ ignores_signals = true }", Signal::TERM);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let changed = "the handling of SIGINT, SIGTERM has changed while component ";
    assert!(said.contains(changed), "{said}");
    assert!(said.contains("stopping: "), "{said}");
}

#[test]
fn a_panic_after_its_messages_report_is_logged() {
    for word in ["panic after done", "keep and panic", "defer and panic"] {
        let said = stderr(&after(word));
        let words = "it panicked: as told (";
        assert_eq!(said.matches(words).count(), 1, "{word}: {said}");
        assert!(said.contains("after it had reported, kept or deferred its message"), "{said}");
    }
}

#[test]
fn a_component_whose_end_leaves_deferred_messages_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let has_ended = folder.path().join("has-ended");
    let home = home(&format!("{{ awaits = '{}' }}", has_ended.display()));
    let mut child = home.gopiper(&["run"]).stdin(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(b"late\n").expect("taken");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let line = log.next().expect("it waits").expect("text");
    assert!(line.contains("its `end` has returned"), "{line}");
    assert!(line.contains("component=\"faults\" batches=1"), "{line}");
    fs::write(has_ended, "").expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"changed\n"[..]));
}
