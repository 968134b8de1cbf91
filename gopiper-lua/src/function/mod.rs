//! A Lua function as a transform, at work. The pipeline around it is not known here: the module
//! that the file uses when it first runs is in `module`.
//!
//! Each worker has a LuaJIT state of its own, in which the whole file of the pipeline runs again.
//! There, `gopiper` only counts: the function with the same number is the worker's, and its
//! surroundings (helpers, globals, required modules) exist, too. A batch is one call: the loop over
//! its messages is Lua, too, so that it is compiled together with the function.
//!
//! A function with a window has a second one, `flush`, which the worker's timer and end call.
mod ffi;
mod json;
mod serialized;
mod structured;
#[cfg(test)]
mod tests;
mod window;

use std::{sync::Arc, time::Duration};

use gopiper_abi::{
    BatchCall, BatchComponent, Counter, Error, HandleFlags, Level, own, raw::client::FactoryHandle,
};
use gopiper_core::plural;
use mlua::{Function, Lua, LuaString, Table, UserData, Value};

use crate::{
    language::{
        env::{env, unknown},
        script::Script,
        secret::Secret,
    },
    problem::place::Place,
    state::{
        Chunk, plain_state,
        time_limit::{Limit, LimitedCode, Progress},
    },
};

/// `gopiper` in a worker.
static COUNTING: Chunk = Chunk::own(include_str!("lua/counting.lua"));

/// One of the functions that a file puts into pipelines.
pub(crate) struct Wanted {
    /// From 1 on.
    pub(crate) number: usize,
    /// From [`position_of`].
    pub(crate) at: String,
}

/// A transform that calls a function of the file, and flushes its window at an interval. The
/// function of a route selects the branch of a message.
pub(crate) fn transform(
    name: &'static str,
    source: Arc<Script>,
    wanted: Wanted,
    limit: Duration,
    every: Option<Duration>,
) -> FactoryHandle {
    // A window joins messages.
    let why = if every.is_some() { "a window makes messages from several" } else { "" };
    own::combining_transform(name, why, move |postponed| {
        LuaFunction::new(&source, &wanted, limit, every, ffi::new_state(postponed))
            .map_err(|error| Error::new(source.said(&error)))
    })
}

/// The position of a function's definition; for a route's conditions, that of the call that creates
/// the route.
pub(crate) fn position_of(lua: &Lua, decide: &Value) -> String {
    let place = match decide.as_function().map(Function::info) {
        Some(info) => info
            .source
            .and_then(|source| Some((source.strip_prefix('@')?.to_owned(), info.line_defined?))),
        None => Place::of_call(lua, "", 0, None).map(|place| (place.chunk, place.line)),
    };
    place.map_or("?".into(), |(chunk, line)| format!("{chunk}:{line}"))
}

/// The positions of the functions that a file puts into pipelines when it runs in a worker.
pub(crate) fn count(source: &Arc<Script>) -> mlua::Result<Vec<String>> {
    let (lua, progress) = plain_state()?;
    let list = lua.create_table()?;
    run_again(&lua, &progress, source, 0, list, |_, _| {})?.raw_get("at")
}

/// The error for a function that is a different one when the file runs again.
pub(crate) fn differs(
    source: &Script,
    number: usize,
    first: Option<&String>,
    again: Option<&String>,
) -> String {
    let (before, at) = (number.saturating_sub(1), |at: &String| source.placed(at));
    let differs = match (first, again) {
        (Some(first), Some(again)) => format!(
            "function {number} is the one at {} in the first run, and the one at {} in the second",
            at(first),
            at(again)
        ),
        (first, again) => {
            let (fewer, more) = match first {
                Some(_) => ("second", "first"),
                None => ("first", "second"),
            };
            format!(
                "the {fewer} run puts {} into pipelines, the {more} one more (the next is at {})",
                plural(before, "function"),
                first.or(again).map_or("?".into(), at)
            )
        }
    };
    format!(
        "the file does not put the same functions into pipelines each time it runs\n{differs}\n\
         each worker runs the file again: it must not depend on random numbers, the time or other files"
    )
}

/// The placeholder for a component, a buffer, a transform or a graph in a worker, which uses none.
/// Unlike the placeholder of the language, it supports no operation.
struct WorkerPlaceholder;

impl UserData for WorkerPlaceholder {}

/// Runs the file as a worker does. Returns the positions of its functions (`at`), and the function
/// with this number if there is one (`found`), with its `flush` or its `branches`, and its `kind`.
fn run_again(
    lua: &Lua,
    progress: &Progress,
    source: &Arc<Script>,
    number: usize,
    list: Table,
    log: impl Fn(&str, bool) + Send + 'static,
) -> mlua::Result<Table> {
    let given = lua.create_table()?;
    given.set("number", number)?;
    given.set("null", Value::NULL)?;
    given.set("list", list)?;
    given.set("placeholder", lua.create_function(|_, ()| Ok(WorkerPlaceholder))?)?;
    given.set("secret", lua.create_function(|_, ()| Ok(Secret(String::new())))?)?;
    given.set("position_of", lua.create_function(|lua, decide| Ok(position_of(lua, &decide)))?)?;
    let env = |lua: &Lua, (name, default): (Value, Value)| {
        Ok(env(lua, name, default).map_or_else(|error| (None, Some(error)), |v| (Some(v), None)))
    };
    given.set("env", lua.create_function(env)?)?;
    let unknown = |_: &Lua, (gopiper, name): (Table, Value)| {
        Ok(unknown(&gopiper, &name).lines().next().map(String::from))
    };
    given.set("unknown", lua.create_function(unknown)?)?;
    let (module, counted): (Table, Table) = COUNTING.function(lua)?.call(given)?;
    lua.register_module("gopiper", module)?;
    source.run(lua, progress, number, log)?;
    counted.get::<Function>("ended")?.call::<()>(())?;
    Ok(counted)
}

