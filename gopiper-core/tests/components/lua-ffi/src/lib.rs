//! Proves the interface: a LuaJIT function that reads and writes payload, status and attributes of
//! a batch through FFI. The loop over the messages runs in Lua, compiled.
#![allow(unsafe_code)]

use std::ffi::c_void;

use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Message, Postponed, attributes,
    export_component,
};
use mlua::{Function, LightUserData, Lua};

attributes! {
    /// Runs a Lua function over each batch.
    pub struct Attributes {
        /// The function: gets a message, returns nothing or a status.
        pub code: String,
    }
}

/// Makes [`LuaFfi`]s.
pub struct LuaFactory(String);

impl Factory for LuaFactory {
    type Component = LuaFfi;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(LuaFactory(attributes.code))
    }

    fn create(&self, _postponed: Postponed) -> Result<LuaFfi, Error> {
        // SAFETY: the code may use `ffi`; it is the test's own.
        let lua = unsafe { Lua::unsafe_new() };
        let api = LightUserData((&raw const API).cast_mut().cast::<c_void>());
        let user: Function = lua.load(&self.0).set_name("=code").eval()?;
        let run = lua.load(include_str!("loop.lua")).set_name("=loop").call((api, user))?;
        Ok(LuaFfi { run, _lua: lua })
    }
}

/// The functions that Lua calls.
#[repr(C)]
struct Api {
    set_data: unsafe extern "C" fn(&mut Message, *const u8, usize),
    set_attribute: unsafe extern "C" fn(&mut Message, *const u8, usize, *const u8, usize),
}

static API: Api = Api { set_data, set_attribute };

/// # Safety
/// `data` leads to `len` bytes that live for the call.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: `data` leads to `len` bytes that live for the call (`# Safety`).
    unsafe { std::slice::from_raw_parts(data, len) }
}

// Lua passes a slot of its batch, to which nothing else refers, and strings.
unsafe extern "C" fn set_data(message: &mut Message, data: *const u8, len: usize) {
    // SAFETY: Lua keeps its string `data` alive for the call.
    message.set_data(unsafe { bytes(data, len) }.to_vec());
}
unsafe extern "C" fn set_attribute(
    message: &mut Message,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    len: usize,
) {
    // SAFETY: Lua keeps its strings `key` and `value` alive for the call.
    let (key, value) = unsafe { (bytes(key, key_len), bytes(value, len)) };
    let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
    message.set_attribute(&key, &*value);
}

/// The component of one worker.
pub struct LuaFfi {
    run: Function,
    _lua: Lua,
}

// SAFETY: the state is this component's alone, and a component is used by one thread at a time.
unsafe impl Send for LuaFfi {}

impl BatchComponent for LuaFfi {
    fn handle_batch(&mut self, mut call: BatchCall<'_>) -> HandleFlags {
        let batch = LightUserData(call.header().cast());
        if let Err(error) = self.run.call::<()>(batch) {
            panic!("{error}");
        }
        call.reported()
    }
}

export_component!(transform: LuaFactory);
