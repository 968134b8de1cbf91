//! The text of a pipeline's file. It runs once to create pipelines, and again in each worker of a
//! function.
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gopiper_abi::nearest::did_you_mean;
use mlua::{Function, Lua, LuaString, Table, Value};
use parking_lot::Mutex;

use crate::{
    language::{search::here, seeds::Seeds},
    problem::{
        Problem,
        place::{Place, PlaceKind},
        remark::Remark,
    },
    state::{
        Chunk, LIMIT, TEXT,
        time_limit::{Limit, LimitedCode, Progress, says_stopped},
    },
};

/// The differences from plain Lua in an operator's file.
static AROUND: Chunk = Chunk::own(include_str!("script.lua"));

/// The text of a pipeline's file, as of its first run.
pub(crate) struct Script {
    text: Chunk,
    pub(crate) file: PathBuf,
    /// The directory of the files that it may require.
    pub(crate) directory: PathBuf,
    /// Its name in Lua. LuaJIT shows sixty letters of a name, so names are paths relative to the
    /// directory.
    name: String,
    /// The files that were required, by their names in Lua, as of the first time they were read.
    required: Mutex<BTreeMap<String, Arc<Chunk>>>,
    seeds: Seeds,
}

impl Script {
    pub(crate) fn new(text: impl Into<Vec<u8>>, file: &Path) -> Self {
        let name = file.file_name().unwrap_or_default().display().to_string();
        let directory = file.parent().unwrap_or(Path::new("")).into();
        Script {
            text: Chunk::of_file(&name, text.into()),
            file: file.into(),
            directory,
            name,
            required: Mutex::default(),
            seeds: Seeds::new(None),
        }
    }

    pub(crate) fn read(file: &Path, seed: Option<u64>) -> io::Result<Self> {
        Ok(Script { seeds: Seeds::new(seed), ..Self::new(fs::read(file)?, file) })
    }

    /// Runs it, for the function with this number, or for none. `require` searches beside the file
    /// only. `log` receives printed lines, and whether the file itself has ended by then.
    pub(crate) fn run(
        self: &Arc<Self>,
        lua: &Lua,
        progress: &Progress,
        number: usize,
        log: impl Fn(&str, bool) + Send + 'static,
    ) -> mlua::Result<()> {
        let package: Table = lua.globals().get("package")?;
        package.set("path", "")?;
        let random: Function = lua.globals().get::<Table>("math")?.get("randomseed")?;
        random.call::<()>(self.seeds.next(number))?;
        let source = self.clone();
        let beside = move |lua: &Lua, module: String| source.find(lua, &module);
        package.get::<Table>("loaders")?.raw_insert(2, lua.create_function(beside)?)?;
        let log = lua.create_function(move |_, (text, has_ended): (LuaString, bool)| {
            log(&text.to_string_lossy(), has_ended);
            Ok(())
        })?;
        let ended: Function = AROUND.function(lua)?.call((log, TEXT.function(lua)?))?;
        let complain = Box::new(|text: &str| tracing::error!(code = "slow_file", "{text}"));
        let limit = Limit::new(self.file.display().to_string(), LimitedCode::File, LIMIT, complain);
        let _running = limit.begin(lua, progress);
        self.text.function(lua)?.call::<()>(())?;
        ended.call(())
    }

