//! `gopiper.env`, and unknown names in `gopiper`: the same in the file's first run and in workers.
use std::{env, ffi::OsString, os::unix::ffi::OsStringExt};

use gopiper_abi::nearest::did_you_mean;
use mlua::{Lua, Table, Value};

use crate::language::kind::kind_of;

/// A variable of the environment, as a string; the default if it is not set.
pub(crate) fn env(lua: &Lua, name: Value, default: Value) -> Result<Value, String> {
    let kind = kind_of(&name);
    let text = name.as_string().map(|name| OsString::from_vec(name.as_bytes().to_vec()));
    let name = text.ok_or_else(|| format!("env: argument 1 must be a string, not {kind}"))?;
    match env::var_os(&name) {
        Some(value) => lua
            .create_string(value.into_vec())
            .map(Value::String)
            .map_err(|error| error.to_string()),
        None if !default.is_nil() => Ok(default),
        None => Err(format!(
            "env: the environment has no variable '{}', and there is no default",
            name.display()
        )),
    }
}

/// The error for a name that `gopiper` does not have.
pub(crate) fn unknown(gopiper: &Table, name: &Value) -> String {
    let Some(name) = name.as_string().map(|name| name.to_string_lossy()) else {
        return format!("the keys of gopiper are strings, and this one is {}", kind_of(name));
    };
    let mut names: Vec<String> =
        gopiper.pairs::<String, Value>().flatten().map(|(n, _)| n).collect();
    names.sort();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    format!("gopiper has no '{name}'{}\nit has {}", did_you_mean(&name, &names), names.join(", "))
}
