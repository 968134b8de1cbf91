//! Runs one side of a row, and says what that took.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

use super::answers;
use super::asked;
use super::brokers::Running;
use super::row::How;

const PERIOD: Duration = Duration::from_millis(1);
/// As long as a line of the log.
const ECHOED: [u8; 118] = {
    let mut line = [b'x'; 118];
    line[117] = b'\n';
    line
};

/// The cost of one run, the children of its shell included.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// Of the largest process, in bytes.
    pub(super) memory: u64,
}

/// The values that the command lines of a row refer to.
#[derive(Clone)]
pub(super) struct Commands {
    /// $INPUT; $SCRATCH (a folder to write to); $GOPIPER, $PIPELINE, $NOTHING_BETWEEN, $FILES,
    /// $FILE_TO_NULL, $ALL_FAIL, $MANY; $STAGE and $STATIC (examples), $ANSWER, $LINES; $STDIN,
    /// $STDOUT and $GREP (component files); $DLOPEN (the program in C). A row between brokers also
    /// has those of `brokers`.
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// How many lines are echoed.
    pub(super) echoes: u32,
    /// The number of requests to a server.
    pub(super) asks: u32,
    /// What a row between brokers runs against.
    pub(super) broker: Option<Rc<Running>>,
}

impl Commands {
    pub(super) fn run(&self, how: How, line: &str) -> Result<Sample> {
        match how {
            How::Shell => timed(&mut self.shell(line)),
            How::Start => timed(&mut self.direct(line)?),
            How::Echo => self.echoed(line),
            How::Asked(path) => {
                let scratch = PathBuf::from(self.variable("SCRATCH")?);
                asked::during(&scratch, path, || timed(&mut self.shell(line)))
            }
            How::Answers(path) => {
                let [scratch, answer] = ["SCRATCH", "ANSWER"].map(|name| self.variable(name));
                let asked = (path, self.asks);
                answers::measured(self.direct(line)?, scratch?.as_ref(), asked, answer?.as_ref())
            }
            How::Between(_) => {
                let broker = self.broker.as_ref().context("the row has a broker")?;
                broker.measured(|names| self.with(names).direct(line))
            }
        }
    }

    /// With further variables.
    fn with(&self, more: Vec<(&'static str, OsString)>) -> Self {
        let mut all = self.clone();
        all.variables.extend(more);
        all
    }

    pub(super) fn shell(&self, line: &str) -> Command {
        self.silent(Command::new("sh"), &["-c".into(), line.into()])
    }

    /// Words and variables, separated by spaces.
    fn direct(&self, line: &str) -> Result<Command> {
        let words = line.split(' ').map(|word| match word.strip_prefix('$') {
            None => Ok(word.into()),
            Some(name) => self.variable(name),
        });
        let words = words.collect::<Result<Vec<OsString>>>()?;
        let (program, args) = words.split_first().context("an empty command line")?;
        Ok(self.silent(Command::new(program), args))
    }

    fn variable(&self, wanted: &str) -> Result<OsString> {
        let found = self.variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.clone()).with_context(|| format!("no variable ${wanted}"))
    }

    fn silent(&self, mut command: Command, args: &[OsString]) -> Command {
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn echoed(&self, line: &str) -> Result<Sample> {
        let mut command = self.shell(line);
        let start = Instant::now();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("standard input is piped")?;
        let mut output = BufReader::new(child.stdout.take().context("standard output is piped")?);
        let (mut trips, mut back) = (Vec::new(), Vec::new());
        for trip in 0..self.echoes {
            thread::sleep((start + PERIOD * trip).saturating_duration_since(Instant::now()));
            let written = Instant::now();
            input.write_all(&ECHOED).with_context(|| format!("{line} stopped reading"))?;
            back.clear();
            output.read_until(b'\n', &mut back)?;
            trips.push(written.elapsed());
            if back != ECHOED {
                bail!("{line} returned something else");
            }
        }
        drop(input);
        let sample = end_of(child, line, start)?;
        trips.sort();
        Ok(Sample { wall: trips[trips.len() / 2], ..sample })
    }
}

fn timed(command: &mut Command) -> Result<Sample> {
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    end_of(child, &format!("{command:?}"), start)
}

pub(super) fn end_of(mut child: Child, line: &str, start: Instant) -> Result<Sample> {
    let end = child.wait4()?;
    let wall = start.elapsed();
    if !end.status.success() {
        bail!("failed ({}): {line}", end.status);
    }
    let usage = end.rusage;
    Ok(Sample { wall, cpu: usage.utime + usage.stime, memory: usage.maxrss })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(variables: &[(&'static str, &str)]) -> Commands {
        let variables = variables.iter().map(|(name, value)| (*name, value.into())).collect();
        Commands { variables, echoes: 3, asks: 3, broker: None }
    }

    #[test]
    fn without_a_shell_a_variable_is_one_word() {
        let command = commands(&[("A", "/bin/a b"), ("B", "c")]).direct("$A run $B").unwrap();
        assert_eq!(command.get_program(), "/bin/a b");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["run", "c"]);
        assert!(commands(&[]).direct("$A").is_err());
    }

    #[test]
    fn cpu_and_memory_are_those_of_the_whole_command() {
        let line = "head -c 64000000 /dev/zero | tail -c 64000000";
        let sample = commands(&[]).run(How::Shell, line).unwrap();
        assert!(sample.memory > 60 << 20, "{} bytes", sample.memory);
        assert!(sample.cpu > Duration::ZERO);
        assert!(commands(&[]).run(How::Shell, "exit 3").is_err());
    }

    #[test]
    fn an_echo_returns_the_written_bytes() {
        let sample = commands(&[]).run(How::Echo, "cat | cat").unwrap();
        assert!(sample.wall > Duration::ZERO);
        assert!(commands(&[]).run(How::Echo, "echo no").is_err());
    }
}