    /// Searches for a module beside the file: `a.b` is `a/b.lua`, or `a/b/init.lua`.
    fn find(&self, lua: &Lua, module: &str) -> mlua::Result<Value> {
        let name = module.replace('.', "/");
        let mut looked = String::new();
        for name in [format!("{name}.lua"), format!("{name}/init.lua")] {
            let path = self.path(&name);
            match self.required(&name) {
                Ok(chunk) => return chunk.function(lua).map(Value::Function),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    looked += &format!("\n\tno file '{}'", path.display());
                }
                Err(error) => looked += &format!("\n\tcannot read '{}': {error}", path.display()),
            }
        }
        lua.create_string(looked).map(Value::String)
    }

    /// A required file.
    fn required(&self, name: &str) -> io::Result<Arc<Chunk>> {
        let mut required = self.required.lock();
        if let Some(chunk) = required.get(name) {
            return Ok(chunk.clone());
        }
        let chunk = Arc::new(Chunk::of_file(name, fs::read(self.path(name))?));
        required.insert(name.to_owned(), chunk.clone());
        Ok(chunk)
    }

    /// The path of a file with this name in Lua.
    pub(crate) fn path(&self, chunk: &str) -> PathBuf {
        if chunk == self.name { self.file.clone() } else { self.directory.join(chunk) }
    }

    /// Its text, if it can be read.
    pub(crate) fn text(&self, chunk: &str) -> Option<String> {
        if chunk == self.name {
            return Some(String::from_utf8_lossy(&self.text.text).into_owned());
        }
        Some(String::from_utf8_lossy(&self.required(chunk).ok()?.text).into_owned())
    }

    /// The names in Lua of the files that were read.
    pub(crate) fn chunks(&self) -> Vec<String> {
        let required: Vec<_> = self.required.lock().keys().cloned().collect();
        [vec![self.name.clone()], required].concat()
    }

    /// The text of an error, with the path of the file that it names, or in which it was raised.
    pub(crate) fn said(&self, error: &mlua::Error) -> String {
        let text = first_cause(error);
        match traced(&error.to_string()).first() {
            Some((chunk, line)) if chunk_and_line(&text).is_none() => {
                format!("{}:{line}: {text}", self.path(chunk).display())
            }
            _ => self.placed(&text),
        }
    }

    /// A text that may begin with a place in Lua's form: returns it with the path of that file.
    pub(crate) fn placed(&self, text: &str) -> String {
        let text = stopped_at(text);
        let hint = match text.ends_with(NO_GOPIPER) {
            true => format!("; begin the file with: {REQUIRE}"),
            false => String::new(),
        };
        let required = self.required.lock();
        let begins_with = |chunk: &String| {
            let rest = text.strip_prefix(&**chunk)?;
            let line = rest.strip_prefix(':')?;
            line.starts_with(|c: char| c.is_ascii_digit()).then_some((self.path(chunk), rest))
        };
        match required.keys().chain([&self.name]).find_map(begins_with) {
            Some((path, rest)) => format!("{}{rest}{hint}", path.display()),
            None => format!("{text}{hint}"),
        }
    }

    /// A noted problem, with the text of its file. Only now is the file read.
    pub(crate) fn problem(&self, mut note: Remark) -> Problem {
        let at = note.place.as_ref().and_then(|place| {
            for (chunk, line) in &place.called_from {
                note.text += &format!("\ncalled from {}:{line}", self.path(chunk).display());
            }
            Some((self.path(&place.chunk).display().to_string(), self.text(&place.chunk)?))
        });
        Problem::new(note, at)
    }

    /// An error that ended the file's run.
    pub(crate) fn ended_by(&self, error: &mlua::Error) -> Remark {
        let text = first_cause(error);
        if text.contains("not enough memory") && chunk_and_line(&text).is_none() {
            // Lua does not know the line any more.
            let file = self.file.display();
            return Remark::error(
                None,
                format!(
                    "{file}: not enough memory: what the file builds when it runs is too large"
                ),
            );
        }
        if text == "stack overflow" && traced(&error.to_string()).is_empty() {
            // There was no memory for the position.
            let file = self.file.display();
            let error = format!("{file}: stack overflow: a function in it calls itself forever");
            return Remark::error(None, error);
        }
        let text = stopped_at(&text);
        let frames = traced(&error.to_string());
        let (chunk, line, said) = match (chunk_and_line(text), frames.first()) {
            (Some((chunk, line, said)), _) => (chunk.to_owned(), line, said),
            // An error without a place of its own has that where it was raised.
            (None, Some((chunk, line))) => (chunk.clone(), *line, text),
            (None, None) => return Remark::error(None, text),
        };
        let what = match (is_syntax(error), named(said)) {
            (true, _) => {
                let near = said.rsplit_once(" near '").map(|(_, near)| near.trim_end_matches('\''));
                PlaceKind::Nonsense(near.unwrap_or_default().to_owned())
            }
            (false, Some(name)) => PlaceKind::Word(name.to_owned()),
            (false, None) => PlaceKind::Line,
        };
        let here = frames.iter().position(|frame| *frame == (chunk.clone(), line));
        let mut called_from = here.map_or(&[][..], |here| &frames[here + 1..]).to_vec();
        // A recursive function occurs many times.
        called_from.dedup();
        Remark::error(Some(Place { chunk, line, what, called_from }), in_words(said))
    }
}

