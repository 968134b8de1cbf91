//! A message: its bytes, its attributes, its time.
use std::{
    ffi::{c_char, c_void},
    ptr,
};

use gopiper_abi::{Message as gopiper_message, Payload};

use crate::{
    host::{self, gopiper_host},
    text,
    value::{gopiper_bytes, gopiper_value},
};

// A message that C passes is valid as the header says, and used by one thread at a time: so most of
// these functions take it as a reference.

/// A message of your own, without bytes and attributes: read into it, and make other messages from
/// it with gopiper_message_set_slice. Messages to send come from gopiper_batch_add. Free it.
#[unsafe(no_mangle)]
pub extern "C" fn gopiper_message_new() -> Box<gopiper_message> {
    Box::new(gopiper_message::new(Payload::empty()))
}

/// Frees what gopiper_message_new made, and nothing else. What shares its bytes keeps them. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_free(message: Option<Box<gopiper_message>>) {
    drop(message);
}

/// The bytes, which no NUL ends. Valid as long as the message is, and until others are put in their
/// place; those of the message that `handle` got, until `handle` returns. Never write to them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_data(message: &gopiper_message) -> gopiper_bytes {
    message.data().into()
}

/// Puts a copy of these bytes in place of those that there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_set_data(
    message: &mut gopiper_message,
    data: *const c_void,
    length: usize,
) {
    // SAFETY: there are `length` bytes for the call (the header). They may be a part of the
    // message's own, and are copied before it changes.
    let bytes = unsafe { text::bytes(data, length) }.to_vec();
    message.set_data(bytes);
}

/// Puts `length` new bytes in place of those that there are, and returns where to write them:
/// before `handle` returns, the message is sent, or another message gets a slice or a copy of it.
/// They are not zeroed. Not NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_write(
    host: *mut gopiper_host,
    message: &mut gopiper_message,
    length: usize,
) -> *mut u8 {
    // SAFETY: C got `host` from a callback of this worker, and uses it until `destroy` has returned
    // (the header).
    let mut memory = unsafe { host::host(host) }.postponed.host().payload(text::length(length));
    let start = memory.as_mut_ptr();
    // Frozen memory is not written by Rust, and by C only until it is shared, as the header says.
    message.set_data(memory.freeze());
    start
}

/// Puts a part of the bytes of `of` in place of those that there are: shared, not copied. `of` may
/// be the message itself. False, and nothing is changed, if the part does not lie within them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_set_slice(
    message: *mut gopiper_message,
    of: *const gopiper_message,
    start: usize,
    length: usize,
) -> bool {
    // SAFETY: `of` is a message that no code changes during the call (the header); this reference
    // ends before `message`, which may be the same one, is changed.
    let whole = unsafe { &*of }.payload();
    let end = start.checked_add(length).filter(|end| *end <= whole.len());
    let Some(slice) = end.map(|end| whole.slice(start..end)) else { return false };
    // SAFETY: `message` is used by this thread alone during the call (the header), and the
    // reference to `of` has ended.
    unsafe { &mut *message }.set_data(slice);
    true
}

/// An attribute: GOPIPER_NULL if the message does not have it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_attribute(
    message: &gopiper_message,
    key: *const c_char,
) -> gopiper_value {
    // SAFETY: `key` is a text that C keeps for the call (the header), and the result is only used
    // in it.
    let key = unsafe { text::name(key) };
    key.and_then(|key| message.attribute(key)).map_or(gopiper_value::NULL, gopiper_value::of)
}

/// The attribute at a place, counted from 0, in the order in which they were first set. False if
/// there are not so many; then nothing is written. `key` is no text that a NUL ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_attribute_at(
    message: &gopiper_message,
    place: usize,
    key: *mut gopiper_bytes,
    value: *mut gopiper_value,
) -> bool {
    let Some((name, found)) = message.attributes().iter().nth(place) else { return false };
    // SAFETY: `key` and `value` lead to room for one each, which is C's to have written (the
    // header).
    unsafe {
        ptr::write(key, name.as_bytes().into());
        ptr::write(value, gopiper_value::of(found));
    }
    true
}

/// Sets an attribute; bytes and text are copied. False, and nothing is changed, if the key or a
/// text is no UTF-8, or the kind is one that C cannot give.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_set_attribute(
    message: &mut gopiper_message,
    key: *const c_char,
    value: gopiper_value,
) -> bool {
    // SAFETY: `key` is a text that C keeps for the call, and the content of `value` is that of its
    // kind (the header). Its bytes may be those of an attribute of this message: the message
    // copies them before it releases any.
    match unsafe { (text::name(key), value.to_attribute()) } {
        (Some(key), Some(value)) => {
            message.set_attribute(key, value);
            true
        }
        _ => false,
    }
}

/// Takes an attribute away. False if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_remove_attribute(
    message: &mut gopiper_message,
    key: *const c_char,
) -> bool {
    // SAFETY: `key` is a text that C keeps for the call (the header). It is not a text of the
    // message: those do not end with a NUL.
    let key = unsafe { text::name(key) };
    key.and_then(|key| message.remove_attribute(key)).is_some()
}

/// The time the message was created, in nanoseconds since 1970; 0 if it was never set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_time(message: &gopiper_message) -> i64 {
    message.time()
}

/// Says when the message was made, in nanoseconds since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_set_time(message: &mut gopiper_message, nanoseconds: i64) {
    message.set_time(nanoseconds);
}

/// How often this component was given the message before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_message_attempts(message: &gopiper_message) -> u16 {
    message.attempts()
}
