//! The arguments of several commands.
use std::path::PathBuf;

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
