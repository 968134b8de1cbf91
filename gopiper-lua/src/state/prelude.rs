//! A Lua state for a file, with its prelude.
use std::{sync::Arc, time::Duration};

use mlua::Lua;

use crate::state::{Chunk, code, memory, time_limit::Progress};

/// Converts numbers to text with all their digits.
pub(crate) static TEXT: Chunk = Chunk::own(include_str!("text.lua"));
/// Prevents functions such as `pcall` from catching a stop.
pub(crate) static STOPPED: Chunk = Chunk::own(include_str!("stopped.lua"));

/// The default limit of time, for a function with one message and for the run of a file.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A Lua state for a file, and its progress.
pub(crate) fn plain_state() -> mlua::Result<(Lua, Arc<Progress>)> {
    let (lua, progress) = (Lua::new(), Arc::<Progress>::default());
    memory::limit(&lua)?;
    code::only_if_possible(&lua)?;
    code::without_serialization(&lua)?;
    let of_state = progress.clone();
    let is_stopped = lua.create_function(move |_, ()| Ok(of_state.is_stopped()))?;
    STOPPED.function(&lua)?.call::<()>(is_stopped)?;
    Ok((lua, progress))
}
