//! A placeholder for an object that could not be created, so that the file goes on and all errors
//! are found.
use mlua::{Lua, MetaMethod, UserData, UserDataMethods, Value};

/// Accepts every operation.
pub(crate) struct Placeholder;

impl UserData for Placeholder {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        use MetaMethod::{Add, Call, Concat, Div, Index, Mod, Mul, NewIndex, Pow, Sub, Unm};
        for done in [Add, Call, Concat, Div, Index, Mod, Mul, NewIndex, Pow, Sub, Unm] {
            methods.add_meta_function(done, |_, _: mlua::MultiValue| Ok(Placeholder));
        }
    }
}

pub(crate) fn placeholder(lua: &Lua) -> mlua::Result<Value> {
    lua.create_userdata(Placeholder).map(Value::UserData)
}

pub(crate) fn is_placeholder(value: &Value) -> bool {
    value.as_userdata().is_some_and(|data| data.is::<Placeholder>())
}

/// Whether Lua complains that a value is neither a string nor a number, as it does for a
/// placeholder.
pub(crate) fn is_blamed(error: &str) -> bool {
    error.contains("userdata")
}