/// Lua's message, without the parts that do not help an operator.
fn in_words(said: &str) -> String {
    if said.starts_with("table: 0x") {
        return "an error that is a table: give error() a text".into();
    }
    match said.split_once(" not found:\n") {
        Some((module, looked)) if module.starts_with("module '") => {
            let files = looked.lines().map(str::trim).filter(|line| line.contains(" file '"));
            format!("{module} not found\n{}", files.collect::<Vec<_>>().join("\n"))
        }
        _ if said.contains(NO_GOPIPER) => format!("{said}\nbegin the file with: {REQUIRE}"),
        _ => said.to_owned(),
    }
}

/// The error for a pipeline's file that cannot be read by a command of the program.
pub fn unreadable(file: &Path, error: &io::Error, command: &str) -> String {
    let shown = file.display();
    if error.kind() != io::ErrorKind::NotFound {
        return format!("cannot read {shown}: {error}");
    }
    let beside = fs::read_dir(here(file.parent().unwrap_or(Path::new(""))));
    let names = beside.into_iter().flatten().flatten();
    let names: Vec<_> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let lua: Vec<_> = names.iter().map(String::as_str).filter(|n| n.ends_with(".lua")).collect();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match (did_you_mean(&name, &lua), file == Path::new("pipeline.lua")) {
        (meant, false) => format!("there is no file {shown}{meant}"),
        (meant, true) if !meant.is_empty() => format!("there is no {shown} here{meant}"),
        (_, true) => format!("there is no {shown} here; name the file: gopiper {command} FILE"),
    }
}

/// Lua's words for a file, or a function in it, that does not require the module.
const NO_GOPIPER: &str = "global 'gopiper' (a nil value)";
const REQUIRE: &str = "local gopiper = require('gopiper')";

/// The place that Lua puts before the text of an error, and the text.
fn chunk_and_line(text: &str) -> Option<(&str, usize, &str)> {
    let (chunk, rest) = text.split_once(".lua:").map(|(name, rest)| (name.len() + 4, rest))?;
    let (line, said) = rest.split_once(": ")?;
    let chunk = &text[..chunk];
    let is_one = !chunk.contains(['\n', '\'', '"']);
    Some((chunk, line.parse().ok().filter(|line| is_one && *line > 0)?, said))
}

/// The text that says that something was stopped, without the line that resumed its coroutine,
/// which Lua puts before it.
fn stopped_at(mut text: &str) -> &str {
    while let Some((_, _, rest)) = chunk_and_line(text)
        && says_stopped(rest)
        && chunk_and_line(rest).is_some()
    {
        text = rest;
    }
    text
}

/// The places of a traceback in the operator's files, the innermost first.
fn traced(traceback: &str) -> Vec<(String, usize)> {
    let places = traceback.lines().filter_map(|line| chunk_and_line(line.strip_prefix('\t')?));
    places.map(|(chunk, line, _)| (chunk.to_owned(), line)).collect()
}

/// The name that an error concerns, in Lua's words.
fn named(said: &str) -> Option<&str> {
    let kinds = ["global '", "local '", "upvalue '", "field '", "method '"];
    let name = kinds.iter().find_map(|kind| said.split_once(kind));
    Some(name?.1.split_once('\'')?.0).filter(|name| *name != "?")
}

fn is_syntax(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::CallbackError { cause, .. } => is_syntax(cause),
        error => matches!(error, mlua::Error::SyntaxError { .. }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::plain_state;

    #[test]
    fn required_files_are_as_they_were_in_the_first_run() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text| fs::write(folder.path().join("lib.lua"), text).unwrap();
        let file = folder.path().join("pipeline.lua");
        let source = Arc::new(Script::new("found = require('lib')", &file));
        let run = || {
            let (lua, progress) = plain_state().unwrap();
            source
                .run(&lua, &progress, 0, |_, _| {})
                .map(|()| lua.globals().get::<String>("found").unwrap())
        };
        assert!(source.said(&run().unwrap_err()).contains("module 'lib' not found"));
        write("return 'as it was'");
        assert_eq!(run().unwrap(), "as it was");
        write("return 'changed'");
        assert_eq!(run().unwrap(), "as it was");
    }
}
