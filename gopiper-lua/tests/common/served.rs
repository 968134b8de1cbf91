//! A running pipeline whose HTTP server is asked.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdin, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Home, pipeline_text};

/// Longer than anything takes, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A pipeline at work, with its input, and the address of its server. Its output is not read.
pub struct AtWork {
    pub program: Child,
    pub input: ChildStdin,
    pub address: String,
    pub home: Home,
}

impl AtWork {
    pub fn new(between: &str) -> Self {
        Self::with(between, &[])
    }

    pub fn with(between: &str, more: &[&str]) -> Self {
        Self::at(Home::new(&pipeline_text(between, "{}")), more)
    }

    /// With the pipeline of this file.
    pub fn at(home: Home, more: &[&str]) -> Self {
        let mut command = home.gopiper(&[&["run", "--http", "127.0.0.1:0"], more].concat());
        command.env("GOPIPER_LOG", "info").stdin(Stdio::piped());
        let mut program = command.spawn().expect("it starts");
        let input = program.stdin.take().expect("a pipe");
        let mut said = BufReader::new(program.stderr.take().expect("a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(said.read_line(&mut line).expect("text") > 0, "it has ended");
            if let Some((_, address)) = line.trim_end().rsplit_once("http://") {
                break address.to_owned();
            }
        };
        // The program would block if its log were not read.
        thread::spawn(move || said.read_to_string(&mut String::new()));
        AtWork { program, input, address, home }
    }

    /// Sends a request as it is, and returns the status and all of the answer.
    pub fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("sent");
        answer(stream)
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask(&request("GET", path, "localhost", ""))
    }

    /// Asks until the answer is as wanted.
    pub fn await_answer(&self, path: &str, is_so: impl Fn(u16, &str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let (status, text) = self.get(path);
            if is_so(status, &text) {
                return text;
            }
            assert!(Instant::now() < until, "{status}: {text}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

pub fn request(method: &str, path: &str, host: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
}

pub fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    // A server that has had enough may reset the connection behind its answer.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("text");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}
