//! The log, on standard error.
use clap::{Args, ValueEnum, builder::BoolishValueParser};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::command::terminal::{output::standard_error, problems};

/// The options of the log.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Log more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Log errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", env = "GOPIPER_QUIET",
        value_parser = BoolishValueParser::new())]
    pub(crate) quiet: bool,
    /// The format of log lines.
    #[arg(long, global = true, value_enum, default_value_t, env = "GOPIPER_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
    /// The levels of the log, as in warn,gopiper::component=debug; overrides -v and -q.
    #[arg(long, global = true, env = "GOPIPER_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: a JSON object for each line.
    Json,
}

/// Sets up the log. `as_json` writes it as JSON, for a command whose output is for programs. `more`
/// receives the same lines.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn init(
    arguments: &LogArguments,
    as_json: bool,
    more: Option<impl Layer<Registry> + Send + Sync>,
) -> Result<(), String> {
    let format = if as_json { LogFormat::Json } else { arguments.log_format };
    if matches!(format, LogFormat::Json) {
        problems::write_objects();
    }
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "trace",
    };
    let targets = targets(arguments.log.as_deref().unwrap_or(level))?;
    let registry = tracing_subscriber::registry().with(more).with(targets);
    let lines = fmt::layer().with_writer(standard_error);
    match format {
        LogFormat::Text => registry.with(lines.with_target(false).with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    Ok(())
}

/// Libraries that would log each part of each request. They log errors only, unless the operator
/// names them.
const TALKATIVE: [&str; 5] = ["h2", "hyper", "hyper_util", "tonic", "tower"];

/// The levels in a filter's text. Spaces and empty parts in it mean nothing; without a level of its
/// own, everything else logs errors.
fn targets(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_targets(TALKATIVE.map(|library| (library, LevelFilter::ERROR)));
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (target, level) = part.split_once('=').map_or((None, part), |(t, l)| (Some(t), l));
        let level: LevelFilter = level.parse().map_err(|_| {
            format!(
                "the log filter '{text}' cannot be read: '{level}' is not a level\n\
                 it is a list like warn,gopiper::component=debug, with the levels off, error, \
                 warn, info, debug and trace"
            )
        })?;
        targets = match target {
            Some(target) => targets.with_target(target, level),
            None => targets.with_default(level),
        };
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_filter_is_a_list_of_levels() {
        let filter = targets(" warn, gopiper::component=debug,").unwrap();
        assert!(filter.would_enable("gopiper::component::grep", &Level::DEBUG));
        assert!(filter.would_enable("gopiper_core", &Level::WARN));
        assert!(!filter.would_enable("gopiper_core", &Level::INFO));
        let nothing = targets(" ,").unwrap();
        assert!(nothing.would_enable("gopiper_core", &Level::ERROR));
        assert!(!nothing.would_enable("gopiper_core", &Level::WARN));
        let all = targets("trace").unwrap();
        assert!(all.would_enable("gopiper_core", &Level::TRACE));
        assert!(!all.would_enable("h2::codec", &Level::DEBUG));
        assert!(targets("warn,h2=trace").unwrap().would_enable("h2::codec", &Level::DEBUG));
        for (text, level) in [("gopiper=loud", "loud"), ("warn,debgu", "debgu")] {
            let expected =
                format!("the log filter '{text}' cannot be read: '{level}' is not a level");
            let error = targets(text).unwrap_err();
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
