//! The arguments of several commands.
use std::{ops::RangeInclusive, path::PathBuf};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};

/// A pipeline's file, and its state directory.
#[derive(Debug, Clone, Args)]
pub(crate) struct PipelineArguments {
    /// The Lua file that creates the pipelines.
    #[arg(default_value = "pipeline.lua", env = "GOPIPER_PIPELINE")]
    pub(crate) file: PathBuf,
    /// The state directory: checkpoints, buffers, dead letters [default: a folder of the file's own
    /// in $XDG_STATE_HOME/gopiper].
    #[arg(long, env = "GOPIPER_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// The places of components.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// More directories to search for components, separated by colons.
    #[arg(long, env = "GOPIPER_COMPONENT_PATH", value_delimiter = ':', value_name = "DIRS",
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) component_path: Vec<PathBuf>,
}

/// Reads a number in a range.
///
/// # Errors
/// It is not a number, or out of the range, as text that names the unit.
pub(crate) fn in_range(text: &str, range: RangeInclusive<f64>, unit: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("give {unit}, from {} to {}", range.start(), range.end()))
}

/// How often a tap shows a message, for the command and for the server.
pub(crate) fn tap_rate(text: &str) -> Result<f64, String> {
    in_range(text, 0.001..=1000.0, "messages a second")
}

/// How often a message is followed, for the command and for the server.
pub(crate) fn trace_rate(text: &str) -> Result<f64, String> {
    in_range(text, 0.001..=100.0, "messages a second")
}

/// How long a followed message may take before it is shown, for the command and for the server.
pub(crate) fn trace_wait(text: &str) -> Result<f64, String> {
    in_range(text, 0.0..=86_400.0, "seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_its_range() {
        assert_eq!([tap_rate("0.001"), tap_rate("1e3")], [Ok(0.001), Ok(1000.0)]);
        for text in ["0", "1000.1", "NaN", "-1", "", "x"] {
            let said = "give messages a second, from 0.001 to 1000";
            assert_eq!(tap_rate(text), Err(said.into()), "{text}");
        }
        assert_eq!(trace_wait("-1"), Err("give seconds, from 0 to 86400".into()));
    }
}
