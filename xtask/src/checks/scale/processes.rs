//! Processes of gopiper that share a work queue.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};

use crate::checks::program;
use crate::run::Built;

/// What each process does with a message.
#[derive(Clone, Copy)]
pub(super) enum Transform {
    /// It waits a millisecond.
    Waits,
    /// It keeps the processor busy for a millisecond.
    Works,
}

impl Transform {
    pub(super) fn name(self) -> &'static str {
        match self {
            Transform::Waits => "waits",
            Transform::Works => "works",
        }
    }
}

pub(super) struct Processes<'a> {
    built: &'a Built,
    folder: PathBuf,
    running: Vec<Child>,
    started: usize,
}

impl<'a> Processes<'a> {
    pub(super) fn new(
        built: &'a Built,
        folder: &Path,
        servers: &[String],
        transform: Transform,
    ) -> Result<Processes<'a>> {
        let servers: Vec<_> = servers.iter().map(|url| format!("'{url}'")).collect();
        let servers = servers.join(", ");
        let is_busy = matches!(transform, Transform::Works);
        let lua = format!(
            "local gopiper = require('gopiper')
local connection = {{ servers = {{ {servers} }} }}
gopiper.createPipeline({{
  gopiper.loadComponent('nats_source_component.so', {{
    connection = connection, stream = 'WORK', consumer = 'scale', max_in_flight = 64,
    create = {{ ack_wait_ms = 2000, max_ack_pending = 1000 }},
  }}),
  gopiper.loadComponent('waits_component.so', {{ microseconds = 1000, busy = {is_busy} }}),
  gopiper.loadComponent('nats_sink_component.so', {{
    connection = connection, subject = 'done', stream = 'DONE',
  }}),
}})
"
        );
        fs::write(folder.join("pipeline.lua"), lua)?;
        Ok(Processes { built, folder: folder.to_owned(), running: Vec::new(), started: 0 })
    }

    /// How many there were.
    pub(super) fn started(&self) -> usize {
        self.started
    }

    pub(super) fn start(&mut self) -> Result<()> {
        self.started += 1;
        let state = self.folder.join(format!("state-{}", self.started));
        let mut command = program::gopiper(self.built, &["run"], &state, &self.folder);
        let log = self.folder.join(format!("log-{}", self.started));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
        self.running.push(command.spawn().context("cannot start gopiper")?);
        Ok(())
    }

    /// Kills one, and starts another one. Says what it did.
    pub(super) fn replace_one(&mut self, random: &mut Rng) -> Result<String> {
        let mut process = self.running.swap_remove(random.usize(..self.running.len()));
        let ended = process.try_wait()?;
        ensure!(ended.is_none(), "a process has ended by itself: {ended:?}");
        process.kill()?;
        process.wait()?;
        self.start()?;
        Ok("a process killed".into())
    }

    /// Ends all of them as an operator does. They give back what they have.
    pub(super) fn stop(&mut self) -> Result<()> {
        for process in &self.running {
            kill_process(Pid::from_child(process), Signal::TERM)?;
        }
        for mut process in self.running.drain(..) {
            let status = process.wait()?;
            // One that has just been started may not handle the signal yet.
            let is_early = status.signal() == Some(Signal::TERM.as_raw());
            ensure!(status.success() || is_early, "a process ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Processes<'_> {
    fn drop(&mut self) {
        for mut process in self.running.drain(..) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
