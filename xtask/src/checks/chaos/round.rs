//! One round: an input, a program that is killed and started again until all of it is through.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;

use super::account::{Found, Tally};
use super::bound::at_most_again;
use super::disk::{Disk, Syncs};
use super::input::Input;
use super::pipeline::{self, INPUT, OUTPUT, Promise, STATE};
use super::trouble::Trouble;
use crate::checks::program;
use crate::run::Built;

/// It is through in less than a second, unless it hangs.
const LONGEST_LIFE: Duration = Duration::from_secs(60);

/// The exit code of a program that cannot start.
const REFUSED: i32 = 78;

/// The setting of a round, besides its seed.
pub(super) struct Setting<'a> {
    pub(super) built: &'a Built,
    pub(super) shim: &'a Path,
    /// The folder of the rounds.
    pub(super) folder: &'a Path,
    /// Syncs that are not done.
    pub(super) leave_out: Option<&'a str>,
    pub(super) promise: Promise,
}

pub(super) struct Round<'a> {
    setting: &'a Setting<'a>,
    random: Rng,
    folder: PathBuf,
    disk: Disk,
    input: Input,
    loses_power: bool,
    trouble: Trouble,
    kills: u32,
}

impl fmt::Display for Round<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let power = if self.loses_power { ", power lost" } else { "" };
        write!(f, "{} kills{power}, {}", self.kills, self.trouble.name())
    }
}

/// How a life ends early.
enum Death {
    /// At a change of a file that was chosen beforehand.
    AtRecord(u64),
    After(Duration),
}

