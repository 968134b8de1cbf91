//! Tables of options: what is in them, and how it is shown when it is wrong.
use std::time::Duration;

use mlua::{Table, Value};

use crate::convert::a;

/// Goes through a table of options; `set` says whether it knows the key.
pub(super) fn for_each_option(
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

pub(super) fn option<T: FromLuaExactly>(
    key: &str,
    value: Value,
    expected: &str,
) -> Result<T, String> {
    let shown = shown(&value);
    T::from_lua_exactly(value)
        .ok_or_else(|| format!("option {key}: expected {expected}, not {shown}"))
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.to_string_lossy()),
        Value::Number(_) | Value::Integer(_) | Value::Boolean(_) => {
            value.to_string().unwrap_or_default()
        }
        other => a(other.type_name()),
    }
}

/// Without Lua's own conversions: `'5'` is no number here.
pub(super) trait FromLuaExactly: Sized {
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

/// One of some words, as what it stands for.
pub(super) fn one_of<T: Copy>(key: &str, value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_string().map(|text| text.as_bytes().to_vec());
    let found = words.iter().find(|(word, _)| text.as_deref() == Some(word.as_bytes()));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let quoted: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
        let (last, others) = quoted.split_last().map_or(("", &[][..]), |(l, o)| (l.as_str(), o));
        format!("option {key}: expected {} or {last}, not {}", others.join(", "), shown(value))
    })
}
