//! The calls of Lua functions through LuaJIT's FFI: access to the messages of a batch.
//!
//! `lua/types.h` declares the same types. The prelude, which is the other files of that folder,
//! calls these functions on the worker's thread, with the state that it was given, and with a slot
//! of the batch that is being handled, if they want one. Nothing else refers to either during the
//! call, so they are references. LuaJIT keeps a string alive for the call that it is given to. None
//! of the functions calls back into Lua, and none may panic.
#![allow(unsafe_code)]
mod held;
mod message;
mod plain;
mod state;
#[cfg(test)]
mod tests;
mod values;
mod window;

use std::{
    ffi::c_void,
    ptr,
    sync::{
        Arc,
        atomic::{
            AtomicPtr,
            Ordering::{Relaxed, Release},
        },
    },
};

use gopiper_abi::{BatchCall, Message, Postponed, nearest::did_you_mean};
use json_fields::Paths;
use mlua::{Function, LightUserData, Lua, LuaOptions, StdLib, Table, Value};

use self::held::Held;
pub(super) use self::state::OwnedState;
use self::state::State;
use crate::{
    function::window::Window,
    language::script::Script,
    state::{Chunk, STOPPED, TEXT, code, memory},
};

/// The functions that Lua calls, and nothing made yet.
pub(super) fn new_state(postponed: Postponed) -> OwnedState {
    OwnedState::new(State {
        progress: Box::default(),
        changed: 0,
        made: 0,
        slot: AtomicPtr::new(ptr::null_mut()),
        find: message::find,
        set_data: message::set_data,
        append: message::append,
        crop: message::crop,
        set_time: message::set_time,
        report: message::report,
        emit: message::emit,
        send: message::send,
        get: values::get,
        set: values::set,
        get_all: values::get_all,
        get_value: values::get_value,
        set_value: values::set_value,
        json: values::json,
        decode: values::decode,
        add_json: values::add_json,
        set_json: values::set_json,
        keep: message::keep,
        window_emit: window::emit,
        window_drop: window::drop,
        id: values::id,
        original: Message::new(""),
        parts: Vec::new(),
        window: Window::default(),
        finder: None,
        paths: Paths::default(),
        text: Vec::new(),
        block: postponed.host().payload(0),
        held: Held::new(),
        postponed,
    })
}

/// The files that run in a worker's state before the pipeline's file, in this order. Only they can
/// use `ffi`.
static PRELUDE: [Chunk; 3] = [
    Chunk::own(include_str!("../lua/values.lua")),
    Chunk::own(include_str!("../lua/message.lua")),
    Chunk::own(include_str!("../lua/window.lua")),
];

/// Makes of a function one that goes over batches.
static BATCH: Chunk = Chunk::own(include_str!("../lua/batch.lua"));

/// A Lua state, what makes of a function one that goes over batches, and the metatable of lists.
pub(super) fn lua(
    state: LightUserData,
    source: &Arc<Script>,
) -> mlua::Result<(Lua, Function, Table)> {
    // SAFETY: only the prelude uses `ffi`, and it declares the types as they are here. It is taken
    // away before the operator's file runs.
    let lua =
        unsafe { Lua::unsafe_new_with(StdLib::ALL_SAFE | StdLib::FFI, LuaOptions::default()) };
    memory::limit(&lua)?;
    code::only_if_possible(&lua)?;
    let prelude = lua.create_table()?;
    prelude.set("pointer", state)?;
    prelude.set("types", include_str!("../lua/types.h"))?;
    prelude.set("null", Value::NULL)?;
    let list = lua.create_table()?;
    prelude.set("list", &list)?;
    let source = source.clone();
    let placed = move |_: &Lua, problem: Value| {
        Ok(match problem {
            Value::Error(error) => Some(source.said(&error)),
            problem => problem.as_string().map(|text| source.placed(&text.to_string_lossy())),
        })
    };
    prelude.set("placed", lua.create_function(placed)?)?;
    prelude.set("meant", lua.create_function(meant)?)?;
    prelude.set("as_text", TEXT.function(&lua)?.call::<Function>(())?)?;
    prelude.set("pcall", lua.globals().get::<Function>("pcall")?)?;
    // SAFETY: `tried` is a function for Lua, which takes what it wants from the stack. Only the
    // prelude has it, and calls it with a function.
    prelude.set("tried", unsafe { lua.create_c_function(code::tried)? })?;
    for part in &PRELUDE {
        part.function(&lua)?.call::<()>(&prelude)?;
    }
    code::without_serialization(&lua)?;
    let is_stopped: Function = prelude.get("is_stopped")?;
    let begin_anew: Function = STOPPED.function(&lua)?.call(is_stopped)?;
    prelude.set("begin_anew", begin_anew)?;
    let make = BATCH.function(&lua)?.call(prelude)?;
    let package: Table = lua.globals().get("package")?;
    // LuaJIT's record of types and their methods goes with the module: it must not be collected.
    lua.set_named_registry_value("ffi", package.get::<Table>("loaded")?.get::<Table>("ffi")?)?;
    for place in ["loaded", "preload"] {
        package.get::<Table>(place)?.set("ffi", mlua::Nil)?;
    }
    lua.globals().set("ffi", mlua::Nil)?;
    // Libraries in C are not for this state either: the file's own has none.
    package.set("cpath", "")?;
    package.set("loadlib", mlua::Nil)?;
    Ok((lua, make, list))
}

/// The question that ends an error about a name.
fn meant(_: &Lua, (name, known): (Value, Vec<String>)) -> mlua::Result<String> {
    let name = name.as_string().map(|name| name.to_string_lossy()).unwrap_or_default();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    Ok(did_you_mean(&name, &known))
}

/// Runs the prelude's loop over the batch of a call. It reports a function's errors; but if Lua has
/// no memory left, not even for a report, the loop ends and the current message has failed.
pub(super) fn run(
    function: &Function,
    lua: &Lua,
    state: &OwnedState,
    subject: &str,
    call: &mut BatchCall<'_>,
) {
    let (state, batch) = (state.pointer(), call.header());
    // SAFETY: the batch is alive for as long as the call, which is borrowed; the cursor is atomic.
    let cursor = unsafe { &(*batch).cursor };
    let first = cursor.load(Relaxed);
    loop {
        // SAFETY: the state is borrowed, and nothing changes it while Lua does not run.
        unsafe { (*state).progress.begin(cursor.load(Relaxed)) };
        let ran = function.call::<()>(LightUserData(batch.cast::<c_void>()));
        // SAFETY: the state is borrowed, and nothing changes it while Lua does not run.
        let at = unsafe {
            (*state).slot.store(ptr::null_mut(), Relaxed);
            (*state).progress.at()
        };
        let Err(error) = ran else { break };
        let _ = lua.gc_collect();
        let text = format!("{subject}: {}", error.to_string().lines().next().unwrap_or_default());
        // SAFETY: Lua has got no further than a message of the batch, whose slots from the cursor
        // on hold messages; nothing else refers to this one or to the state while Lua does not run.
        let len = unsafe {
            let slot = &mut *(*batch).messages.add(at as usize);
            message::report(&mut *state, slot, 200, text.as_ptr(), text.len());
            (*batch).len
        };
        // Release: a thread that sees it may read the slots before it (`Watch`).
        cursor.store(at + 1, Release);
        if at + 1 >= len {
            break;
        }
    }
    cursor.store(first, Relaxed);
}
