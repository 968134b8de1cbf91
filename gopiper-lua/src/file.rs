//! A pipeline's file, run once.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gopiper_core::Pipeline;
use mlua::Lua;
use thiserror::Error;

use crate::{
    function::{self, Source},
    module::{self, Made},
    search::SearchPath,
    settings::Settings,
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
    let text = fs::read(file).map_err(|error| LuaError::Read { file: file.into(), error })?;
    let source = Arc::new(Source { text, file: file.into() });
    let lua = Lua::new();
    let search = SearchPath::new(file, &settings.component_path);
    let run = || {
        module::register(&lua, search, settings.clone(), source.clone())?;
        require_from(&lua, file)?;
        lua.load(&source.text[..]).set_name(chunk_name(file)).exec()
    };
    run().map_err(|error| LuaError::Lua(said(&error, file)))?;
    let made = lua.remove_app_data::<Made>().unwrap_or_default();
    if made.pipelines.is_empty() {
        return Err(LuaError::NoPipeline(file.into()));
    }
    if made.functions > 0 {
        let again = function::count(&source).map_err(|error| LuaError::Lua(said(&error, file)))?;
        if again != made.functions {
            let file = file.into();
            return Err(LuaError::Functions { file, once: made.functions, again });
        }
    }
    Ok((made.pipelines, made.warnings))
}

/// LuaJIT shows sixty letters of a name: the path is put before it afterwards, by `said`.
pub(crate) fn chunk_name(file: &Path) -> String {
    format!("@{}", file.file_name().unwrap_or_default().display())
}

/// What an error says, with the path of the file that it names.
pub(crate) fn said(error: &mlua::Error, file: &Path) -> String {
    let text = first_cause(error);
    match text.strip_prefix(&format!("{}:", &chunk_name(file)[1..])) {
        Some(rest) => format!("{}:{rest}", file.display()),
        None => text,
    }
}

/// `require` finds Lua files beside the pipeline's, and nowhere unasked.
pub(crate) fn require_from(lua: &Lua, file: &Path) -> mlua::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new(".")).display().to_string();
    let package: mlua::Table = lua.globals().get("package")?;
    package.set("path", format!("{directory}/?.lua;{directory}/?/init.lua"))
}

/// The message without Lua's traceback: it names the place already.
fn first_cause(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => first_cause(cause),
        mlua::Error::RuntimeError(text) => {
            text.split("\nstack traceback:").next().unwrap_or_default().to_owned()
        }
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}
