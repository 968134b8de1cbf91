//! Whether LuaJIT may make code in this process.
#![allow(unsafe_code)]

use std::{ptr, sync::OnceLock};

use mlua::Lua;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Turns compilation off in a state if the process may not make memory executable: LuaJIT would end the process at
/// its first loop, without a word. To be called before anything else is done with a state.
pub(crate) fn only_if_possible(lua: &Lua) -> mlua::Result<()> {
    static IS_POSSIBLE: OnceLock<bool> = OnceLock::new();
    let is_possible = *IS_POSSIBLE.get_or_init(|| {
        let is_possible = can_be_made();
        if !is_possible {
            tracing::warn!(
                "Lua is not compiled, which makes functions about 3 to 20 times slower: this process may not make \
                 memory executable (systemd's MemoryDenyWriteExecute=, say, or SELinux's execmem)"
            );
        }
        is_possible
    });
    match is_possible {
        true => Ok(()),
        // The operator's file must not turn it on again.
        false => lua.load("jit.off() function jit.on() end").set_name("=gopiper").exec(),
    }
}

/// Tries what LuaJIT does: memory that can be written first, and executed then.
fn can_be_made() -> bool {
    const LEN: usize = 4096;
    // SAFETY: a new page, which nobody else knows: it is not executed, and given back at the end.
    unsafe {
        let write = ProtFlags::READ | ProtFlags::WRITE;
        let Ok(page) = mmap_anonymous(ptr::null_mut(), LEN, write, MapFlags::PRIVATE) else {
            // There is no memory at all: what that means, Lua says itself.
            return true;
        };
        let made = mprotect(page, LEN, MprotectFlags::READ | MprotectFlags::EXEC);
        let _ = munmap(page, LEN);
        made.is_ok()
    }
}
