//! How much memory a Lua state may take: so what is too much is an error with a place, and not the process's end.
use std::fs;

use mlua::Lua;
use rustix::process::{Resource, getrlimit};

/// Half of what this process may have. Without a limit mlua ends the process when there is no memory.
pub(crate) fn limit(lua: &Lua) -> mlua::Result<()> {
    let most = [of_machine(), of_container(), getrlimit(Resource::As).current];
    let most = most.into_iter().flatten().min().unwrap_or(u64::MAX) / 2;
    lua.set_memory_limit(usize::try_from(most).unwrap_or(usize::MAX))?;
    Ok(())
}

fn of_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Of the control group, where it is mounted as containers have it.
fn of_container() -> Option<u64> {
    fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}