struct LuaFunction {
    run: Function,
    flush: Function,
    every: Option<Duration>,
    limit: Arc<Limit>,
    failed_flushes: Counter,
    lua: Lua,
    // Dropped last: Lua refers to it.
    state: ffi::OwnedState,
}

impl LuaFunction {
    fn new(
        source: &Arc<Script>,
        wanted: &Wanted,
        limit: Duration,
        every: Option<Duration>,
        state: ffi::OwnedState,
    ) -> mlua::Result<Self> {
        let (lua, make, list) = ffi::lua(state.for_lua(), source)?;
        let host = state.postponed.host().clone();
        let log = move |text: &str, has_ended| {
            // Lines that the file itself prints were logged in its first run.
            if has_ended {
                host.log(Level::INFO, module_path!(), text);
            }
        };
        let counted = run_again(&lua, &state.progress, source, wanted.number, list, log)?;
        let (user, kind): (Option<Function>, Option<String>) =
            (counted.raw_get("found")?, counted.raw_get("kind")?);
        let at = counted.get::<Table>("at")?.raw_get::<Option<String>>(wanted.number)?;
        let (Some(user), Some(kind), true) = (user, kind, at.as_ref() == Some(&wanted.at)) else {
            let text = differs(source, wanted.number, Some(&wanted.at), at.as_ref());
            return Err(mlua::Error::runtime(text));
        };
        let (flush, branches): (Value, Value) =
            (counted.raw_get("flush")?, counted.raw_get("branches")?);
        let subject = format!("the {kind} at {}", source.placed(&wanted.at));
        let (run, flush) = make.call((user, flush, branches, &*subject))?;
        let host = state.postponed.host().clone();
        let failed_flushes = host
            .metric("failed_flushes_total", "Calls of `flush` that ended with an error.")
            .counter()
            .map_err(mlua::Error::external)?;
        let complain = Box::new(move |text: &str| host.log(Level::ERROR, module_path!(), text));
        let limit = Limit::new(subject, LimitedCode::Function, limit, complain);
        Ok(LuaFunction { run, flush, every, limit, failed_flushes, lua, state })
    }

    /// Calls the window's function. If it succeeds, its messages are sent; otherwise nothing has
    /// happened, and the kept messages wait for the next time.
    fn flush(&mut self, ended: bool) -> Result<(), Error> {
        // It is no message's, but holds as one does.
        self.state.forget();
        let running = self.limit.begin(&self.lua, &self.state.progress);
        let problem: mlua::Result<Option<LuaString>> = self.flush.call(ended);
        // Sending may wait for as long as it likes.
        drop(running);
        self.state.forget();
        let problem = match problem {
            Ok(None) => {
                let state = &mut *self.state;
                state.window.send(&state.postponed);
                return Ok(());
            }
            Ok(Some(text)) => text.to_string_lossy(),
            Err(error) => error.to_string(),
        };
        self.state.window.take_back();
        Err(Error::new(problem))
    }

    fn wake_after(&self, moment: i64) {
        if let Some(every) = self.every {
            let every = every.as_nanos().try_into().unwrap_or(i64::MAX);
            self.state.postponed.host().wake_at(moment.saturating_add(every));
        }
    }
}

impl BatchComponent for LuaFunction {
    fn start(&mut self) -> Result<(), Error> {
        self.wake_after(self.state.postponed.host().monotonic());
        Ok(())
    }

    fn handle_batch(&mut self, mut call: BatchCall<'_>) -> HandleFlags {
        let _running = self.limit.begin(&self.lua, &self.state.progress);
        ffi::run(&self.run, &self.lua, &self.state, self.limit.subject(), &mut call);
        call.reported()
    }

    /// A flush that fails is logged and tried again the next time, so its error is temporary.
    fn timer(&mut self, now: i64) -> Result<(), Error> {
        self.wake_after(now);
        self.flush(false).map_err(|error| {
            self.failed_flushes.add(1);
            Error::new(format!("flush: {error}")).temporary()
        })
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        if self.every.is_none() {
            return Ok(());
        }
        let flushed = self.flush(true);
        let left = self.state.window.give_back();
        if left > 0 && flushed.is_ok() {
            let text = match left {
                1 => "1 message was neither emitted nor dropped under its key by the last flush; \
                      it returns to its source"
                    .into(),
                left => format!(
                    "{left} messages were neither emitted nor dropped under their keys by the \
                     last flush; they return to their source"
                ),
            };
            self.state.postponed.host().log(Level::ERROR, module_path!(), &text);
        }
        flushed.map_err(|error| Error::new(format!("the last flush failed: {error}")))
    }
}
