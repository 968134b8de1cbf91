//! What `require('gopiper')` gives.
mod component;
mod options;
mod pipeline;
mod steps;
mod table;

use std::sync::Arc;

use gopiper_core::Pipeline;
use mlua::{Error, FromLua, Lua, Table, Value, Variadic};

use self::{
    component::{load_component, transform},
    options::buffer_options,
    pipeline::create_pipeline,
    steps::{Buffer, merge, route, tee},
};
use crate::{convert::a, env::env, search::SearchPath, settings::Settings, source::Source};

/// What the file has made so far.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) warnings: Vec<String>,
    /// How many functions are transforms in pipelines.
    pub(crate) functions: usize,
}

/// Registers the module, so that `require('gopiper')` finds it.
pub(crate) fn register(
    lua: &Lua,
    search: SearchPath,
    settings: Settings,
    source: Arc<Source>,
) -> mlua::Result<()> {
    lua.set_app_data(Made::default());
    let module = lua.create_table()?;
    module.set(
        "loadComponent",
        lua.create_function(move |lua, arguments: (Value, Value, Value)| {
            load_component(lua, &search, arguments)
                .map_err(|error| here(lua, "loadComponent", &error))
        })?,
    )?;
    for (name, status) in
        [("DONE", 0), ("CONTINUE", 1), ("RETRY", 100), ("FAIL", 200), ("DROP", 300)]
    {
        module.set(name, status)?;
    }
    module.set("NULL", Value::NULL)?;
    module.set("env", env(lua)?)?;
    module.set(
        "transform",
        lua.create_function(|lua, arguments: (Value, Value)| {
            transform(lua, arguments).map_err(|error| here(lua, "transform", &error))
        })?,
    )?;
    module.set(
        "buffer",
        lua.create_function(|lua, options: Value| {
            let made = argument::<Option<Table>>(lua, options, "1 (the options)");
            let made = made.and_then(|table| table.map_or(Ok(Default::default()), buffer_options));
            made.map(Buffer).map_err(|error| here(lua, "buffer", &error))
        })?,
    )?;
    let taking = source.clone();
    module.set(
        "tee",
        lua.create_function(move |lua, branches: Variadic<Value>| {
            tee(lua, &taking, branches).map_err(|error| here(lua, "tee", &error))
        })?,
    )?;
    let taking = source.clone();
    module.set(
        "merge",
        lua.create_function(move |lua, lists: Variadic<Value>| {
            merge(lua, &taking, lists).map_err(|error| here(lua, "merge", &error))
        })?,
    )?;
    let taking = source.clone();
    module.set(
        "route",
        lua.create_function(move |lua, arguments: (Value, Value, Value)| {
            route(lua, &taking, arguments).map_err(|error| here(lua, "route", &error))
        })?,
    )?;
    module.set(
        "createPipeline",
        lua.create_function(move |lua, arguments: (Value, Value)| {
            create_pipeline(lua, &settings, &source, arguments)
                .map_err(|error| here(lua, "createPipeline", &error))
        })?,
    )?;
    lua.register_module("gopiper", module)
}

/// An error that names the line of the Lua file that called the function.
fn here(lua: &Lua, function: &str, error: &str) -> Error {
    let place = lua.inspect_stack(1, |frame| {
        let source = frame.source().short_src.unwrap_or_default().into_owned();
        frame.current_line().map(|line| format!("{source}:{line}: "))
    });
    Error::runtime(format!("{}{function}: {error}", place.flatten().unwrap_or_default()))
}

fn argument<T: FromLua>(lua: &Lua, value: Value, which: &str) -> Result<T, String> {
    let found = value.type_name();
    T::from_lua(value, lua).map_err(|_| {
        let wanted = std::any::type_name::<T>();
        let wanted = if wanted.contains("Table") { "a table" } else { "a string" };
        format!("argument {which} must be {wanted}, not {}", a(found))
    })
}
