//! Calls for messages made from kept ones.
#![allow(unsafe_code)]

use gopiper_abi::Message;

use super::{
    plain::{Plain, bytes},
    state::State,
};

/// The approximate memory of a key beside its bytes.
const OF_KEY: usize = 256;

// The prelude calls these as those of `message.rs`; `given` is its only value, a table of
// attributes or nothing.
pub(super) unsafe extern "C" fn emit(
    state: &mut State,
    data: *const u8,
    len: usize,
    key: *const u8,
    key_len: usize,
    time: i64,
    given: &mut Plain,
) -> i32 {
    // SAFETY: Lua keeps its strings `data` and `key` alive for the call (`ffi/mod.rs`).
    let (data, key) = unsafe { (bytes(data, len), bytes(key, key_len)) };
    let weight = given.weight();
    if !state.has_room(OF_KEY + 2 * key.len() + weight) {
        return given.lacks_room(&mut state.text);
    }
    // SAFETY: the bytes of the table are a buffer that Lua keeps alive for the call.
    let attributes = match unsafe { given.read_attributes() } {
        Ok(attributes) => attributes,
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    if attributes.as_list().is_some() {
        return given.refuse(&mut state.text, ": each needs a name");
    }
    let Some(data) = state.together([data]) else { return given.lacks_room(&mut state.text) };
    let mut message = Message::new(data);
    message.set_time(time);
    for (key, value) in attributes.as_map().into_iter().flat_map(|map| map.iter()) {
        message.set_attribute(key, value);
    }
    state.hold(&message);
    state.held.made += OF_KEY + 2 * key.len() + weight;
    state.window.emit(key, message);
    1
}

/// Returns 0 if there is no room for the key.
pub(super) unsafe extern "C" fn drop(state: &mut State, key: *const u8, len: usize) -> i32 {
    // SAFETY: Lua keeps its string `key` alive for the call (`ffi/mod.rs`).
    let key = unsafe { bytes(key, len) };
    let of_key = OF_KEY + 2 * key.len();
    if !state.has_room(of_key) {
        return 0;
    }
    state.made += 1;
    state.held.made += of_key;
    state.window.drop_kept(key);
    1
}
