//! The process, as its command describes it to the server.
use std::{ffi::OsString, path::PathBuf};

use crate::command::arguments::PipelineArguments;

/// What a server shows and does.
pub(crate) struct Served {
    /// The pipelines' file, in full.
    pub(in crate::command::http) file: PathBuf,
    /// As they were given.
    pub(in crate::command::http) pipeline: PipelineArguments,
    /// The arguments of `gopiper dlq replay`; `None` if this process replays itself.
    pub(in crate::command::http) replay: Option<Vec<OsString>>,
}

impl Served {
    pub(crate) fn new(pipeline: &PipelineArguments, replay: Option<Vec<OsString>>) -> Self {
        // Where the working directory is lost, the path is shown as it was given.
        let file = std::path::absolute(&pipeline.file).unwrap_or_else(|_| pipeline.file.clone());
        Served { file, pipeline: pipeline.clone(), replay }
    }
}
