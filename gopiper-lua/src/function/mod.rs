//! A Lua function as a transform.
//!
//! Each worker has a LuaJIT state of its own. In it the whole file of the pipeline runs again, where
//! `gopiper` only counts: the function with the same number is the one, and what it needs around it
//! (helpers, globals, what was required) is simply there. A batch is one call: the loop over its
//! messages is Lua too, so that it is compiled together with the function.
//!
//! A function that collects has a second one beside it, which the worker's timer calls, and its end.
mod ffi;
mod json;
mod limit;
mod serialized;
mod structured;
#[cfg(test)]
mod tests;
mod window;

use std::{sync::Arc, time::Duration};

use gopiper_abi::{
    BatchCall, BatchComponent, Error, HandleFlags, Level, own, raw::client::FactoryHandle,
};
use mlua::{Function, Lua, LuaString, Table, Value};

use self::limit::Limit;
use crate::{
    env::{env_in_worker, unknown_in_worker},
    source::Source,
};

/// How long a function may take for one message, unless the operator says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A transform that calls function `number` (from 1 on) of those that the file puts into pipelines, and
/// flushes its window so often. One that decides on a route says which branch a message takes.
pub(crate) fn transform(
    name: &'static str,
    source: Arc<Source>,
    number: usize,
    limit: Duration,
    every: Option<Duration>,
) -> FactoryHandle {
    own::transform(name, move |postponed| {
        LuaFunction::new(&source, number, limit, every, ffi::State::new(postponed))
            .map_err(|error| Error::new(source.said(&error)))
    })
}

/// How many functions a file puts into pipelines when it runs in a worker.
pub(crate) fn count(source: &Arc<Source>) -> mlua::Result<usize> {
    run_again(&Lua::new(), source, 0, |_, _| {})?.raw_get("count")
}

/// Runs the file as a worker does. Returns what `gopiper` was in it: with `count`, and `found` and its
/// `flush` or its `branches`, if there is a function of this number.
fn run_again(
    lua: &Lua,
    source: &Arc<Source>,
    number: usize,
    log: impl Fn(&str, bool) + Send + 'static,
) -> mlua::Result<Table> {
    let counting = lua.load(include_str!("lua/counting.lua")).set_name("=gopiper");
    let given = (number, env_in_worker(lua)?, unknown_in_worker(lua)?, Value::NULL);
    let module: Table = counting.call(given)?;
    lua.register_module("gopiper", &module)?;
    source.run(lua, log)?;
    Ok(module)
}

struct LuaFunction {
    run: Function,
    flush: Function,
    every: Option<Duration>,
    limit: Arc<Limit>,
    lua: Lua,
    // Dropped last: Lua refers to it.
    state: Box<ffi::State>,
}

impl LuaFunction {
    fn new(
        source: &Arc<Source>,
        number: usize,
        limit: Duration,
        every: Option<Duration>,
        mut state: Box<ffi::State>,
    ) -> mlua::Result<Self> {
        let (lua, make) = ffi::lua(state.pointer())?;
        let host = state.postponed.host().clone();
        let module = run_again(&lua, source, number, move |text, has_ended| {
            // What the file itself prints was said when it was first run.
            if has_ended {
                host.log(Level::INFO, module_path!(), text);
            }
        })?;
        let user: Option<Function> = module.raw_get("found")?;
        let user = user.ok_or_else(|| {
            let text = format!("the file has no function {number} when it runs in a worker");
            mlua::Error::runtime(text)
        })?;
        let (flush, branches): (Value, Value) =
            (module.raw_get("flush")?, module.raw_get("branches")?);
        let (run, flush) = make.call((user, flush, branches))?;
        Ok(LuaFunction { run, flush, every, limit: Limit::new(limit), lua, state })
    }

    /// Calls the window's function. What it has made is sent if it ends well; else nothing has happened, and
    /// what is kept waits for the next time.
    fn flush(&mut self, ended: bool) -> Result<(), Error> {
        let running = self.limit.begin(&self.lua, &self.state.progress);
        let problem: mlua::Result<Option<LuaString>> = self.flush.call(ended);
        // Sending may wait for as long as it likes.
        drop(running);
        let problem = match problem {
            Ok(None) => {
                self.state.window.send(&self.state.postponed);
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
        if let Err(error) = ffi::run(&self.run, call.header()) {
            // Not the function's own errors, which are reported: Lua has no memory, say.
            panic!("{error}");
        }
        call.reported()
    }

    /// A flush that fails is told, and tried again the next time.
    fn timer(&mut self, now: i64) -> Result<(), Error> {
        if let Err(error) = self.flush(false) {
            let host = self.state.postponed.host();
            host.counter("failed_flushes_total", "Calls of `flush` that ended with an error")
                .add(1);
            let text = format!("its flush has failed, and is called again: {error}");
            host.log(Level::ERROR, module_path!(), &text);
        }
        self.wake_after(now);
        Ok(())
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        if self.every.is_some() { self.flush(true) } else { Ok(()) }
    }
}
