//! What the operator says beside the pipeline's file.
use std::path::PathBuf;

/// What the operator says beside the file.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// More directories to look for components in.
    pub component_path: Vec<PathBuf>,
    /// Where components may keep what they must remember.
    pub state_directory: Option<PathBuf>,
}
