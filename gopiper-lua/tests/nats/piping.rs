//! gopiper at work between servers.
#![allow(unreachable_pub, dead_code, reason = "a part of a test")]
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    common::{Home, send},
    server::{PATIENCE, wait},
};

/// The program at work, with what it has written.
pub struct Piping {
    pub program: Child,
    pub lines: Arc<Mutex<Vec<String>>>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    pub home: Home,
}

fn read_into<T: Send + 'static>(
    reader: impl Read + Send + 'static,
    into: &Arc<Mutex<T>>,
    mut add: impl FnMut(&mut T, String) + Send + 'static,
) -> JoinHandle<()> {
    let into = into.clone();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            add(&mut into.lock().expect("no panic"), line);
        }
    })
}

/// A file with a pipeline of these components, each with a comma behind it.
pub fn text(components: &str) -> String {
    format!("local gopiper = require('gopiper')\ngopiper.createPipeline({{\n{components}\n}})\n")
}

impl Piping {
    /// Runs these components.
    pub fn start(components: &str) -> Self {
        Self::at(Home::new(&text(components)), &[])
    }

    pub fn at(home: Home, more: &[&str]) -> Self {
        let mut command = home.gopiper(&[&["run"], more].concat());
        let mut program = command.stdin(Stdio::null()).spawn().expect("it starts");
        let (lines, log) = <(Arc<Mutex<Vec<String>>>, Arc<Mutex<String>>)>::default();
        let (output, said) = (program.stdout.take(), program.stderr.take());
        let readers = vec![
            read_into(output.expect("a pipe"), &lines, Vec::push),
            read_into(said.expect("a pipe"), &log, |log, line| {
                log.push_str(&line);
                log.push('\n');
            }),
        ];
        Piping { program, lines, log, readers, home }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    pub fn wait_for_lines(&self, count: usize) {
        wait(
            || self.lines().len() >= count,
            || format!("{} lines of {count}\n{}", self.lines().len(), self.log()),
        );
    }

    pub fn wait_for_log(&self, text: &str) {
        wait(|| self.log().contains(text), || format!("not '{text}', but:\n{}", self.log()));
    }

    /// Has it stop; returns its exit code and log.
    pub fn stop(mut self) -> (i32, String) {
        send(&self.program, Signal::TERM);
        self.end()
    }

    /// Waits for its end; returns its exit code and log.
    pub fn end(&mut self) -> (i32, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.program.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        };
        // What was written last is read by other threads.
        for reader in self.readers.drain(..) {
            reader.join().expect("no panic");
        }
        (status.code().unwrap_or(-1), self.log())
    }
}

impl Drop for Piping {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// How often each text occurs.
pub fn counted(texts: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    texts.into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
    counts
}

/// Fails unless these are the numbers, each once.
pub fn each_once(texts: impl IntoIterator<Item = String>, numbers: std::ops::Range<u32>) {
    let counts = counted(texts);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{} came more than once: {twice:?}", twice.len());
    let missing: Vec<_> = numbers.filter(|it| !counts.contains_key(&it.to_string())).collect();
    assert!(missing.is_empty(), "{} are missing: {missing:?}", missing.len());
}
