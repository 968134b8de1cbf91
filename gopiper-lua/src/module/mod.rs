//! The module that `require('gopiper')` returns: it collects steps and problems while a file runs.
//! Nothing here starts a pipeline, or sees a message.
mod branches;
mod call;
mod component;
mod exactly;
pub(crate) mod file;
mod made;
mod options;
mod pipeline;
mod steps;
mod table;
mod trust;

use std::sync::Arc;

use mlua::{Lua, Table, Value, Variadic};

pub(crate) use self::made::Made;
use self::{
    branches::{merge, route, tee},
    call::{ModuleCall, function},
    component::{buffer, load_component, transform},
    pipeline::create_pipeline,
    trust::trust,
};
use crate::{
    language::{
        env::{env, unknown},
        placeholder::placeholder,
        script::Script,
        search::SearchPath,
        secret::{self, Secret},
        settings::Settings,
    },
    problem::{
        place::{Place, PlaceKind},
        remark::Remark,
    },
};

/// Registers the module, so that `require('gopiper')` finds it.
pub(crate) fn register(
    lua: &Lua,
    search: SearchPath,
    settings: Settings,
    source: Arc<Script>,
) -> mlua::Result<()> {
    lua.set_app_data(Made::default());
    let module = lua.create_table()?;
    for (name, status) in
        [("DONE", 0), ("CONTINUE", 1), ("RETRY", 100), ("FAIL", 200), ("DROP", 300)]
    {
        module.set(name, status)?;
    }
    module.set("NULL", Value::NULL)?;
    let [directory, beside] = [(); 2].map(|()| source.directory.clone());
    let paths_from = (!settings.paths_from_working_directory).then(|| source.directory.clone());
    let to_load = settings.clone();
    let [for_tee, for_route, for_merge] = [(); 3].map(|()| source.clone());
    let functions = [
        function(lua, "loadComponent", 3, move |call, arguments| {
            Some(load_component(call, (&search, &to_load), paths_from.as_deref(), arguments))
        })?,
        function(lua, "transform", 2, |call, arguments| Some(transform(call, arguments)))?,
        function(lua, "buffer", 1, |call, options| Some(buffer(call, options)))?,
        function(lua, "tee", 0, move |call, branches: Variadic<Value>| {
            Some(tee(call, &for_tee, branches))
        })?,
        function(lua, "route", 3, move |call, arguments| Some(route(call, &for_route, arguments)))?,
        function(lua, "merge", 0, move |call, lists: Variadic<Value>| {
            Some(merge(call, &for_merge, lists))
        })?,
        function(lua, "createPipeline", 2, move |call, arguments| {
            create_pipeline(call, &settings, &source, arguments);
            Some(Value::Nil)
        })?,
        function(lua, "trust", 1, move |call, options| {
            trust(call, &beside, options);
            Some(Value::Nil)
        })?,
        function(lua, "list", 0, |call, items: Value| match items {
            Value::Nil => call.lua.create_table().ok(),
            items => call.argument(1, "the items", items),
        })?,
        function(lua, "env", 0, |call, (name, default)| {
            let value = env(call.lua, name, default);
            value.map_err(|error| call.wrong(1, "", error)).ok()
        })?,
        function(lua, "secret", 1, move |call, options| secret(call, &directory, options))?,
    ];
    for (name, function) in functions {
        module.set(name, function)?;
    }
    let meta = lua.create_table()?;
    meta.set("__index", lua.create_function(no_such_name)?)?;
    module.set_metatable(Some(meta))?;
    lua.register_module("gopiper", module)
}

/// The error for a name that `gopiper` does not have.
fn no_such_name(lua: &Lua, (gopiper, name): (Table, Value)) -> mlua::Result<Value> {
    let mut place = Place::of_call(lua, "", 0, None);
    if let (Some(place), Some(name)) = (&mut place, name.as_string()) {
        place.what = PlaceKind::Word(name.to_string_lossy());
    }
    if let Some(mut made) = lua.app_data_mut::<Made>() {
        made.notes.push(Remark::error(place, unknown(&gopiper, &name)));
    }
    placeholder(lua)
}

/// `gopiper.secret`.
fn secret(call: &ModuleCall<'_>, directory: &std::path::Path, options: Value) -> Option<Secret> {
    let mut given = call.options(1, options);
    let (env, file): (Option<String>, Option<String>) =
        (given.take("env", "a string"), given.take("file", "a string"));
    let is_given = given.is_given();
    given.finish();
    let (key, secret) = match (env, file) {
        (Some(name), None) => ("env", secret::from_environment(&name)),
        (None, Some(file)) => ("file", secret::from_file(&directory.join(file))),
        (None, None) if is_given => return None,
        _ => (
            "",
            Err("secret: give exactly one of env (a variable of the environment) and file".into()),
        ),
    };
    secret.map_err(|error| call.wrong(1, key, error)).ok()
}
