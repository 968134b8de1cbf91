//! The effect of signals on a running program.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use common::{gopiper, plugins, send, stderr, stdout};
use rustix::process::Signal;

const PIPELINE: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message) message:append('!') end,
  gopiper.loadComponent('stdout_component.so', {}),
})
";

const DEFAULT: &str = "--default-signal=HUP";
const NOHUP: &str = "--ignore-signal=HUP";

/// The program, started with this action for SIGHUP (an option of `env`): tests may themselves run
/// under nohup.
fn starting(hang_up: &str) -> Command {
    let program = gopiper();
    let mut command = Command::new("/usr/bin/env");
    command.env_clear();
    command.arg(hang_up).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that has given a first line, and then got the signals.
fn after(signals: &[Signal], hang_up: &str) -> (Child, impl BufRead, impl Write) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.lua");
    fs::write(&file, PIPELINE).expect("written");
    let mut command = starting(hang_up);
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
    let all = [Signal::USR1, Signal::USR2, Signal::XFSZ, Signal::HUP];
    for (signals, hang_up) in [(&all[..3], DEFAULT), (&all[..], NOHUP)] {
        let (child, mut output, mut input) = after(signals, hang_up);
        writeln!(input, "two").expect("taken");
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, "two!\n");
        drop(input);
        assert!(child.wait_with_output().expect("it ends").status.success());
    }
}

#[test]
fn a_hang_up_drains_and_one_after_another_signal_does_nothing() {
    for signals in [&[Signal::HUP][..], &[Signal::TERM, Signal::HUP]] {
        let (child, _output, _input) = after(signals, DEFAULT);
        let ended = child.wait_with_output().expect("it ends");
        let said = stderr(&ended);
        assert!(ended.status.success(), "{said}");
        assert!(said.contains("stopping: the sources stop"), "{said}");
        assert!(!said.contains("ending at once"), "{said}");
    }
}

/// After a drain that is cut off, each component has sent or returned the messages that it
/// received, and the components' remaining messages add up to those of the pipeline.
#[test]
fn the_counts_of_a_drain_that_is_cut_off_add_up() {
    const SLOW: &str = "local gopiper = require('gopiper')
local function slow(message)
  local till = os.clock() + 0.05
  while os.clock() < till do end
end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(slow, { name = 'slow', channel_size = 4 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.lua");
    fs::write(&file, SLOW).expect("written");
    let mut command = starting(DEFAULT);
    command.args(["run", "-v", "--shutdown-timeout", "0"]).arg(&file).stdin(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let lines: String = (0..400).map(|number| format!("{number}\n")).collect();
    input.write_all(lines.as_bytes()).expect("taken");
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    send(&child, Signal::TERM);
    let ended = child.wait_with_output().expect("it ends");
    let said = stderr(&ended);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let count = |line: &str, name: &str| -> u64 {
        let word = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        word.expect("it is counted").parse().expect("a number")
    };
    let lines = |of: &str| said.lines().filter(|line| line.contains(of)).collect::<Vec<_>>();
    for component in ["slow", "stdout"] {
        let [finished] =
            lines(&format!("finished pipeline=\"main\" component=\"{component}\""))[..]
        else {
            panic!("{said}")
        };
        let of = |name| count(finished, name);
        assert_eq!(of("received"), of("sent") + of("returned"), "{said}");
    }
    let left = lines("left unprocessed pipeline=\"main\" component=");
    let sum: u64 = left.iter().map(|line| count(line, "messages")).sum();
    let [total] = lines("messages were left unprocessed")[..] else { panic!("{said}") };
    assert!(sum > 0 && sum == count(total, "messages"), "{said}");
}

/// The signal comes from the command that runs beside a test.
#[test]
fn verify_ignores_a_hang_up_that_it_was_started_to_ignore() {
    let mut command = starting(NOHUP);
    command.args(["verify", "--include", "life::stop", "--while", "kill -HUP $PPID"]);
    let output = command.arg(plugins().join("stdin_component.so")).output().expect("it ran");
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
}
