//! The description of the process that its command gives to the server.
use std::{ffi::OsString, path::PathBuf};

use crate::command::arguments::PipelineArguments;

/// The process, for the server.
pub(crate) struct Served {
    /// The absolute path of the pipelines' file.
    pub(in crate::command::http) file: PathBuf,
    /// The arguments as they were given.
    pub(in crate::command::http) pipeline: PipelineArguments,
    /// The arguments of `gopiper dlq replay`; `None` if this process replays itself.
    pub(in crate::command::http) replay: Option<Vec<OsString>>,
}

impl Served {
    pub(crate) fn new(pipeline: &PipelineArguments, replay: Option<Vec<OsString>>) -> Self {
        // If the working directory does not exist any more, the path is shown as it was given.
        let file = std::path::absolute(&pipeline.file).unwrap_or_else(|_| pipeline.file.clone());
        Served { file, pipeline: pipeline.clone(), replay }
    }
}
