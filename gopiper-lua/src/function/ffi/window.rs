//! What is made of messages that were kept.
#![allow(unsafe_code)]

use gopiper_abi::Message;

use super::{
    plain::{Plain, bytes},
    state::State,
};

// SAFETY, for both: as in `message.rs`; `attributes` is the prelude's value.
pub(super) unsafe extern "C" fn emit(
    state: *mut State,
    data: *const u8,
    len: usize,
    key: *const u8,
    key_len: usize,
    time: i64,
    attributes: *mut Plain,
) -> i32 {
    // SAFETY: see above.
    let (state, data, key, given) =
        unsafe { (&mut *state, bytes(data, len), bytes(key, key_len), &mut *attributes) };
    // SAFETY: see above.
    let attributes = match unsafe { given.read() } {
        Ok(attributes) => attributes.unwrap_or_default(),
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    if attributes.as_list().is_some() {
        return given.refuse(&mut state.text, ": each needs a name");
    }
    let mut message = Message::new(state.together([data, &[]]));
    message.set_time(time);
    for (key, value) in attributes.as_map().into_iter().flat_map(|map| map.iter()) {
        message.set_attribute(key, value.clone());
    }
    state.made += 1;
    state.window.emit(key, message);
    1
}

pub(super) unsafe extern "C" fn drop(state: *mut State, key: *const u8, len: usize) {
    // SAFETY: see above.
    let (state, key) = unsafe { (&mut *state, bytes(key, len)) };
    state.made += 1;
    state.window.let_go(key);
}
