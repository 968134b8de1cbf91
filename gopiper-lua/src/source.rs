//! The text of a pipeline's file: run once to see what it makes, and again in each worker of a function.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mlua::Lua;

/// The text of a pipeline's file, as it was when it was first run.
pub(crate) struct Source {
    text: Vec<u8>,
    pub(crate) file: PathBuf,
    /// What Lua calls it. LuaJIT shows sixty letters of a name: `said` puts the path before it.
    name: String,
}

impl Source {
    pub(crate) fn new(text: impl Into<Vec<u8>>, file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().display().to_string();
        Source { text: text.into(), file: file.into(), name }
    }

    pub(crate) fn read(file: &Path) -> io::Result<Self> {
        Ok(Self::new(fs::read(file)?, file))
    }

    /// Runs it. `require` finds Lua files beside it, and nowhere unasked.
    pub(crate) fn run(&self, lua: &Lua) -> mlua::Result<()> {
        let directory = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new(".")).display().to_string();
        let package: mlua::Table = lua.globals().get("package")?;
        package.set("path", format!("{directory}/?.lua;{directory}/?/init.lua"))?;
        lua.load(&self.text[..]).set_name(format!("@{}", self.name)).exec()
    }

    /// What an error says, with the path of the file that it names.
    pub(crate) fn said(&self, error: &mlua::Error) -> String {
        let text = first_cause(error);
        match text.strip_prefix(&format!("{}:", self.name)) {
            Some(rest) => format!("{}:{rest}", self.file.display()),
            None => text,
        }
    }
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
