//! A pipeline's file, run once.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gopiper_core::Pipeline;
use mlua::Lua;
use thiserror::Error;

use crate::{
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
    /// It ran through without making any.
    #[error("{0} makes no pipeline: call gopiper.createPipeline with a list of components")]
    NoPipeline(PathBuf),
}

/// Runs the file and returns the pipelines that it makes, with what the operator should know.
///
/// # Errors
/// When the file can't be read, stops at an error, or makes no pipeline.
pub fn load(file: &Path, settings: &Settings) -> Result<(Vec<Pipeline>, Vec<String>), LuaError> {
    let source = fs::read(file).map_err(|error| LuaError::Read { file: file.into(), error })?;
    let lua = Lua::new();
    // LuaJIT shows sixty letters of a name: the path is put before it afterwards.
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let search = SearchPath::new(file, &settings.component_path);
    let run = || {
        module::register(&lua, search, settings.clone())?;
        require_from(&lua, file)?;
        lua.load(source).set_name(format!("@{name}")).exec()
    };
    run().map_err(|error| {
        let text = first_cause(&error);
        LuaError::Lua(match text.strip_prefix(&format!("{name}:")) {
            Some(rest) => format!("{}:{rest}", file.display()),
            None => text,
        })
    })?;
    let made = lua.remove_app_data::<Made>().unwrap_or_default();
    if made.pipelines.is_empty() {
        return Err(LuaError::NoPipeline(file.into()));
    }
    Ok((made.pipelines, made.warnings))
}

/// `require` finds Lua files beside the pipeline's, and nowhere unasked.
fn require_from(lua: &Lua, file: &Path) -> mlua::Result<()> {
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
