//! Limits the memory of a Lua state, and of a function's results outside of it, so that too much is
//! an error with a place and does not end the process.
use std::fs;

use mlua::Lua;
use rustix::{
    process::{Resource, getrlimit},
    system::sysinfo,
};

/// The error for too little memory.
pub(crate) const NOT_ENOUGH: &str = "not enough memory";

/// Limits a Lua state to [`most`]. Without a limit, mlua ends the process when memory runs out.
pub(crate) fn limit(lua: &Lua) -> mlua::Result<()> {
    lua.set_memory_limit(most())?;
    Ok(())
}

/// Half of the bytes that this process may have.
pub(crate) fn most() -> usize {
    if cfg!(miri) {
        // Which has none of these calls.
        return 1 << 30;
    }
    let limit = |resource| getrlimit(resource).current;
    let most = [of_machine(), of_container(), limit(Resource::As), limit(Resource::Data)];
    let most = most.into_iter().flatten().min().unwrap_or(u64::MAX) / 2;
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Whether that many bytes are available now: an allocation that fails ends the process.
pub(crate) fn is_there(len: usize) -> bool {
    Vec::<u8>::new().try_reserve_exact(len).is_ok()
}

fn of_machine() -> Option<u64> {
    let system = sysinfo();
    system.totalram.checked_mul(system.mem_unit.into())
}

/// Of the control group, where it is mounted as containers have it.
fn of_container() -> Option<u64> {
    fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}
