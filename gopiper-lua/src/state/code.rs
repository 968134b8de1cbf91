//! The code that LuaJIT compiles: whether it can create code in this process, and which calls it
//! must not compile.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_int},
    ptr,
    sync::OnceLock,
};

use mlua::{
    AnyUserData, Function, Lua, Table,
    ffi::{
        LUA_ERRRUN, LUA_MULTRET, lua_State, lua_concat, lua_error, lua_getfield, lua_getmetatable,
        lua_gettop, lua_insert, lua_pcall, lua_pushboolean, lua_pushcclosure, lua_pushvalue,
        lua_setfield, lua_settop, lua_upvalueindex, luaL_where,
    },
};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// Turns compilation off in a state if the process may not make memory executable: LuaJIT would end
/// the process at its first loop, silently. Call it before any other use of a state.
pub(crate) fn only_if_possible(lua: &Lua) -> mlua::Result<()> {
    static IS_POSSIBLE: OnceLock<bool> = OnceLock::new();
    let is_possible = *IS_POSSIBLE.get_or_init(|| {
        let is_possible = can_be_made();
        if !is_possible {
            tracing::warn!(
                code = "lua_not_compiled",
                "Lua is not compiled, which makes functions about 3 to 20 times slower: this \
                 process cannot make memory executable (because of systemd's \
                 MemoryDenyWriteExecute= or SELinux's execmem, for example)"
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

/// Tries what LuaJIT does: allocates writable memory and makes it executable.
fn can_be_made() -> bool {
    const LEN: usize = 4096;
    // SAFETY: a new page, which no other code knows: it is not executed, and given back at the end.
    unsafe {
        let write = ProtFlags::READ | ProtFlags::WRITE;
        let Ok(page) = mmap_anonymous(ptr::null_mut(), LEN, write, MapFlags::PRIVATE) else {
            // There is no memory at all, which Lua reports itself.
            return true;
        };
        let made = mprotect(page, LEN, MprotectFlags::READ | MprotectFlags::EXEC);
        let _ = munmap(page, LEN);
        made.is_ok()
    }
}

/// The functions of LuaJIT's `string.buffer` that raise errors while they run.
const SERIALIZATION: [&CStr; 2] = [c"encode", c"decode"];

/// Prevents an operator's compiled code from calling LuaJIT's serialization. An error that it
/// raises there (for a function in a table, say) overwrites a part of Lua's stack that is in use,
/// and the process ends sooner or later: in LuaJIT 2.1.1788856981, `lj_err_callerv` treats `L->top`
/// as the stack's end, which compiled code does not maintain. LuaJIT does not compile a C function:
/// compiled code ends before the call, and continues after it. Functions that were taken from the
/// library before are unchanged.
pub(crate) fn without_serialization(lua: &Lua) -> mlua::Result<()> {
    let library: Table = lua.globals().get::<Function>("require")?.call("string.buffer")?;
    let buffer: AnyUserData = library.get::<Function>("new")?.call(())?;
    // SAFETY: it takes from the stack what it has put there; both tables have the functions.
    unsafe {
        lua.exec_raw((library, buffer), |lua| {
            lua_getmetatable(lua, 2);
            for table in [1, 3] {
                for name in SERIALIZATION {
                    lua_getfield(lua, table, name.as_ptr());
                    lua_pushcclosure(lua, interpreted, 1);
                    lua_setfield(lua, table, name.as_ptr());
                }
            }
            lua_settop(lua, 0);
        })
    }
}

/// Calls the function that it wraps. An error names the place of the call.
unsafe extern "C-unwind" fn interpreted(lua: *mut lua_State) -> c_int {
    // Nothing that is to be dropped may live when `lua_error` leaves. SAFETY: Lua calls it with
    // what a function of its own gets, and `without_serialization` has made it with one.
    unsafe {
        let given = lua_gettop(lua);
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_insert(lua, 1);
        let status = lua_pcall(lua, given, LUA_MULTRET, 0);
        if status == LUA_ERRRUN {
            luaL_where(lua, 1);
            lua_insert(lua, 1);
            lua_concat(lua, 2);
        }
        if status != 0 {
            lua_error(lua);
        }
        lua_gettop(lua)
    }
}

/// Lua's `pcall`, but the call is never compiled (see [`without_serialization`]).
pub(crate) unsafe extern "C-unwind" fn tried(lua: *mut lua_State) -> c_int {
    // SAFETY: Lua calls it with what a function of its own gets; the prelude gives a function, and
    // arguments.
    unsafe {
        let status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
        lua_pushboolean(lua, (status == 0).into());
        lua_insert(lua, 1);
        lua_gettop(lua)
    }
}
