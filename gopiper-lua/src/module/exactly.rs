//! Exact types of Lua values.
use std::time::Duration;

use mlua::{Table, Value};

/// Whole numbers up to this are exact in Lua.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Without Lua's own conversions: `'5'` is not a number here.
pub(super) trait FromLuaExactly: Sized {
    /// With its article.
    const NAME: &str;
    fn from_lua_exactly(value: Value) -> Option<Self>;
}

impl FromLuaExactly for String {
    const NAME: &str = "a string";
    fn from_lua_exactly(value: Value) -> Option<Self> {
        Some(value.as_string()?.to_str().ok()?.to_owned())
    }
}

impl FromLuaExactly for bool {
    const NAME: &str = "true or false";
    fn from_lua_exactly(value: Value) -> Option<Self> {
        value.as_boolean()
    }
}

impl FromLuaExactly for Table {
    const NAME: &str = "a table";
    fn from_lua_exactly(value: Value) -> Option<Self> {
        value.as_table().cloned()
    }
}

impl FromLuaExactly for mlua::Function {
    const NAME: &str = "a function";
    fn from_lua_exactly(value: Value) -> Option<Self> {
        value.as_function().cloned()
    }
}

impl FromLuaExactly for Duration {
    const NAME: &str = "a number of seconds";
    fn from_lua_exactly(value: Value) -> Option<Self> {
        let seconds = value.as_integer().map(|n| n as f64).or(value.as_number())?;
        // A time that is not zero must not become zero.
        let time = Duration::try_from_secs_f64(seconds).ok()?;
        (seconds == 0.0 || !time.is_zero()).then_some(time)
    }
}

impl FromLuaExactly for u64 {
    const NAME: &str = "a whole number";
    fn from_lua_exactly(value: Value) -> Option<Self> {
        match value {
            Value::Integer(number) => number.try_into().ok(),
            Value::Number(number) if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) => {
                Some(number as u64)
            }
            _ => None,
        }
    }
}

impl FromLuaExactly for usize {
    const NAME: &str = u64::NAME;
    fn from_lua_exactly(value: Value) -> Option<Self> {
        u64::from_lua_exactly(value)?.try_into().ok()
    }
}

impl FromLuaExactly for u16 {
    const NAME: &str = u64::NAME;
    fn from_lua_exactly(value: Value) -> Option<Self> {
        u64::from_lua_exactly(value)?.try_into().ok()
    }
}
