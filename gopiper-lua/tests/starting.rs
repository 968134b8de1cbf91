//! A pipeline waits for temporary obstacles to its start.
mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

use common::{gopiper, send};
use rustix::process::Signal;

/// A program that is starting, with its input and its log.
struct Starting {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Starting {
    fn new(folder: &Path, pipelines: &str) -> Self {
        let file = folder.join("p.lua");
        let text = format!("local gopiper = require('gopiper')\n{pipelines}");
        fs::write(&file, text).expect("written");
        let mut command = gopiper();
        command.args(["run", "-v", "--state-dir"]).arg(folder.join("state")).arg(&file);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        Starting { child, said }
    }

    /// Reads its log up to a line that contains this.
    fn wait_until_said(&mut self, wanted: &str) {
        let mut all = String::new();
        while !all.contains(wanted) {
            let read = self.said.read_line(&mut all).expect("text");
            assert_ne!(read, 0, "it has ended without '{wanted}':\n{all}");
        }
    }

    /// Its exit code, its output, and the rest of its log.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut written, mut said) = (String::new(), String::new());
        drop(self.child.stdin.take());
        let mut output = self.child.stdout.take().expect("a pipe");
        output.read_to_string(&mut written).expect("text");
        self.said.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("it ends").code(), written, said)
    }
}

/// Lua for a pipeline with a component that fails at a place until a file is there.
fn failing(place: &str, file: &Path) -> String {
    format!(
        "gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
  gopiper.loadComponent('faults_component.so', {{ at = '{place}', with_error = true, awaits = '{}' }}),
  gopiper.loadComponent('stdout_component.so', {{}}),
}}, {{ name = 'waits' }})
",
        file.display()
    )
}

#[test]
fn a_component_is_started_again_until_it_can() {
    for (place, failure) in [("create", "fails at Create"), ("start", "fails at Start")] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("there");
        let mut program = Starting::new(folder.path(), &failing(place, &file));
        let mut input = program.child.stdin.take().expect("a pipe");
        writeln!(input, "done").expect("taken");
        drop(input);
        program.wait_until_said(&format!("it cannot start, and will be tried again: {failure}"));
        fs::write(&file, "").expect("written");
        program.wait_until_said("it works again after ");
        let (code, written, said) = program.end();
        assert_eq!((code, &*written), (Some(0), "done\n"), "{said}");
    }
}

#[test]
fn a_temporary_error_is_not_a_reason_to_refuse() {
    let folder = tempfile::tempdir().expect("a folder");
    let never = folder.path().join("never");
    let program = Starting::new(folder.path(), &failing("check", &never));
    let (code, _, said) = program.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_signal_ends_the_waiting_before_anything_was_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipelines = format!(
        "gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ count = 1, template = 'made' }}),
  gopiper.loadComponent('file_sink_component.so', {{ path = '{}' }}),
}}, {{ name = 'ready' }})
{}",
        folder.path().join("out").display(),
        failing("create", &folder.path().join("never"))
    );
    let mut program = Starting::new(folder.path(), &pipelines);
    program.wait_until_said("it cannot start, and will be tried again");
    send(&program.child, Signal::TERM);
    program.wait_until_said("stopped before everything had started");
    let (code, written, said) = program.end();
    assert_eq!((code, &*written), (Some(0), ""), "{said}");
    // The other pipeline could start, but must not: all or none.
    assert_eq!(fs::read_to_string(folder.path().join("out")).expect("made"), "");
}

/// A program that runs is a file that cannot be written to: a cause of the system's own that
/// passes.
#[test]
fn a_sink_waits_for_a_file_that_is_busy() {
    let folder = tempfile::tempdir().expect("a folder");
    let busy = folder.path().join("sleep");
    fs::copy("/bin/sleep", &busy).expect("there is one");
    let mut running = Command::new(&busy).arg("1000").spawn().expect("it starts");
    let pipeline = format!(
        "gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ count = 1, template = 'made' }}),
  gopiper.loadComponent('file_sink_component.so', {{ path = '{}' }}),
}})
",
        busy.display()
    );
    let mut program = Starting::new(folder.path(), &pipeline);
    program.wait_until_said("it cannot start, and will be tried again");
    running.kill().expect("it runs");
    running.wait().expect("it ends");
    let (code, _, said) = program.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it works again after "), "{said}");
    let after = fs::read(&busy).expect("it is there");
    assert!(after.ends_with(b"made\n"));
}
