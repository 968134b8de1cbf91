//! Lua states for files: what LuaJIT may compile in them, and their limits of time and memory. This
//! folder does not know what Lua is used for.
mod chunk;
pub(crate) mod code;
pub(crate) mod depth;
pub(crate) mod memory;
mod prelude;
pub(crate) mod time_limit;

pub(crate) use self::{
    chunk::Chunk,
    prelude::{LIMIT, STOPPED, TEXT, plain_state},
};
