//! One night: what happens, and whether all came through it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::environment::Environment;
use super::lines;
use super::logs::{ARCHIVED, Logs};
use super::pipeline::Pipeline;
use crate::checks::program;
use crate::run::Built;

/// Longer than anything takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// By then components are loaded.
const LOADED: Duration = Duration::from_millis(500);

/// Signals that drain, and those that do nothing.
const DRAINING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::XCPU];
const HARMLESS: [Signal; 3] = [Signal::USR1, Signal::USR2, Signal::XFSZ];

pub(super) struct Night<'a> {
    built: &'a Built,
    launcher: &'a Path,
    folder: PathBuf,
    random: Rng,
    logs: Logs,
    pipeline: Pipeline,
    environment: Environment,
    running: Option<Child>,
    began: Instant,
    /// All that was written before the link was changed has been read at least in part.
    may_change_link: bool,
    happened: BTreeMap<&'static str, u32>,
}

/// The messages found in the end.
pub(super) struct Found {
    pub(super) written: usize,
    pub(super) failed: usize,
}

impl fmt::Display for Night<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.pipeline.name(), self.logs.name())?;
        self.happened.iter().try_for_each(|(what, times)| write!(f, ", {times} {what}"))
    }
}

impl Drop for Night<'_> {
    /// No process is left when a night has failed.
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl<'a> Night<'a> {
    pub(super) fn new(
        built: &'a Built,
        launcher: &'a Path,
        folder: &Path,
        seed: u64,
    ) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let mut random = Rng::with_seed(seed);
        let logs = Logs::new(folder, &mut random)?;
        let pipeline = Pipeline::any(&mut random);
        Ok(Night {
            built,
            launcher,
            folder: folder.to_owned(),
            random,
            logs,
            pipeline,
            environment: Environment::default(),
            running: None,
            began: Instant::now(),
            may_change_link: false,
            happened: BTreeMap::new(),
        })
    }

    /// Runs it, and checks the outcome of each line.
    pub(super) fn run(&mut self) -> Result<Found> {
        self.write_lua(true)?;
        for _ in 0..self.random.u32(8..30) {
            self.act()?;
        }
        self.logs.finish_line()?;
        self.stop()?;
        self.write_lua(false)?;
        self.start()?;
        self.ended()?;
        self.check_state()?;
        self.found()
    }

    fn write_lua(&self, follow: bool) -> Result<()> {
        let lua = self.pipeline.lua(&self.folder, &self.logs.patterns(), follow);
        Ok(fs::write(self.folder.join("pipeline.lua"), lua)?)
    }

    fn act(&mut self) -> Result<()> {
        let what = match (self.random.u8(0..10), &self.running) {
            (0..4, _) => {
                self.logs.write(&mut self.random)?;
                "writes"
            }
            (4, _) => return self.rotate(),
            (5, Some(_)) => {
                self.stop()?;
                "stops"
            }
            (6, Some(child)) => {
                let signal = self.random.choice(HARMLESS).unwrap_or(Signal::USR1);
                self.await_handlers(child)?;
                kill_process(Pid::from_child(child), signal)?;
                "signals"
            }
            (7, Some(child)) => {
                // The limit is one for the memory that components are copied to, too.
                thread::sleep(LOADED.saturating_sub(self.began.elapsed()));
                full_disk(child, Duration::from_millis(self.random.u64(1..200)))?;
                "full disks"
            }
            (_, Some(_)) => {
                thread::sleep(Duration::from_millis(self.random.u64(1..150)));
                "pauses"
            }
            (_, None) => {
                self.start()?;
                "starts"
            }
        };
        *self.happened.entry(what).or_default() += 1;
        Ok(())
    }

    /// If a link is read, a file that was not opened before the link leads elsewhere cannot be
    /// found any more.
    fn rotate(&mut self) -> Result<()> {
        if self.logs.is_linked() {
            match &self.running {
                Some(_) => self.await_all()?,
                None if !self.may_change_link => return Ok(()),
                None => {}
            }
            self.may_change_link = false;
        }
        *self.happened.entry("rotations").or_default() += 1;
        self.logs.rotate()
    }

    /// Waits until the last line that is whole has gone through.
    fn await_all(&mut self) -> Result<()> {
        self.logs.write(&mut self.random)?;
        self.logs.finish_line()?;
        let last = self.logs.written.last().map_or(0, |(number, _)| *number);
        let begun = Instant::now();
        while !self.output()?.iter().any(|line| lines::number(line) == Some(last)) {
            // It may be one that fails: then the next will not.
            let has_ended =
                self.running.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            ensure!(!has_ended, "it ended without being stopped: see log.txt");
            ensure!(begun.elapsed() < PATIENCE, "line {last} has not arrived");
            if begun.elapsed() > Duration::from_secs(3) && self.letters_hold(last)? {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.may_change_link = true;
        Ok(())
    }

    fn letters_hold(&self, number: u64) -> Result<bool> {
        Ok(self.letters()?.iter().any(|line| lines::number(line) == Some(number)))
    }

    fn gopiper(&self, words: &[&str]) -> Command {
        program::gopiper(self.built, words, &self.folder.join("state"), &self.folder)
    }

    fn start(&mut self) -> Result<()> {
        self.environment = Environment::any(&mut self.random);
        let mut command = self.environment.of(&self.gopiper(&["run"]), self.launcher);
        let mut log =
            File::options().create(true).append(true).open(self.folder.join("log.txt"))?;
        let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start gopiper")?;
        // A limit of the size of files is no limit of what it says.
        if let Some(mut said) = child.stderr.take() {
            thread::spawn(move || io::copy(&mut said, &mut log));
        }
        self.running = Some(child);
        self.began = Instant::now();
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        let Some(child) = &self.running else { return Ok(()) };
        self.await_handlers(child)?;
        let signal = self.random.choice(self.draining()).unwrap_or(Signal::TERM);
        kill_process(Pid::from_child(child), signal)?;
        self.ended()
    }

    /// The signals that drain in this environment.
    fn draining(&self) -> Vec<Signal> {
        let ignores = self.environment.ignores_hangup;
        let drains = |signal: &Signal| !(ignores && *signal == Signal::HUP);
        DRAINING.into_iter().filter(drains).collect()
    }

    /// Waits until the shell has become the program, and the program handles all of these. Before
    /// that, a signal would end the process. The program installs its handlers one by one, and the
    /// shell has one for SIGINT itself.
    fn await_handlers(&self, child: &Child) -> Result<()> {
        let wanted: u64 = self.draining().iter().map(|signal| 1 << (signal.as_raw() - 1)).sum();
        let status = format!("/proc/{}/status", child.id());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let status = fs::read_to_string(&status)?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            // One that has ended catches nothing.
            let caught =
                caught.map_or(Ok(u64::MAX), |mask| u64::from_str_radix(mask.trim(), 16))?;
            if caught & wanted == wanted || status.contains("(zombie)") {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        bail!("it does not handle its signals after {PATIENCE:?}")
    }

    fn ended(&mut self) -> Result<()> {
        let Some(mut child) = self.running.take() else { return Ok(()) };
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                self.running = Some(child);
                bail!("it is still running after {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(2));
        };
        self.is_orderly(status)
    }

    fn is_orderly(&self, status: ExitStatus) -> Result<()> {
        let log = fs::read_to_string(self.folder.join("log.txt"))?;
        ensure!(status.signal().is_none() && status.success(), "it ended with {status}: {log}");
        ensure!(!log.contains("panicked"), "it has panicked: {log}");
        Ok(())
    }

    /// No other user may look into it, with any umask.
    fn check_state(&self) -> Result<()> {
        let mut folders = vec![self.folder.join("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let mode = entry.metadata()?.permissions().mode();
                ensure!(mode & 0o077 == 0, "{} has mode {mode:o}", entry.path().display());
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(())
    }

    fn output(&self) -> Result<Vec<Vec<u8>>> {
        let file = self.folder.join("out/lines");
        let bytes = if file.exists() { fs::read(file)? } else { Vec::new() };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(<[u8]>::to_vec).collect())
    }

    fn letters(&self) -> Result<Vec<Vec<u8>>> {
        program::dead_letters(|words| self.gopiper(words))
    }

    /// Each line is written, or a dead letter, once; those of the log in order.
    fn found(&self) -> Result<Found> {
        let output = self.output()?;
        let letters = self.letters()?;
        let expected: BTreeMap<_, _> = self.logs.written.iter().cloned().collect();
        let mut seen = BTreeSet::new();
        let mut last = None;
        for line in &output {
            let text = String::from_utf8_lossy(line);
            if text.starts_with('\u{feff}')
                && lines::number(line).is_none()
                && !self.pipeline.strips_bom()
            {
                // A file that was rotated before it had a line.
                continue;
            }
            let number =
                lines::number(line).with_context(|| format!("'{text}' was never written"))?;
            ensure!(seen.insert(number), "line {number} was written twice");
            ensure!(
                number >= ARCHIVED || Some(number) > last,
                "line {number} comes after {last:?}"
            );
            if number < ARCHIVED {
                last = Some(number);
            }
            let whole = text.strip_prefix('\u{feff}').filter(|_| !self.pipeline.strips_bom());
            let is_same = expected.get(&number).is_some_and(|line| *line == whole.unwrap_or(&text));
            ensure!(is_same || !self.pipeline.keeps_lines(), "line {number} was changed: '{text}'");
        }
        for letter in &letters {
            let number = lines::number(letter).context("a dead letter that was never written")?;
            ensure!(seen.insert(number), "line {number} is a dead letter, too");
        }
        let lost: Vec<_> =
            expected.keys().filter(|number| !seen.contains(number)).take(10).collect();
        ensure!(lost.is_empty(), "these lines are lost: {lost:?}");
        Ok(Found { written: output.len(), failed: letters.len() })
    }
}

/// For so long no file can grow.
fn full_disk(child: &Child, length: Duration) -> Result<()> {
    let limit = |size| {
        let limit = Rlimit { current: size, maximum: None };
        prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit)
    };
    limit(Some(0))?;
    thread::sleep(length);
    limit(None)?;
    Ok(())
}
