//! What signals do to a running program.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
};

use common::{gopiper, stderr};
use rustix::process::{Pid, Signal, kill_process};

const PIPELINE: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message) message:append('!') end,
  gopiper.loadComponent('stdout_component.so', {}),
})
";

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is there");
}

/// A program that has given a first line, and then got the signals.
fn after(signals: &[Signal]) -> (Child, impl BufRead, impl Write) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.lua");
    fs::write(&file, PIPELINE).expect("written");
    let mut command = gopiper();
    command.arg("run").arg(&file).stdin(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    writeln!(input, "one").expect("taken");
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "one!\n");
    signals.iter().for_each(|signal| send(&child, *signal));
    (child, output, input)
}

#[test]
fn a_signal_that_means_nothing_to_it_is_ignored() {
    let (child, mut output, mut input) = after(&[Signal::USR1, Signal::USR2, Signal::XFSZ]);
    writeln!(input, "two").expect("taken");
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "two!\n");
    drop(input);
    assert!(child.wait_with_output().expect("it ends").status.success());
}

#[test]
fn a_hang_up_drains_and_one_behind_another_signal_asks_for_nothing_more() {
    for signals in [&[Signal::HUP][..], &[Signal::TERM, Signal::HUP]] {
        let (child, _output, _input) = after(signals);
        let ended = child.wait_with_output().expect("it ends");
        let said = stderr(&ended);
        assert!(ended.status.success(), "{said}");
        assert!(said.contains("stopping: the sources stop"), "{said}");
        assert!(!said.contains("ending at once"), "{said}");
    }
}
