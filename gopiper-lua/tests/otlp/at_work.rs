//! A pipeline at work, and its log.
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    common::{Home, stdout},
    home, received,
};

/// A pipeline at work, which sends metrics ten times a second.
pub(crate) struct AtWork {
    pub(crate) program: Child,
    said: Arc<Mutex<String>>,
    reader: thread::JoinHandle<()>,
    _home: Home,
}

impl AtWork {
    pub(crate) fn start(url: &str) -> Self {
        AtWork::following(url, "1")
    }

    /// Follows this number of messages a second.
    pub(crate) fn following(url: &str, traces: &str) -> Self {
        let home = home();
        let log = ["run", "-v", "--log-format", "json"];
        let mut command =
            home.gopiper(&[&log[..], &["--otlp", url, "--otlp-traces", traces]].concat());
        command.env("PASSWORD", "the-password").env("OTEL_METRIC_EXPORT_INTERVAL", "100");
        let mut program = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let log = BufReader::new(program.stderr.take().expect("a pipe"));
        let said = Arc::<Mutex<String>>::default();
        let write = said.clone();
        let reader = thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                write.lock().expect("no panic").push_str(&(line + "\n"));
            }
        });
        AtWork { program, said, reader, _home: home }
    }

    pub(crate) fn has(&self, words: &str) -> bool {
        self.said.lock().expect("no panic").contains(words)
    }

    /// Waits until its log has this.
    pub(crate) fn wait(&self, words: &str) {
        let said = || self.said.lock().expect("no panic").clone();
        received::wait(|| said().contains(words), said);
    }

    pub(crate) fn give(&mut self, input: &[u8]) {
        self.program.stdin.as_mut().expect("open").write_all(input).expect("taken");
    }

    /// Ends the input. Returns the output, and the log.
    pub(crate) fn end(mut self) -> (String, String) {
        drop(self.program.stdin.take());
        let output = self.program.wait_with_output().expect("it ends");
        self.reader.join().expect("the log");
        let said = self.said.lock().expect("no panic").clone();
        assert!(output.status.success(), "{said}");
        (stdout(&output), said)
    }
}
