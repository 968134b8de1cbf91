//! The operator's settings beside the pipeline's file.
use std::{path::PathBuf, time::Duration};

use gopiper_core::loader::Trust;

/// The operator's settings beside the file.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// More directories to search for components.
    pub component_path: Vec<PathBuf>,
    /// The state directory.
    pub state_directory: Option<PathBuf>,
    /// The trusted keys; they override those of the file.
    pub trust: Option<Trust>,
    /// Whether components are opened in place: see [`Trust::in_place`].
    pub load_in_place: bool,
    /// How long pipelines may take to drain after a stop.
    pub shutdown_timeout: Option<Duration>,
    /// Whether relative paths in attributes start at the working directory, and not at the folder
    /// of the file.
    pub paths_from_working_directory: bool,
    /// The seed of `math.random` in Lua; a different one in each run if it is not given.
    pub seed: Option<u64>,
}
