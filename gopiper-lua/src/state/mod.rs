//! A Lua state that a file runs in: what may be compiled in it, and its limits of time and memory. What Lua is for is
//! not known here.
pub(crate) mod code;
pub(crate) mod depth;
pub(crate) mod limit;
pub(crate) mod memory;
mod prelude;

pub(crate) use self::prelude::{LIMIT, STOPPED, TEXT, plain_state};
