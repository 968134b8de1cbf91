//! A Lua function as a transform.
//!
//! Each worker has a LuaJIT state of its own. In it the whole file of the pipeline runs again, where
//! `gopiper` only counts: the function with the same number is the one, and what it needs around it
//! (helpers, globals, what was required) is simply there. A batch is one call: the loop over its
//! messages is Lua too, so that it is compiled together with the function.
mod ffi;
mod json;
mod limit;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use gopiper_abi::{BatchCall, BatchComponent, Error, HandleFlags, own, raw::client::FactoryHandle};
use mlua::{Function, Lua, Table};

use self::limit::Limit;
use crate::{
    env::{env_in_worker, unknown_in_worker},
    source::Source,
};

/// How long a function may take for one message, unless the operator says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A transform that calls function `number` (from 1 on) of those that the file puts into pipelines.
pub(crate) fn transform(source: Arc<Source>, number: usize, limit: Duration) -> FactoryHandle {
    own::transform("lua", move |postponed| {
        LuaFunction::new(&source, number, limit, ffi::State::new(postponed))
            .map_err(|error| Error::new(source.said(&error)))
    })
}

/// How many functions a file puts into pipelines when it runs in a worker.
pub(crate) fn count(source: &Source) -> mlua::Result<usize> {
    run_again(&Lua::new(), source, 0)?.raw_get("count")
}

/// Runs the file as a worker does. Returns what `gopiper` was in it: with `count`, and `found`, if there
/// is a function of this number.
fn run_again(lua: &Lua, source: &Source, number: usize) -> mlua::Result<Table> {
    let counting = lua.load(include_str!("counting.lua")).set_name("=gopiper");
    let given = (number, env_in_worker(lua)?, unknown_in_worker(lua)?);
    let module: Table = counting.call(given)?;
    lua.register_module("gopiper", &module)?;
    source.run(lua)?;
    Ok(module)
}

struct LuaFunction {
    run: Function,
    limit: Arc<Limit>,
    lua: Lua,
    // Dropped last: Lua refers to it.
    state: Box<ffi::State>,
}

impl LuaFunction {
    fn new(
        source: &Source,
        number: usize,
        limit: Duration,
        mut state: Box<ffi::State>,
    ) -> mlua::Result<Self> {
        let (lua, make) = ffi::lua(state.pointer())?;
        let found: Option<Function> = run_again(&lua, source, number)?.raw_get("found")?;
        let user = found.ok_or_else(|| {
            let text = format!("the file has no function {number} when it runs in a worker");
            mlua::Error::runtime(text)
        })?;
        Ok(LuaFunction { run: make.call(user)?, limit: Limit::new(limit), lua, state })
    }
}

impl BatchComponent for LuaFunction {
    fn handle_batch(&mut self, mut call: BatchCall<'_>) -> HandleFlags {
        let _running = self.limit.begin(&self.lua, &self.state.progress);
        if let Err(error) = ffi::run(&self.run, call.header()) {
            // Not the function's own errors, which are reported: Lua has no memory, say.
            panic!("{error}");
        }
        call.reported()
    }
}
