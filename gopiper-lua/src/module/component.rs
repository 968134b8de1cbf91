//! `loadComponent` and `transform`: what stands in a pipeline's list.
use std::{path::Path, time::Duration};

use gopiper_abi::raw::{RawError, client::FactoryHandle};
use gopiper_core::{ComponentOptions, ComponentSpec, loader};
use mlua::{AnyUserData, Lua, Table, UserData, Value};
use parking_lot::Mutex;

use super::{
    Made, argument,
    options::{SOME_SECONDS, component_options},
    table::{option, shown},
};
use crate::{
    convert::{self, a},
    search::SearchPath,
};

/// A component that was loaded, until a pipeline takes it.
struct Component(Mutex<Option<ComponentSpec>>);

impl UserData for Component {}

/// A function that is a transform, with what the operator wants of it.
pub(super) struct Transform(Mutex<Option<FunctionOptions>>);

/// The options of a component, and how often a function's window is flushed.
pub(super) type FunctionOptions = (ComponentOptions, Option<Duration>);

impl UserData for Transform {}

pub(super) fn load_component(
    lua: &Lua,
    search: &SearchPath,
    (file, attributes, options): (Value, Value, Value),
) -> Result<Value, String> {
    let file: String = argument(lua, file, "1 (the file)")?;
    let attributes: Option<Table> = argument(lua, attributes, "2 (the attributes)")?;
    let options: Option<Table> = argument(lua, options, "3 (the options)")?;
    let path = search.find(&file).map_err(|tried| {
        let tried: Vec<_> = tried.iter().map(|path| format!("\n  {}", path.display())).collect();
        format!("there is no '{file}'; looked for it at{}", tried.concat())
    })?;
    let component = loader::load(&path).map_err(|refusal| refusal.to_string())?;
    if let Some(mut made) = lua.app_data_mut::<Made>() {
        made.warnings.extend(component.warnings);
    }
    let options = options.map(|table| component_options(&table)).transpose()?.unwrap_or_default();
    let named = |error: RawError| describe(&file, &path, error);
    let mut factory = FactoryHandle::new(component.module).map_err(named)?;
    let attributes = match attributes {
        Some(table) => convert::map(&table, "").map_err(|error| format!("{file}: {error}"))?,
        None => Default::default(),
    };
    factory.configure(attributes).map_err(|errors| {
        let errors: Vec<_> =
            errors.into_iter().map(|error| describe(&file, &path, error)).collect();
        errors.join("\n")
    })?;
    let spec = ComponentSpec { factory, options };
    let component = lua.create_userdata(Component(Mutex::new(Some(spec))));
    component.map(Value::UserData).map_err(|error| error.to_string())
}

fn describe(file: &str, path: &Path, error: RawError) -> String {
    format!("{file}: {error} (gopiper inspect --load {} shows what can be set)", path.display())
}

/// The options of a function in the list; `None` if it is something else.
pub(super) fn function_options(item: &Value) -> Result<Option<FunctionOptions>, String> {
    if item.is_function() {
        return Ok(Some(Default::default()));
    }
    match item.as_userdata().and_then(|data| data.borrow::<Transform>().ok()) {
        None => Ok(None),
        Some(transform) => match transform.0.lock().take() {
            Some(options) => Ok(Some(options)),
            None => Err("it is in a pipeline already: make one for each place".into()),
        },
    }
}

pub(super) fn take_component(item: &Value) -> Result<ComponentSpec, String> {
    let expected = "expected a function, or what loadComponent, buffer or transform returned";
    let data: &AnyUserData =
        item.as_userdata().ok_or_else(|| format!("{expected}, not {}", a(item.type_name())))?;
    let component = data.borrow::<Component>().map_err(|_| expected.to_owned())?;
    let spec = component.0.lock().take();
    spec.ok_or_else(|| "it is in a pipeline already: load it once for each place".into())
}

/// A function with options.
pub(super) fn transform(lua: &Lua, (user, options): (Value, Value)) -> Result<Transform, String> {
    if !user.is_function() {
        return Err(format!("argument 1 must be a function, not {}", a(user.type_name())));
    }
    let options: Option<Table> = argument(lua, options, "2 (the options)")?;
    let options = options.map(|table| transform_options(lua, &table)).transpose()?;
    Ok(Transform(Mutex::new(Some(options.unwrap_or_default()))))
}

fn transform_options(lua: &Lua, table: &Table) -> Result<FunctionOptions, String> {
    let (mut every, mut flush, mut others) = (None, false, Vec::new());
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        match key.as_string().map(|key| key.to_string_lossy()).as_deref() {
            Some("every") => {
                let shown = shown(&value);
                let time: Duration = option("every", value, SOME_SECONDS)?;
                if time.is_zero() {
                    return Err(format!("option every: expected {SOME_SECONDS}, not {shown}"));
                }
                every = Some(time);
            }
            Some("flush") if value.is_function() => flush = true,
            Some("flush") => {
                return Err(format!("option flush: expected a function, not {}", shown(&value)));
            }
            _ => others.push((key, value)),
        }
    }
    match (every, flush) {
        (Some(_), false) => return Err("option every: there must be a function flush too".into()),
        (None, true) => {
            return Err("option flush: there must be a number of seconds every too".into());
        }
        _ => {}
    }
    let others = lua.create_table_from(others).map_err(|error| error.to_string())?;
    Ok((component_options(&others)?, every))
}
