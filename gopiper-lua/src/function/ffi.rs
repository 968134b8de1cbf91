//! What a Lua function calls, past Lua's own interface: the messages of a batch, through LuaJIT's FFI.
//!
//! `prelude.lua` declares the same types. It calls these functions inside `handle_batch` alone, on the
//! worker's thread, with a slot of that batch; LuaJIT keeps a string alive for the call that it is
//! given to. None of them calls back into Lua, and none may panic.
#![allow(unsafe_code)]

use std::{ffi::c_void, ptr, slice};

use super::{
    json::{self, Found, Paths},
    limit::Progress,
};
use gopiper_abi::{
    Kept, Message, Payload, PayloadMut, Postponed, Report, Value, ValueTag, raw::BatchHeader,
};
use memchr::memmem::Finder;
use mlua::{Function, LightUserData, Lua, LuaOptions, StdLib, Table};

/// So many bytes of new payloads share one owner.
const BLOCK: usize = 64 << 10;

/// One worker's, as Lua sees it.
#[repr(C)]
pub(super) struct State {
    pub(super) progress: Progress,
    /// Whether the message of the moment was changed: `original` is how it came.
    changed: i32,
    /// How many messages it has made in its place.
    emitted: i32,
    find: unsafe extern "C" fn(*mut State, *const Message, usize, *const u8, usize) -> isize,
    set_data: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize),
    append: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize),
    crop: unsafe extern "C" fn(*mut State, *mut Message, usize, usize),
    set_time: unsafe extern "C" fn(*mut State, *mut Message, i64),
    get: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize, *mut Plain),
    set: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize, *const Plain),
    report: unsafe extern "C" fn(*mut State, *mut Message, i32, *const u8, usize),
    json: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize, *mut Plain),
    add_json: unsafe extern "C" fn(*mut State, *mut Message, *const u8, usize, *const Plain) -> i32,
    emit: unsafe extern "C" fn(*mut State, *const Message, *const u8, usize),
    send: unsafe extern "C" fn(*mut State, *mut Message),
    /// From here on Lua does not know it.
    original: Message,
    parts: Vec<Message>,
    finder: Option<Finder<'static>>,
    paths: Paths,
    /// The string that was read last.
    text: String,
    block: PayloadMut,
    postponed: Postponed,
}

/// A value that is one word, or bytes that somebody else owns.
#[repr(C)]
struct Plain {
    tag: i32,
    integer: i64,
    number: f64,
    data: *const u8,
    len: usize,
}

