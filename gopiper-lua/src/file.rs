//! A pipeline's file, run once.
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gopiper_core::Pipeline;
use mlua::Lua;
use thiserror::Error;

use crate::{
    function,
    module::{self, Made},
    search::SearchPath,
    settings::Settings,
    source::Source,
};

/// Why a file makes no pipeline.
#[derive(Debug, Error)]
pub enum LuaError {
    /// It can't be read.
    #[error("cannot read {file}: {error}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Lua stopped at an error; the text names file and line.
    #[error("{0}")]
    Lua(String),
    /// It does not do the same each time that it is run.
    #[error(
        "{file} puts {once} function(s) into pipelines when it is first run, and {again} when it is run \
         again, as each worker does: which those are must not depend on anything that changes"
    )]
    Functions {
        /// The file.
        file: PathBuf,
        /// How many at first.
        once: usize,
        /// How many then.
        again: usize,
    },
    /// It ran through without making any.
    #[error("{0} makes no pipeline: call gopiper.createPipeline with a list of components")]
    NoPipeline(PathBuf),
}

/// Runs the file and returns the pipelines that it makes, with what the operator should know.
///
/// # Errors
/// When the file can't be read, stops at an error, or makes no pipeline.
pub fn load(file: &Path, settings: &Settings) -> Result<(Vec<Pipeline>, Vec<String>), LuaError> {
    let source = Source::read(file);
    let source = Arc::new(source.map_err(|error| LuaError::Read { file: file.into(), error })?);
    let failed = |error| LuaError::Lua(source.said(&error));
    let lua = Lua::new();
    let search = SearchPath::new(file, &settings.component_path);
    module::register(&lua, search, settings.clone(), source.clone()).map_err(failed)?;
    source.run(&lua).map_err(failed)?;
    let made = lua.remove_app_data::<Made>().unwrap_or_default();
    if made.pipelines.is_empty() {
        return Err(LuaError::NoPipeline(file.into()));
    }
    if made.functions > 0 {
        let again = function::count(&source).map_err(failed)?;
        if again != made.functions {
            let file = file.into();
            return Err(LuaError::Functions { file, once: made.functions, again });
        }
    }
    Ok((made.pipelines, made.warnings))
}
