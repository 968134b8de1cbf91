//! SIGINT and SIGTERM drain; a second one ends at once, and says what it leaves.
mod common;

use std::{
    io::{Read, Write},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use common::{gopiper, stderr};
use rustix::process::{Pid, Signal, kill_process};

fn start() -> Child {
    gopiper().args(["run", "examples/seed.lua"]).stdin(Stdio::piped()).spawn().expect("started")
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("sent");
}

#[test]
fn what_was_read_comes_out_after_a_signal() {
    for kind in [Signal::INT, Signal::TERM] {
        let mut child = start();
        let mut stdin = child.stdin.take().expect("in");
        stdin.write_all(b"one\ntwo\n").expect("written");
        // When it is out, it was in: and the input stays open, so only the signal can end it.
        let mut out = [0; 8];
        child.stdout.as_mut().expect("out").read_exact(&mut out).expect("both lines");
        signal(&child, kind);
        let output = child.wait_with_output().expect("ended");
        drop(stdin);
        assert_eq!(&out, b"one\ntwo\n");
        assert_eq!(output.status.code(), Some(0));
        assert!(stderr(&output).contains("a second signal ends at once"), "{}", stderr(&output));
    }
}

#[test]
fn the_beginning_of_a_line_comes_out_too() {
    let mut child = start();
    let mut stdin = child.stdin.take().expect("in");
    stdin.write_all(b"one\ntw").expect("written");
    let mut out = [0; 4];
    child.stdout.as_mut().expect("out").read_exact(&mut out).expect("the first line");
    signal(&child, Signal::TERM);
    let output = child.wait_with_output().expect("ended");
    drop(stdin);
    assert_eq!(output.stdout, b"tw", "what was read is not lost");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once_and_says_what_is_left() {
    let mut child = start();
    let mut stdin = child.stdin.take().expect("in");
    // Nobody reads what it writes: so the pipe fills up, and it can't drain.
    let feeder = thread::spawn(move || {
        let _ = stdin.write_all(&b"a line that nobody will read\n".repeat(200_000));
        stdin
    });
    thread::sleep(Duration::from_millis(100));
    signal(&child, Signal::TERM);
    thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().expect("asked").is_none(), "it waits for its reader");
    signal(&child, Signal::TERM);
    let status = child.wait().expect("ended");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("left unprocessed") && said.contains("stdout"), "{said}");
    drop(feeder.join());
}
