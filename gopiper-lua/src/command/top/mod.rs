//! `gopiper top`: the work of a running gopiper, component by component.
mod plain;
mod quantity;
mod screen;
mod view;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::json;

use crate::command::{
    arguments::in_range,
    control::{Process, ProcessArguments},
    process::exit::{self, refuse},
    sample::{ComponentRates, PipelinesSample, rates},
    terminal::{
        output::{is_without_reader, print, say},
        problems::show_error,
    },
};

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    #[command(flatten)]
    process: ProcessArguments,
    /// Seconds between two updates.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = interval)]
    interval: f64,
    /// Show one table, for one interval, and end.
    #[arg(long)]
    once: bool,
    /// Write a JSON object on a line for each component, after each interval.
    #[arg(long)]
    pub(crate) json: bool,
}

fn interval(text: &str) -> Result<f64, String> {
    in_range(text, 0.1..=3600.0, "seconds")
}

/// Shows the work of a process, until the process ends or the user quits.
pub(crate) fn top(arguments: &TopArguments) -> ExitCode {
    let process = match arguments.process.process() {
        Ok(process) => process,
        Err(error) => return refuse(&error),
    };
    let mut watched =
        match WatchedProcess::new(process, Duration::from_secs_f64(arguments.interval)) {
            Ok(watched) => watched,
            Err(error) => return refuse(&error),
        };
    let is_plain = arguments.once || arguments.json || !io::stdout().is_terminal();
    let shown = match is_plain {
        true => write_tables(&mut watched, arguments),
        false => screen::run(&mut watched),
    };
    match shown {
        Ok(Shown::ToTheUser) => ExitCode::SUCCESS,
        Ok(Shown::ToTheEnd) => {
            say(format_args!("process {} has ended", watched.process.pid));
            ExitCode::SUCCESS
        }
        Err(error) => {
            show_error(error);
            ExitCode::from(exit::FAILED)
        }
    }
}

fn write_tables(watched: &mut WatchedProcess, arguments: &TopArguments) -> Result<Shown, String> {
    loop {
        thread::sleep(watched.due().saturating_duration_since(Instant::now()));
        if watched.look()? == Look::Ended {
            return Ok(Shown::ToTheEnd);
        }
        if arguments.json {
            watched.rows.iter().for_each(|row| print(json!(row)));
        } else {
            print(plain::table(&watched.report, &watched.rows).trim_end());
        }
        if arguments.once || is_without_reader() {
            return Ok(Shown::ToTheUser);
        }
    }
}

/// Why no more is shown.
enum Shown {
    /// The user has quit, or has seen what they asked for.
    ToTheUser,
    /// The process has ended.
    ToTheEnd,
}

/// A process: its last report, and the rates since the report before.
struct WatchedProcess {
    process: Process,
    interval: Duration,
    looked: Instant,
    report: PipelinesSample,
    rows: Vec<ComponentRates>,
    /// The number of processors that are kept busy by the process, by gopiper itself, and by
    /// threads that components have named.
    cpu: [f64; 3],
}

impl WatchedProcess {
    fn new(process: Process, interval: Duration) -> Result<Self, String> {
        let report = ask(&process)?;
        let (rows, cpu) = (rates(&report, &report), [0.0; 3]);
        Ok(WatchedProcess { process, interval, looked: Instant::now(), report, rows, cpu })
    }

    /// When the next report is due.
    fn due(&self) -> Instant {
        self.looked + self.interval
    }

    /// Asks the process for a report.
    ///
    /// # Errors
    /// The process does not answer, as text.
    fn look(&mut self) -> Result<Look, String> {
        let now = match ask(&self.process) {
            Ok(now) => now,
            Err(_) if self.process.has_ended() => return Ok(Look::Ended),
            Err(error) => return Err(error),
        };
        let elapsed =
            now.process.identity.uptime_seconds - self.report.process.identity.uptime_seconds;
        let (before, of) = (&self.report.process, &now.process);
        self.cpu = [
            of.cpu_seconds - before.cpu_seconds,
            of.gopiper_cpu_seconds - before.gopiper_cpu_seconds,
            of.own_threads_cpu_seconds - before.own_threads_cpu_seconds,
        ]
        .map(|seconds| (seconds / elapsed.max(1e-3)).max(0.0));
        self.rows = rates(&self.report, &now);
        self.report = now;
        self.looked = Instant::now();
        Ok(Look::Taken)
    }
}

/// The result of asking for a report.
#[derive(PartialEq, Eq)]
enum Look {
    Taken,
    /// The process has ended.
    Ended,
}

fn ask(process: &Process) -> Result<PipelinesSample, String> {
    let answer = process.get("/api/v1/pipelines")?;
    serde_json::from_value(answer)
        .map_err(|error| format!("process {} has another version of gopiper: {error}", process.pid))
}
