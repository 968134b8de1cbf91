//! What `require('gopiper')` gives.
use std::{path::Path, sync::Arc, time::Duration};

use gopiper_abi::raw::{RawError, client::FactoryHandle};
use gopiper_core::{
    BufferOptions, ComponentOptions, ComponentSpec, OnFail, PayloadMemory, Pipeline,
    PipelineOptions, RetryPolicy, WhenFull, loader,
};
use mlua::{AnyUserData, Error, FromLua, Lua, Table, UserData, Value};
use parking_lot::Mutex;

use crate::{
    convert::{self, a},
    env::env,
    function,
    search::SearchPath,
    settings::Settings,
    source::Source,
};

/// What the file has made so far.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) warnings: Vec<String>,
    /// How many functions are transforms in pipelines.
    pub(crate) functions: usize,
}

/// A component that was loaded, until a pipeline takes it.
struct Component(Mutex<Option<ComponentSpec>>);

impl UserData for Component {}

/// A function that is a transform, with what the operator wants of it.
struct Transform(Mutex<Option<FunctionOptions>>);

/// The options of a component, and how often a function's window is flushed.
type FunctionOptions = (ComponentOptions, Option<Duration>);

impl UserData for Transform {}

/// A buffer between two components.
struct Buffer(BufferOptions);

impl UserData for Buffer {}

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

