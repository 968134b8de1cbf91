//! What a Lua function calls, past Lua's own interface: the messages of a batch, through LuaJIT's FFI.
//!
//! `lua/types.h` declares the same types. The prelude, which is the other files of that folder, calls these
//! functions on the worker's thread, with a slot of the batch that is being handled, if they want one; LuaJIT
//! keeps a string alive for the call that it is given to. None of them calls back into Lua, and none may
//! panic.
#![allow(unsafe_code)]
pub(super) mod code;
mod message;
mod values;
mod window;

use std::{ffi::c_void, ptr, slice, sync::Arc};

use gopiper_abi::{
    Message, Payload, PayloadMut, Postponed, nearest::did_you_mean, raw::BatchHeader,
};
use memchr::memmem::Finder;
use mlua::{Function, LightUserData, Lua, LuaOptions, StdLib, Table, Value};

use self::values::Plain;
use super::{STOPPED, TEXT, json::Paths, limit::Progress, memory, window::Window};
use crate::language::script::Source;

/// So many bytes of new payloads share one owner.
const BLOCK: usize = 64 << 10;

/// One worker's, as Lua sees it.
#[repr(C)]
pub(super) struct State {
    pub(super) progress: Progress,
    /// Whether the message of the moment was changed: `original` is how it came.
    changed: i32,
    /// How many messages it has made, in its place or in the window, or let go there.
    made: i32,
    find: unsafe extern "C" fn(*mut State, *const Message, usize, *const u8, usize) -> isize,
    set_data: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize),
    append: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize),
    crop: unsafe extern "C" fn(*mut State, *mut Message, usize, usize),
    set_time: unsafe extern "C" fn(*mut State, *mut Message, i64),
    report: unsafe extern "C" fn(*mut State, *mut Message, i32, *const u8, usize),
    emit: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize),
    send: unsafe extern "C" fn(*mut State, *mut Message),
    get: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize, *mut Plain),
    set: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize, *mut Plain) -> i32,
    get_all: unsafe extern "C" fn(*mut State, *const Message, *mut Plain),
    get_value: unsafe extern "C" fn(*mut State, *const Message, *mut Plain),
    set_value: unsafe extern "C" fn(*mut State, *mut Message, *mut Plain) -> i32,
    json: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize, *mut Plain),
    decode: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize, *mut Plain),
    add_json: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize, *mut Plain) -> i32,
    set_json: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize, *mut Plain) -> i32,
    keep: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize) -> i32,
    window_emit: unsafe extern "C" fn(
        *mut State,
        *const u8,
        usize,
        *const u8,
        usize,
        i64,
        *mut Plain,
    ) -> i32,
    window_drop: unsafe extern "C" fn(*mut State, *const u8, usize),
    /// From here on Lua does not know it.
    original: Message,
    /// What it has made in its place.
    parts: Vec<Message>,
    pub(super) window: Window,
    finder: Option<Finder<'static>>,
    paths: Paths,
    /// What Lua is to read of a value, until the next call.
    text: Vec<u8>,
    block: PayloadMut,
    pub(super) postponed: Postponed,
}

impl State {
    pub(super) fn new(postponed: Postponed) -> Box<Self> {
        Box::new(State {
            progress: Progress::default(),
            changed: 0,
            made: 0,
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
            original: Message::new(""),
            parts: Vec::new(),
            window: Window::default(),
            finder: None,
            paths: Paths::default(),
            text: Vec::new(),
            block: postponed.host().payload(0),
            postponed,
        })
    }

    /// Where it lies, for Lua. It stays there for as long as its box lives.
    pub(super) fn pointer(self: &mut Box<Self>) -> LightUserData {
        LightUserData(ptr::from_mut::<State>(self).cast())
    }

    /// The message is about to be changed: what goes to a retry or the dead letters is how it came.
    fn keep_original(&mut self, message: &Message) {
        if self.changed == 0 {
            self.changed = 1;
            self.original = message.duplicate();
        }
    }

    fn put_back(&mut self, message: &mut Message) {
        if std::mem::take(&mut self.changed) != 0 {
            message.set_data(self.original.payload().clone());
            message.share_attributes(&self.original);
            message.set_time(self.original.time());
        }
    }

    /// Bytes that lie one behind the other.
    fn together<const N: usize>(&mut self, parts: [&[u8]; N]) -> Payload {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.block.len() < len {
            self.block = self.postponed.host().payload(len.max(BLOCK));
        }
        let mut start = 0;
        for part in parts {
            self.block[start..start + part.len()].copy_from_slice(part);
            start += part.len();
        }
        self.block.split_to(len)
    }

    /// A payload and the bytes behind it: without copying it if it was the last that was made here. So many small
    /// pieces cost as much as few large ones.
    fn longer(&mut self, before: &Payload, data: &[u8]) -> Payload {
        if data.len() <= self.block.len() && self.block.follows(before) {
            self.block[..data.len()].copy_from_slice(data);
            return self.block.extend(before, data.len());
        }
        let len = before.len() + data.len();
        if self.block.len() < len {
            // What has grown before grows on: with room for as much again it is copied few times.
            let room = if self.block.follows(before) { 2 * len } else { len };
            self.block = self.postponed.host().payload(room.max(BLOCK));
        }
        self.together([before, data])
    }

    /// Nothing is left of the message of the moment.
    fn forget(&mut self) {
        (self.changed, self.made) = (0, 0);
        self.parts.clear();
    }
}

/// What runs in a worker's state before the pipeline's file does, in this order. What these take from `ffi`
/// is all that is left of that.
const PRELUDE: [&str; 3] = [
    include_str!("../lua/values.lua"),
    include_str!("../lua/message.lua"),
    include_str!("../lua/window.lua"),
];

/// A Lua state, what makes of a function one that goes over batches, and the metatable of lists.
pub(super) fn lua(
    state: LightUserData,
    source: &Arc<Source>,
) -> mlua::Result<(Lua, Function, Table)> {
    // SAFETY: `ffi` is the prelude's alone: it is taken away before the operator's file runs.
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
    prelude.set("as_text", lua.load(TEXT).set_name("=gopiper").call::<Function>(())?)?;
    prelude.set("pcall", lua.globals().get::<Function>("pcall")?)?;
    // SAFETY: it is the prelude's alone, which calls it as it wants to be.
    prelude.set("tried", unsafe { lua.create_c_function(code::tried)? })?;
    for part in PRELUDE {
        lua.load(part).set_name("=gopiper").call::<()>(&prelude)?;
    }
    code::without_serialization(&lua)?;
    let is_stopped: Function = prelude.get("is_stopped")?;
    lua.load(STOPPED).set_name("=gopiper").call::<()>(is_stopped)?;
    let make = lua.load(include_str!("../lua/batch.lua")).set_name("=gopiper").call(prelude)?;
    let package: Table = lua.globals().get("package")?;
    // What LuaJIT knows of types and their methods goes with the module: it must not be collected.
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

/// Runs what the prelude has made over the batch of a call.
pub(super) fn run(function: &Function, batch: *mut BatchHeader) -> mlua::Result<()> {
    function.call(LightUserData(batch.cast::<c_void>()))
}

/// # Safety
/// `data` leads to `len` bytes that live for the call.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: by the caller; a slice needs a pointer also if it is empty.
    if len == 0 { &[] } else { unsafe { slice::from_raw_parts(data, len) } }
}
