//! Lua code that runs in many states: it is parsed once.
use std::{borrow::Cow, sync::OnceLock};

use mlua::{Function, Lua, chunk::ChunkMode};

/// A file's text, and its bytecode from its first use on.
pub(crate) struct Chunk {
    /// As Lua wants it: `@` and a file's name, or `=` and the name for code that is in no file.
    name: Cow<'static, str>,
    pub(crate) text: Cow<'static, [u8]>,
    compiled: OnceLock<Vec<u8>>,
}

impl Chunk {
    /// Code of the program's own.
    pub(crate) const fn own(text: &'static str) -> Self {
        let (name, text) = (Cow::Borrowed("=gopiper"), Cow::Borrowed(text.as_bytes()));
        Chunk { name, text, compiled: OnceLock::new() }
    }

    /// The text of an operator's file. Lua shows it by this name.
    pub(crate) fn of_file(name: &str, text: Vec<u8>) -> Self {
        let (name, text) = (Cow::Owned(format!("@{name}")), Cow::Owned(text));
        Chunk { name, text, compiled: OnceLock::new() }
    }

    /// The whole of it as a function.
    ///
    /// # Errors
    /// It is not Lua, or there is no memory for it.
    pub(crate) fn function(&self, lua: &Lua) -> mlua::Result<Function> {
        if let Some(compiled) = self.compiled.get() {
            return lua.load(&compiled[..]).set_mode(ChunkMode::Binary).into_function();
        }
        let text = lua.load(&*self.text).set_name(&*self.name);
        // A text is never taken for bytecode.
        let function = text.set_mode(ChunkMode::Text).into_function()?;
        // Two threads may do this at once, with the same result.
        let _ = self.compiled.set(function.dump(false));
        Ok(function)
    }
}