fn load_component(
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

fn create_pipeline(
    lua: &Lua,
    settings: &Settings,
    source: &Arc<Source>,
    (components, options): (Value, Value),
) -> Result<(), String> {
    let components: Table = argument(lua, components, "1 (the list of components)")?;
    let options: Option<Table> = argument(lua, options, "2 (the options)")?;
    let (mut specs, mut buffers) = (Vec::new(), Vec::new());
    let mut functions = lua.app_data_ref::<Made>().map_or(0, |made| made.functions);
    for (i, item) in components.sequence_values::<Value>().enumerate() {
        let item = item.map_err(|error| error.to_string())?;
        let named = |error| format!("component {}: {error}", i + 1);
        match item.as_userdata().and_then(|data| data.borrow::<Buffer>().ok()) {
            Some(buffer) => buffers.push((specs.len(), buffer.0.clone())),
            None => match function_options(&item).map_err(named)? {
                Some((mut options, every)) => {
                    functions += 1;
                    // Its limit is kept within Lua: so a worker need not be given up.
                    let limit = options.timeout.take().unwrap_or(function::LIMIT);
                    let factory = function::transform(source.clone(), functions, limit, every);
                    specs.push(ComponentSpec { factory, options });
                }
                None => specs.push(take_component(&item).map_err(named)?),
            },
        }
    }
    if components.pairs::<Value, Value>().count() != specs.len() + buffers.len() {
        return Err("the list of components has holes in it, or keys that are no numbers".into());
    }
    let mut made = lua.app_data_mut::<Made>().ok_or("called outside of a pipeline's file")?;
    made.functions = functions;
    let (mut options, dead_letter) =
        options.map(|table| pipeline_options(&table)).transpose()?.unwrap_or_default();
    options.state_directory = settings.state_directory.clone();
    options.shutdown_timeout = settings.shutdown_timeout;
    let number = made.pipelines.len() + 1;
    let name = options.name.get_or_insert_with(|| match number {
        1 => "main".into(),
        _ => format!("main_{number}"),
    });
    if made.pipelines.iter().any(|pipeline| pipeline.name() == name) {
        return Err(format!("there is a pipeline '{name}' already: give one another name"));
    }
    let pipeline = Pipeline::new(specs, options).and_then(|pipeline| match dead_letter {
        Some(sink) => pipeline.dead_letters_to(sink),
        None => Ok(pipeline),
    });
    // The last one first: then so many components stand before the others as in the list.
    let pipeline = buffers.into_iter().rev().fold(pipeline, |pipeline, (behind, options)| {
        pipeline?.with_buffer(behind, options).map_err(|error| vec![error])
    });
    let pipeline = pipeline
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    made.pipelines.push(pipeline);
    Ok(())
}

/// The options of a function in the list; `None` if it is something else.
fn function_options(item: &Value) -> Result<Option<FunctionOptions>, String> {
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

fn take_component(item: &Value) -> Result<ComponentSpec, String> {
    let expected = "expected a function, or what loadComponent, buffer or transform returned";
    let data: &AnyUserData =
        item.as_userdata().ok_or_else(|| format!("{expected}, not {}", a(item.type_name())))?;
    let component = data.borrow::<Component>().map_err(|_| expected.to_owned())?;
    let spec = component.0.lock().take();
    spec.ok_or_else(|| "it is in a pipeline already: load it once for each place".into())
}

/// What a time is written as.
const SECONDS: &str = "a number of seconds, 0 or more";
/// A limit of no time at all would be one that nothing keeps.
const SOME_SECONDS: &str = "a number of seconds, more than 0";

fn component_options(table: &Table) -> Result<ComponentOptions, String> {
    let mut options = ComponentOptions::default();
    let known = [
        "name",
        "pool_size",
        "channel_size",
        "channel_bytes",
        "ordered",
        "partition_by",
        "timeout",
        "linger",
        "retry",
        "on_fail",
    ];
    for_each_option(table, &known, |key, value| {
        match key {
            "name" => options.name = Some(option(key, value, "a string")?),
            "pool_size" => options.pool_size = Some(option(key, value, "a whole number")?),
            "channel_size" => options.channel_size = Some(option(key, value, "a whole number")?),
            "channel_bytes" => options.channel_bytes = Some(option(key, value, "a whole number")?),
            "ordered" => options.ordered = Some(option(key, value, "true or false")?),
            "partition_by" => options.partition_by = Some(option(key, value, "a string")?),
            "timeout" => options.timeout = Some(option(key, value, SOME_SECONDS)?),
            "linger" => options.linger = Some(option(key, value, SECONDS)?),
            "retry" => options.retry = retry(&option(key, value, "a table")?)?,
            "on_fail" => {
                let words = [
                    ("dead_letter", OnFail::DeadLetter),
                    ("discard", OnFail::Discard),
                    ("stop", OnFail::Stop),
                ];
                options.on_fail = Some(one_of(key, &value, &words)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(options)
}

fn retry(table: &Table) -> Result<RetryPolicy, String> {
    let mut policy = RetryPolicy::default();
    for_each_option(table, &["max_attempts", "initial_backoff", "max_backoff"], |key, value| {
        match key {
            "max_attempts" => {
                let shown = shown(&value);
                let attempts: usize = option("retry.max_attempts", value, "a whole number")?;
                policy.max_attempts = attempts.try_into().map_err(|_| {
                    format!("option retry.max_attempts: expected 1 to 65535, not {shown}")
                })?;
            }
            "initial_backoff" => {
                policy.initial_backoff = option("retry.initial_backoff", value, SECONDS)?
            }
            "max_backoff" => policy.max_backoff = option("retry.max_backoff", value, SECONDS)?,
            _ => return Ok(false),
        }
        Ok(true)
    })
    .map_err(|error| error.replace("there is no option '", "there is no option 'retry."))?;
    Ok(policy)
}

/// A function with options.
fn transform(lua: &Lua, (user, options): (Value, Value)) -> Result<Transform, String> {
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

fn buffer_options(table: Table) -> Result<BufferOptions, String> {
    let mut options = BufferOptions::default();
    for_each_option(&table, &["name", "max_bytes", "when_full"], |key, value| {
        match key {
            "name" => options.name = Some(option(key, value, "a string")?),
            "max_bytes" => {
                let bytes: usize = option(key, value, "a whole number of bytes")?;
                options.max_bytes = bytes as u64;
            }
            "when_full" => {
                options.when_full = one_of(
                    key,
                    &value,
                    &[("block", WhenFull::Block), ("drop_newest", WhenFull::DropNewest)],
                )?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(options)
}

/// One of some words, as what it stands for.
fn one_of<T: Copy>(key: &str, value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_string().map(|text| text.as_bytes().to_vec());
    let found = words.iter().find(|(word, _)| text.as_deref() == Some(word.as_bytes()));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let quoted: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
        let (last, others) = quoted.split_last().map_or(("", &[][..]), |(l, o)| (l.as_str(), o));
        format!("option {key}: expected {} or {last}, not {}", others.join(", "), shown(value))
    })
}

/// The options of a pipeline, and its sink of dead letters if one is named.
fn pipeline_options(table: &Table) -> Result<(PipelineOptions, Option<ComponentSpec>), String> {
    let (mut options, mut dead_letter) = (PipelineOptions::default(), None);
    let known = ["name", "shared_memory", "dead_letter", "dead_letter_limit"];
    for_each_option(table, &known, |key, value| {
        match key {
            "name" => options.name = Some(option(key, value, "a string")?),
            "dead_letter" => {
                let component = take_component(&value);
                dead_letter =
                    Some(component.map_err(|error| format!("option dead_letter: {error}"))?);
            }
            "dead_letter_limit" => {
                let bytes: usize = option(key, value, "a whole number of bytes")?;
                options.dead_letter_limit = Some(bytes as u64);
            }
            "shared_memory" => {
                let shared: bool = option(key, value, "true or false")?;
                options.memory =
                    if shared { PayloadMemory::Shared } else { PayloadMemory::Private };
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((options, dead_letter))
}

/// Goes through a table of options; `set` says whether it knows the key.
fn for_each_option(
    table: &Table,
    known: &[&str],
    mut set: impl FnMut(&str, Value) -> Result<bool, String>,
) -> Result<(), String> {
    for pair in table.pairs::<String, Value>() {
        let (key, value) = pair.map_err(|_| "an option's name must be a string".to_owned())?;
        if !set(&key, value)? {
            return Err(format!("there is no option '{key}'; there are {}", known.join(", ")));
        }
    }
    Ok(())
}

fn option<T: FromLuaExactly>(key: &str, value: Value, expected: &str) -> Result<T, String> {
    let shown = shown(&value);
    T::from_lua_exactly(value)
        .ok_or_else(|| format!("option {key}: expected {expected}, not {shown}"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.to_string_lossy()),
        Value::Number(_) | Value::Integer(_) | Value::Boolean(_) => {
            value.to_string().unwrap_or_default()
        }
        other => a(other.type_name()),
    }
}

/// Without Lua's own conversions: `'5'` is no number here.
trait FromLuaExactly: Sized {
    fn from_lua_exactly(value: Value) -> Option<Self>;
}

impl FromLuaExactly for String {
    fn from_lua_exactly(value: Value) -> Option<Self> {
        Some(value.as_string()?.to_str().ok()?.to_owned())
    }
}

impl FromLuaExactly for bool {
    fn from_lua_exactly(value: Value) -> Option<Self> {
        value.as_boolean()
    }
}

impl FromLuaExactly for Table {
    fn from_lua_exactly(value: Value) -> Option<Self> {
        value.as_table().cloned()
    }
}

impl FromLuaExactly for Duration {
    fn from_lua_exactly(value: Value) -> Option<Self> {
        let seconds = value.as_integer().map(|n| n as f64).or(value.as_number())?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl FromLuaExactly for usize {
    fn from_lua_exactly(value: Value) -> Option<Self> {
        match value {
            Value::Integer(number) => number.try_into().ok(),
            Value::Number(number) if number.fract() == 0.0 && (0.0..1e15).contains(&number) => {
                Some(number as usize)
            }
            _ => None,
        }
    }
}

fn argument<T: FromLua>(lua: &Lua, value: Value, which: &str) -> Result<T, String> {
    let found = value.type_name();
    T::from_lua(value, lua).map_err(|_| {
        let wanted = std::any::type_name::<T>();
        let wanted = if wanted.contains("Table") { "a table" } else { "a string" };
        format!("argument {which} must be {wanted}, not {}", a(found))
    })
}
