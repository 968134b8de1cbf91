//! The log, on standard error.
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use gopiper_lua::{Problem, Severity};
use tracing::{error, warn};

use crate::{
    cli::{LogArguments, LogFormat},
    output::{Redacted, say},
};

/// Whether lines are objects.
static JSON: AtomicBool = AtomicBool::new(false);

/// Sets the log up; says what is wrong with the filter if it can't be read.
pub(crate) fn init(arguments: &LogArguments) -> Result<(), String> {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_new(arguments.log.as_deref().unwrap_or(level));
    let filter = filter.map_err(|error| format!("the log filter can't be read: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(|| Redacted(io::stderr()));
    JSON.store(matches!(arguments.log_format, LogFormat::Json), Relaxed);
    match arguments.log_format {
        LogFormat::Text => registry.with(lines.with_target(false).with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    Ok(())
}

/// Says what is wrong with a pipeline's file: drawn, or as a line of the log if that is for programs.
pub(crate) fn show(problem: &Problem) {
    let is_error = problem.severity() == Severity::Error;
    if !JSON.load(Relaxed) {
        if is_error || tracing::enabled!(tracing::Level::WARN) {
            say(format_args!("{problem}\n"));
        }
        return;
    }
    let text = problem.text();
    match (problem.place(), is_error) {
        (Some((file, line, column)), true) => error!(file, line, column, "{text}"),
        (Some((file, line, column)), false) => warn!(file, line, column, "{text}"),
        (None, true) => error!("{text}"),
        (None, false) => warn!("{text}"),
    }
}
