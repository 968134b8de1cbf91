//! `gopiper.env`, the same in the file's first run and in workers.
use mlua::{Function, Lua};

pub(crate) fn env(lua: &Lua) -> mlua::Result<Function> {
    lua.load(include_str!("env.lua")).set_name("=gopiper").eval()
}
