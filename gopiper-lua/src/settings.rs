//! What the operator says beside the pipeline's file.
use std::{path::PathBuf, time::Duration};

/// What the operator says beside the file.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// More directories to look for components in.
    pub component_path: Vec<PathBuf>,
    /// Where components may keep what they must remember.
    pub state_directory: Option<PathBuf>,
    /// How long pipelines may take to drain once they are told to stop.
    pub shutdown_timeout: Option<Duration>,
}
