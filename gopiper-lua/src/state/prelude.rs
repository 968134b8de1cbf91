//! A Lua state that a file runs in, and what is put into it first.
use std::{sync::Arc, time::Duration};

use mlua::Lua;

use crate::state::{code, limit::Progress, memory};

/// Makes what numbers are as text, to the last digit.
pub(crate) const TEXT: &str = include_str!("text.lua");
/// Sees to it that nothing of Lua's catches that it is stopped.
pub(crate) const STOPPED: &str = include_str!("stopped.lua");

/// How long a function may take for one message, and a file to run, unless the operator says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A Lua state for a file to run in, and how far that is.
pub(crate) fn plain_state() -> mlua::Result<(Lua, Arc<Progress>)> {
    let (lua, progress) = (Lua::new(), Arc::<Progress>::default());
    memory::limit(&lua)?;
    code::only_if_possible(&lua)?;
    code::without_serialization(&lua)?;
    let of_state = progress.clone();
    let is_stopped = lua.create_function(move |_, ()| Ok(of_state.is_stopped()))?;
    lua.load(STOPPED).set_name("=gopiper").call::<()>(is_stopped)?;
    Ok((lua, progress))
}