impl State {
    pub(super) fn new(postponed: Postponed) -> Box<Self> {
        Box::new(State {
            progress: Progress::default(),
            changed: 0,
            emitted: 0,
            find,
            set_data,
            append,
            crop,
            set_time,
            get,
            set,
            report,
            json,
            add_json,
            emit,
            send,
            original: Message::new(""),
            parts: Vec::new(),
            finder: None,
            paths: Paths::default(),
            text: String::new(),
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
    fn together(&mut self, parts: [&[u8]; 2]) -> Payload {
        let len = parts[0].len() + parts[1].len();
        if self.block.len() < len {
            self.block = self.postponed.host().payload(len.max(BLOCK));
        }
        self.block[..parts[0].len()].copy_from_slice(parts[0]);
        self.block[parts[0].len()..len].copy_from_slice(parts[1]);
        self.block.split_to(len)
    }

    /// Nothing is left of the message of the moment.
    fn forget(&mut self) {
        (self.changed, self.emitted) = (0, 0);
        self.parts.clear();
    }
}

/// A Lua state, and what makes of a function one that goes over batches.
pub(super) fn lua(state: LightUserData) -> mlua::Result<(Lua, Function)> {
    // SAFETY: `ffi` is the prelude's alone: it is taken away before the operator's file runs.
    let lua =
        unsafe { Lua::unsafe_new_with(StdLib::ALL_SAFE | StdLib::FFI, LuaOptions::default()) };
    let make = lua.load(include_str!("prelude.lua")).set_name("=gopiper").call(state)?;
    let package: Table = lua.globals().get("package")?;
    // What LuaJIT knows of types and their methods goes with the module: it must not be collected.
    lua.set_named_registry_value("ffi", package.get::<Table>("loaded")?.get::<Table>("ffi")?)?;
    for place in ["loaded", "preload"] {
        package.get::<Table>(place)?.set("ffi", mlua::Nil)?;
    }
    lua.globals().set("ffi", mlua::Nil)?;
    Ok((lua, make))
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

// SAFETY, for all below: the prelude gives the state that it was given, which its component keeps for
// as long as Lua runs; a slot of the batch that is being handled, which nobody else refers to; and bytes
// that live for the call (see the module).
unsafe extern "C" fn find(
    state: *mut State,
    message: *const Message,
    from: usize,
    word: *const u8,
    len: usize,
) -> isize {
    // SAFETY: see above.
    let (state, data, word) = unsafe { (&mut *state, (*message).data(), bytes(word, len)) };
    let Some(rest) = data.get(from..) else { return -1 };
    // A search is prepared once: mostly the same word is looked for in all messages.
    let finder = match &state.finder {
        Some(finder) if finder.needle() == word => finder,
        _ => state.finder.insert(Finder::new(word).into_owned()),
    };
    finder.find(rest).map_or(-1, |at| (from + at) as isize)
}

unsafe extern "C" fn set_data(
    state: *mut State,
    message: *mut Message,
    data: *const u8,
    len: usize,
) {
    // SAFETY: see above.
    let (state, message, data) = unsafe { (&mut *state, &mut *message, bytes(data, len)) };
    state.keep_original(message);
    message.set_data(state.together([data, &[]]));
}

unsafe extern "C" fn append(state: *mut State, message: *mut Message, data: *const u8, len: usize) {
    // SAFETY: see above.
    let (state, message, data) = unsafe { (&mut *state, &mut *message, bytes(data, len)) };
    state.keep_original(message);
    let before = message.payload().clone();
    message.set_data(state.together([&before, data]));
}

unsafe extern "C" fn crop(state: *mut State, message: *mut Message, from: usize, len: usize) {
    // SAFETY: see above.
    let (state, message) = unsafe { (&mut *state, &mut *message) };
    state.keep_original(message);
    let payload = message.payload();
    let from = from.min(payload.len());
    let part = payload.slice(from..from + len.min(payload.len() - from));
    message.set_data(part);
}

unsafe extern "C" fn set_time(state: *mut State, message: *mut Message, time: i64) {
    // SAFETY: see above.
    let (state, message) = unsafe { (&mut *state, &mut *message) };
    state.keep_original(message);
    message.set_time(time);
}

unsafe extern "C" fn get(
    _state: *mut State,
    message: *const Message,
    key: *const u8,
    len: usize,
    value: *mut Plain,
) {
    // SAFETY: see above; `value` is the prelude's one.
    let (message, key, out) = unsafe { (&*message, bytes(key, len), &mut *value) };
    let found = std::str::from_utf8(key).ok().and_then(|key| message.attribute(key));
    let Some(found) = found else {
        out.tag = ValueTag::NULL.0 as i32;
        return;
    };
    out.tag = found.tag().0 as i32;
    match found.tag() {
        ValueTag::BOOL => out.integer = found.as_bool().unwrap_or_default().into(),
        ValueTag::I64 => out.integer = found.as_i64().unwrap_or_default(),
        ValueTag::U64 => out.integer = found.as_u64().unwrap_or_default() as i64,
        ValueTag::F64 => out.number = found.as_f64().unwrap_or_default(),
        ValueTag::TIME => out.integer = found.as_time().unwrap_or_default(),
        ValueTag::STRING | ValueTag::BYTES => {
            let text = found.as_str().map(str::as_bytes);
            let bytes = text.or(found.as_bytes().map(|bytes| &bytes[..])).unwrap_or_default();
            (out.data, out.len) = (bytes.as_ptr(), bytes.len());
        }
        _ => {}
    }
}

unsafe extern "C" fn set(
    state: *mut State,
    message: *mut Message,
    key: *const u8,
    len: usize,
    value: *const Plain,
) {
    // SAFETY: see above; `value` is the prelude's one.
    let (state, message, key, given) =
        unsafe { (&mut *state, &mut *message, bytes(key, len), &*value) };
    state.keep_original(message);
    let key = String::from_utf8_lossy(key);
    // SAFETY: see above.
    let value = unsafe { value_of(given) };
    if value.tag() == ValueTag::NULL {
        message.remove_attribute(&key);
    } else {
        message.set_attribute(&key, value);
    }
}

/// # Safety
/// Its bytes live for the call.
unsafe fn value_of(given: &Plain) -> Value {
    match ValueTag(given.tag as u32) {
        ValueTag::BOOL => (given.integer != 0).into(),
        ValueTag::I64 => given.integer.into(),
        ValueTag::U64 => (given.integer as u64).into(),
        ValueTag::F64 => given.number.into(),
        ValueTag::STRING => {
            // SAFETY: by the caller.
            let bytes = unsafe { bytes(given.data, given.len) };
            match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => Payload::from(bytes.to_vec()).into(),
            }
        }
        _ => Value::NULL,
    }
}

unsafe extern "C" fn json(
    state: *mut State,
    message: *const Message,
    path: *const u8,
    len: usize,
    value: *mut Plain,
) {
    // SAFETY: see above; `value` is the prelude's one.
    let (state, data, path, out) =
        unsafe { (&mut *state, (*message).data(), bytes(path, len), &mut *value) };
    let (tag, text) = match json::find(data, state.paths.get(path)) {
        Found::Nothing => (ValueTag::NULL, None),
        Found::Bool(truth) => {
            out.integer = truth.into();
            (ValueTag::BOOL, None)
        }
        Found::Integer(number) => {
            out.integer = number;
            (ValueTag::I64, None)
        }
        Found::Unsigned(number) => {
            out.integer = number as i64;
            (ValueTag::U64, None)
        }
        Found::Float(number) => {
            out.number = number;
            (ValueTag::F64, None)
        }
        Found::Raw(text) => (ValueTag::STRING, Some(text)),
        Found::Text(text) => {
            state.text = text;
            (ValueTag::STRING, Some(state.text.as_bytes()))
        }
    };
    out.tag = tag.0 as i32;
    if let Some(text) = text {
        (out.data, out.len) = (text.as_ptr(), text.len());
    }
}

/// Returns 0 if the message is no object.
unsafe extern "C" fn add_json(
    state: *mut State,
    message: *mut Message,
    key: *const u8,
    len: usize,
    value: *const Plain,
) -> i32 {
    // SAFETY: see above; `value` is the prelude's one.
    let (state, message, key, given) =
        unsafe { (&mut *state, &mut *message, bytes(key, len), &*value) };
    // SAFETY: see above.
    let value = unsafe { value_of(given) };
    let before = message.payload().clone();
    let Some((kept, field)) = json::with_field(&before, &String::from_utf8_lossy(key), &value)
    else {
        return 0;
    };
    state.keep_original(message);
    message.set_data(state.together([&before[..kept], &field]));
    1
}

unsafe extern "C" fn emit(state: *mut State, message: *const Message, data: *const u8, len: usize) {
    // SAFETY: see above.
    let (state, message, data) = unsafe { (&mut *state, &*message, bytes(data, len)) };
    let mut part = message.duplicate();
    part.set_data(state.together([data, &[]]));
    state.emitted += 1;
    state.parts.push(part);
}

/// What was emitted goes on in the message's place, which settles that.
unsafe extern "C" fn send(state: *mut State, message: *mut Message) {
    // SAFETY: see above. Sending calls the host, and nobody else.
    let (state, message) = unsafe { (&mut *state, &mut *message) };
    let parts = std::mem::take(&mut state.parts);
    // The pipeline may be closing: then it has failed, and its source knows.
    let _ = state.postponed.send_from(Kept::of_slot(message).split().1, parts);
    state.forget();
}

/// Any report but Done without a word, which Lua writes into the slot itself.
unsafe extern "C" fn report(
    state: *mut State,
    message: *mut Message,
    status: i32,
    text: *const u8,
    len: usize,
) {
    // SAFETY: see above.
    let (state, message, text) = unsafe { (&mut *state, &mut *message, bytes(text, len)) };
    if status == 0 {
        state.forget();
        message.set_status(0);
        return;
    }
    state.put_back(message);
    state.forget();
    let text = String::from_utf8_lossy(text).into_owned();
    let reported = std::mem::replace(message, Message::vacated());
    *message = reported.with_report(Report::new(status, text));
}
