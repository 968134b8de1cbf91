//! Components that end the process, or take its signals.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, Output, Stdio},
};

use common::{gopiper, stderr};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const WHO: &str = "component faults (pipeline main, worker 1)";

/// The program on a pipeline with a component that misbehaves.
fn running(attributes: &str) -> (TempDir, Command) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.lua");
    let text = format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
  gopiper.loadComponent('faults_component.so', {attributes}),
  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
    );
    fs::write(&file, text).expect("written");
    let mut command = gopiper();
    command.arg("run").arg(file);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (folder, command)
}

fn after(message: &str) -> Output {
    let (_folder, mut command) = running("{}");
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    writeln!(input, "{message}").expect("taken");
    drop(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_component_that_exits_is_named_and_the_code_says_it() {
    let output = after("exit");
    assert_eq!(output.status.code(), Some(70), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains(&format!("gopiper: {WHO} ended the process by exit")), "{said}");
}

#[test]
fn a_fatal_signal_names_the_component_and_remains_the_status() {
    for (message, signal, name) in [
        ("fault", Signal::SEGV, "SIGSEGV"),
        ("abort", Signal::ABORT, "SIGABRT"),
        // Rust's own handler ends the process by another signal.
        ("overflow", Signal::ABORT, "SIGSEGV"),
    ] {
        let output = after(message);
        let said = stderr(&output);
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{message}: {said}");
        let line = format!("gopiper: {name} in {WHO}: it ends the process\n");
        assert_eq!(said.matches(&*line).count(), 1, "{message}: {said}");
        assert_eq!(said.contains("has overflowed its stack"), message == "overflow", "{said}");
    }
}

#[test]
fn a_fatal_signal_while_a_file_is_opened_names_the_file() {
    let (_folder, mut command) = running("{}");
    let output = command.env("FAULTS", "opening").output().expect("it runs");
    let said = stderr(&output);
    assert_eq!(output.status.signal(), Some(Signal::ILL.as_raw()), "{said}");
    let line = said.lines().find(|line| line.starts_with("gopiper: SIGILL in file "));
    assert!(line.is_some_and(|line| line.contains("faults_component.so: it ends")), "{said}");
}

#[test]
fn a_fatal_signal_from_outside_ends_the_program() {
    let (_folder, mut command) = running("{}");
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    writeln!(input, "done").expect("taken");
    output.read_line(&mut String::new()).expect("a line");
    kill_process(Pid::from_child(&child), Signal::SEGV).expect("it is there");
    let status = child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(Signal::SEGV.as_raw()));
}

#[test]
fn signals_that_a_component_takes_still_stop_the_program() {
    let (_folder, mut command) = running("{ ignores_signals = true }");
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    writeln!(input, "done").expect("taken");
    output.read_line(&mut String::new()).expect("a line");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it is there");
    let ended = child.wait_with_output().expect("it ends");
    let said = stderr(&ended);
    assert!(ended.status.success(), "{said}");
    assert!(said.contains(&format!("{WHO} changed the handling of SIGINT, SIGTERM")), "{said}");
    assert!(said.contains("stopping: "), "{said}");
}
