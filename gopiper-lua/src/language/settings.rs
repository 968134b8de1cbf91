//! What the operator says beside the pipeline's file.
use std::{path::PathBuf, time::Duration};

use gopiper_core::loader::Trust;

/// What the operator says beside the file.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// More directories to look for components in.
    pub component_path: Vec<PathBuf>,
    /// Where components may keep what they must remember.
    pub state_directory: Option<PathBuf>,
    /// Whose components are loaded, whatever the file says of that.
    pub trust: Option<Trust>,
    /// How long pipelines may take to drain once they are told to stop.
    pub shutdown_timeout: Option<Duration>,
    /// What chance in Lua (`math.random`) begins from; another number in each run if it is not given.
    pub seed: Option<u64>,
}