impl<'a> Round<'a> {
    /// Neighbouring seeds are rounds of all sorts.
    pub(super) fn new(setting: &'a Setting<'a>, seed: u64) -> Result<Round<'a>> {
        let folder = setting.folder.join(format!("round-{seed}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut random = Rng::with_seed(seed);
        let input = Input::new(&mut random);
        let mut disk = Disk::new(&folder, setting.shim)?;
        for name in [INPUT, OUTPUT] {
            fs::create_dir(disk.folder().join(name))?;
        }
        input.write(&disk.folder().join(INPUT))?;
        disk.begin()?;
        let (names, promise) = (input.file_names(), setting.promise);
        let lua = pipeline::lua(disk.folder(), &names, promise, &mut random);
        fs::write(folder.join("pipeline.lua"), lua)?;
        let loses_power = setting.leave_out.is_some() || seed % 2 == 1;
        // Where a sink finds a file again that was cut off in the middle of a commit, it cuts it: a
        // folder that is elsewhere for good it does not find.
        let never_away = loses_power || promise == Promise::ExactlyOnce;
        let trouble = Trouble::of(seed / 2, never_away);
        Ok(Round { setting, random, folder, disk, input, loses_power, trouble, kills: 0 })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The syncs in it, as patterns.
    pub(super) fn syncs(&self) -> Result<BTreeSet<String>> {
        self.disk.synced()
    }

    /// Runs it to its end.
    pub(super) fn run(&mut self) -> Result<Tally> {
        let mut bound = 0;
        for _ in 0..self.random.u32(3..=6) {
            let death = self.death();
            if self.live(Some(death))? {
                break;
            }
            self.kills += 1;
            bound += self.after_a_kill()?;
        }
        ensure!(self.live(None)?, "it was killed, and not by us");
        self.disk.check()?;
        if self.loses_power {
            // A program that ends well has synced everything.
            self.disk.lose_power(Syncs::Done, |_| false)?;
        }
        let found = self.found()?;
        let (mut tally, wrong) = (found.tally(bound), found.wrong());
        tally.kills = self.kills.into();
        let is_good = match self.setting.promise {
            Promise::AtLeastOnce => tally.good(),
            Promise::ExactlyOnce => tally.good() && tally.written_twice == 0,
        };
        if !is_good || !wrong.is_empty() {
            let file = self.folder.join("wrong");
            fs::write(&file, wrong.join("\n"))?;
            let some = wrong.iter().take(10).map(|line| format!("\n  {line}")).collect::<String>();
            bail!("{tally}, {} things wrong, see {}{some}", wrong.len(), file.display());
        }
        Ok(tally)
    }

    fn death(&mut self) -> Death {
        match self.random.bool() {
            // Early ones are as likely as late ones: what happens once happens at the start.
            true => {
                let most = 2 << self.random.u32(0..10);
                Death::AtRecord(self.random.u64(1..=most))
            }
            false => Death::After(Duration::from_micros(self.random.u64(5_000..200_000))),
        }
    }

    /// How many messages may come again because of a kill.
    fn after_a_kill(&mut self) -> Result<u64> {
        self.disk.check()?;
        // Sometimes changes that were not synced survive, for now.
        if !self.loses_power || self.random.u8(0..4) == 0 {
            return at_most_again(&self.input, self.disk.folder());
        }
        // The lines that may come again are those that a program with true syncs would send again.
        let luck = self.random.u64(..);
        let survives = |file| Rng::with_seed(file ^ luck).u8(0..3) == 0;
        self.disk.lose_power(Syncs::Said, survives)?;
        let again = at_most_again(&self.input, self.disk.folder())?;
        self.disk.lose_power(Syncs::Done, survives)?;
        self.disk.begin()?;
        Ok(again)
    }

    fn gopiper(&self, words: &[&str]) -> Command {
        let state = self.disk.folder().join(STATE);
        let mut command = program::gopiper(self.setting.built, words, &state, &self.folder);
        command.stdin(Stdio::null());
        command
    }

    /// From a start to the end, or to its death. Returns whether it has come to its end.
    fn live(&mut self, death: Option<Death>) -> Result<bool> {
        let log = self.folder.join("log");
        let mut command = self.gopiper(&["run"]);
        command.stderr(File::options().create(true).append(true).open(&log)?);
        let die_at = match death {
            Some(Death::AtRecord(record)) => Some(record),
            _ => None,
        };
        self.disk.used_by(&mut command, self.setting.leave_out, die_at);
        let mut child = command.spawn().context("cannot start gopiper")?;
        let end = self.watch(&death, || Ok(child.try_wait()?));
        // However the watch has ended, no process is left.
        let _ = child.kill();
        let status = child.wait()?;
        let troubled = self.trouble.was();
        self.trouble.end(&self.disk)?;
        let said = format!("see {}", log.display());
        end.context(said.clone())?;
        match status.signal() {
            Some(9) => Ok(false),
            _ if status.success() => Ok(true),
            // It could not start: an operator has to see to that, and to start it again.
            _ if status.code() == Some(REFUSED) && troubled => self.live(death),
            _ => bail!("gopiper ended with {status}: {said}"),
        }
    }

    /// Comes back when the program has ended, or is to be killed.
    fn watch(
        &mut self,
        death: &Option<Death>,
        mut ended: impl FnMut() -> Result<Option<ExitStatus>>,
    ) -> Result<()> {
        let start = Instant::now();
        self.trouble.plan(&self.disk, &mut self.random);
        while ended()?.is_none() {
            let age = start.elapsed();
            ensure!(age < LONGEST_LIFE, "it is still running after {age:?}");
            if matches!(death, Some(Death::After(moment)) if age >= *moment) {
                break;
            }
            self.trouble.tick(&self.disk)?;
            thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }

    fn found(&self) -> Result<Found<'_>> {
        let mut found = Found::new(&self.input);
        for file in pipeline::output_files(self.disk.folder())? {
            let (text, own) = (fs::read(&file)?, self.disk.folder().join(OUTPUT));
            match file.starts_with(own) {
                true => found.output(&text),
                false => found.abandoned_output(&text),
            }
        }
        for letter in program::dead_letters(|words| self.gopiper(words))? {
            found.letter(&letter);
        }
        Ok(found)
    }
}
