//! `gopiper why`: the way of a message through its pipeline, with times, reports and the outcome.
mod letter;
mod passport;

use std::{
    ops::ControlFlow,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, value_parser};
use serde_json::Value;

use crate::command::{
    arguments::{PipelineArguments, trace_rate, trace_wait},
    control::{ProcessArguments, query},
    process::exit::{self, refuse},
    terminal::{
        output::{is_without_reader, print},
        problems::show_error,
    },
};

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The id of a dead letter, as the log and `gopiper dlq list` show it. Without one, messages of
    /// a running gopiper are followed.
    dead_letter: Option<String>,
    #[command(flatten)]
    letters_of: PipelineArguments,
    #[command(flatten)]
    process: ProcessArguments,
    /// Follow only messages that contain this word when their source sends them.
    #[arg(long, value_name = "WORD", conflicts_with = "dead_letter")]
    filter: Option<String>,
    /// Follow only messages of this pipeline.
    #[arg(long, value_name = "NAME", conflicts_with = "dead_letter")]
    pipeline: Option<String>,
    /// End after this number of messages.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    limit: u64,
    /// The most messages a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, value_parser = trace_rate)]
    rate: f64,
    /// Show where a message is if it has not ended after this time; give up if no message has come.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = trace_wait)]
    wait: f64,
    /// Write a JSON object for each message.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows the ways of messages.
pub(crate) fn why(arguments: &WhyArguments) -> ExitCode {
    let shown = match &arguments.dead_letter {
        Some(id) => letter::show(&arguments.letters_of, id, arguments.json),
        None => match arguments.process.process() {
            Ok(process) => arguments.follow(&process),
            Err(error) => return refuse(&error),
        },
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show_error(error);
            ExitCode::from(exit::FAILED)
        }
    }
}

impl WhyArguments {
    fn query(&self) -> String {
        let (rate, wait) = (self.rate.to_string(), self.wait.to_string());
        let pairs = [
            ("pipeline", self.pipeline.as_deref()),
            ("contains", self.filter.as_deref()),
            ("rate", Some(&*rate)),
            ("wait", Some(&*wait)),
        ];
        query("/api/v1/trace", pairs)
    }

    fn follow(&self, process: &crate::command::control::Process) -> Result<(), String> {
        let (mut shown, begun) = (0, Instant::now());
        let patience = Duration::from_secs_f64(self.wait);
        process.follow(&self.query(), |line| {
            match serde_json::from_slice::<Value>(line) {
                Ok(passport) => {
                    match self.json {
                        true => print(&passport),
                        false => print(passport::text(&passport).trim_end()),
                    }
                    shown += 1;
                }
                // A sign of life.
                Err(_) if shown == 0 && begun.elapsed() > patience => return ControlFlow::Break(()),
                Err(_) => {}
            }
            match shown >= self.limit || is_without_reader() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        let of = match &self.filter {
            Some(word) => format!(" with '{word}' in it"),
            None => String::new(),
        };
        match shown {
            0 => Err(format!(
                "no message{of} came from a source in {:.0} s: 'gopiper top' shows whether a \
                 source waits for room, or for input",
                begun.elapsed().as_secs_f64()
            )),
            _ => Ok(()),
        }
    }
}
