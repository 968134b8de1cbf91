//! The log, on standard error.
use std::io;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::cli::{LogArguments, LogFormat};

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
    let lines = fmt::layer().with_writer(io::stderr);
    match arguments.log_format {
        LogFormat::Text => registry.with(lines.with_target(false).with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    Ok(())
}
