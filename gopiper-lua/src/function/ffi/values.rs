//! Calls for attributes, structured values and fields of JSON.
#![allow(unsafe_code)]

use gopiper_abi::{AttributeValue, Identity, Message, ValueTag};
use json_fields::FoundField;

use super::{
    plain::{ABSENT, Plain, TABLE, bytes},
    state::State,
};
use crate::function::{json, serialized::Writer, structured};

/// The memory of a path for each of its bytes: its text and its keys are stored.
const OF_PATH: usize = 8;

// The prelude calls these as those of `message.rs`; `value` is its only one, for what goes either
// way.
pub(super) unsafe extern "C" fn get(
    state: &mut State,
    message: &Message,
    key: *const u8,
    len: usize,
    out: &mut Plain,
) {
    // SAFETY: Lua keeps its string `key` alive for the call (`ffi/mod.rs`).
    let key = unsafe { bytes(key, len) };
    let found = std::str::from_utf8(key).ok().and_then(|key| message.attribute(key));
    out.put(found, state.text_and_room());
}

/// The message's identity, as text.
pub(super) unsafe extern "C" fn id(state: &mut State, message: &Message, out: &mut Plain) {
    let mut id = Identity::default();
    if !message.write_id(&mut id) {
        out.tag = ABSENT;
        return;
    }
    let text = id.to_string().into_bytes();
    if !state.has_room(text.len()) {
        out.lacks_room(&mut state.text);
        return;
    }
    state.text = text;
    out.point_to(ValueTag::STRING.0 as i32, &state.text);
}

/// All attributes, as one table.
pub(super) unsafe extern "C" fn get_all(state: &mut State, message: &Message, out: &mut Plain) {
    out.write(state.text_and_room(), |to| structured::write_all(message.attributes(), to));
}

pub(super) unsafe extern "C" fn get_value(state: &mut State, message: &Message, out: &mut Plain) {
    out.put(message.value(), state.text_and_room());
}

/// Returns 0 if it is refused; then `given` says why.
pub(super) unsafe extern "C" fn set(
    state: &mut State,
    message: &mut Message,
    key: *const u8,
    len: usize,
    given: &mut Plain,
) -> i32 {
    // SAFETY: Lua keeps its string `key` alive for the call (`ffi/mod.rs`).
    let key = unsafe { bytes(key, len) };
    state.keep_original(message);
    if !state.held.may_set(message, key.len() + given.weight()) {
        return given.lacks_room(&mut state.text);
    }
    // SAFETY: the bytes of the value are a string or a buffer that Lua keeps alive for the call.
    let new = match unsafe { given.read_attribute() } {
        Ok(new) => new,
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    let key = String::from_utf8_lossy(key);
    match (new, message.attribute(&key)) {
        (None, _) => _ = message.remove_attribute(&key),
        (Some(AttributeValue::Value(new)), Some(old)) => {
            let new = structured::like(new, old);
            message.set_attribute(&key, new);
        }
        // Bytes that could be text, put back where they were, stay bytes.
        (Some(AttributeValue::Text(text)), Some(old))
            if old.as_bytes() == Some(text.as_bytes()) => {}
        (Some(new), _) => message.set_attribute(&key, new),
    }
    1
}

pub(super) unsafe extern "C" fn set_value(
    state: &mut State,
    message: &mut Message,
    given: &mut Plain,
) -> i32 {
    state.keep_original(message);
    if !state.held.may_set(message, given.weight()) {
        return given.lacks_room(&mut state.text);
    }
    // SAFETY: the bytes of the value are a string or a buffer that Lua keeps alive for the call.
    let new = match unsafe { given.read() } {
        Ok(new) => new.unwrap_or_default(),
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    let new = match message.value() {
        Some(old) => structured::like(new, old),
        None => new,
    };
    message.set_value(new);
    1
}

pub(super) unsafe extern "C" fn json(
    state: &mut State,
    message: &Message,
    path: *const u8,
    len: usize,
    out: &mut Plain,
) {
    // SAFETY: Lua keeps its string `path` alive for the call (`ffi/mod.rs`).
    let path = unsafe { bytes(path, len) };
    let data = message.data();
    // A text of the message's may be copied, and a path is taken apart.
    if !state.has_room(data.len() + OF_PATH * len) {
        out.lacks_room(&mut state.text);
        return;
    }
    let found = match state.paths.get(path).and_then(|path| json_fields::find(data, path)) {
        Ok(found) => found,
        Err(problem) => return out.no_answer(&mut state.text, problem),
    };
    match found {
        FoundField::Nothing => out.tag = ABSENT,
        FoundField::Bool(truth) => {
            out.is(ValueTag::BOOL);
            out.integer = truth.into();
        }
        FoundField::Integer(number) => {
            out.is(ValueTag::I64);
            out.integer = number;
        }
        FoundField::Unsigned(number) => {
            out.is(ValueTag::U64);
            out.integer = number as i64;
        }
        FoundField::Float(number) => {
            out.is(ValueTag::F64);
            out.number = number;
        }
        FoundField::Raw(text) => out.point_to(ValueTag::STRING.0 as i32, text),
        FoundField::Text(text) => {
            state.text = text.into_bytes();
            out.point_to(ValueTag::STRING.0 as i32, &state.text);
        }
    }
}

/// A field as a table; all of the message if the path is null.
pub(super) unsafe extern "C" fn decode(
    state: &mut State,
    message: &Message,
    path: *const u8,
    len: usize,
    out: &mut Plain,
) {
    let data = message.data();
    if !state.has_room(OF_PATH * len) {
        out.lacks_room(&mut state.text);
        return;
    }
    let room = state.held().rest();
    let path = match path.is_null() {
        true => Ok(None),
        // SAFETY: Lua keeps its string `path` alive for the call (`ffi/mod.rs`).
        false => state.paths.get(unsafe { bytes(path, len) }).map(Some),
    };
    let mut writer = Writer::new(std::mem::take(&mut state.text), room);
    let found = path.and_then(|path| json::decode(data, path, &mut writer));
    state.text = writer.into_bytes();
    match found {
        Ok(true) => out.point_to(TABLE, &state.text),
        Ok(false) => out.tag = ABSENT,
        Err(problem) => out.no_answer(&mut state.text, problem),
    }
}

/// Returns 0 if it is refused; then `given` says why.
pub(super) unsafe extern "C" fn add_json(
    state: &mut State,
    message: &mut Message,
    key: *const u8,
    len: usize,
    given: &mut Plain,
) -> i32 {
    // SAFETY: Lua keeps its string `key` alive for the call (`ffi/mod.rs`).
    let key = unsafe { bytes(key, len) };
    if !state.has_room(3 * message.data().len() + OF_PATH * len + 2 * given.weight()) {
        return given.lacks_room(&mut state.text);
    }
    // SAFETY: the bytes of the value are a string or a buffer that Lua keeps alive for the call.
    let value = match unsafe { given.read() } {
        Ok(value) => value.unwrap_or_default(),
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    let before = message.payload().clone();
    let Some((place, field)) =
        json_fields::with_field(&before, &String::from_utf8_lossy(key), &value)
    else {
        return given.refuse(&mut state.text, ": the message is not a JSON object");
    };
    state.keep_original(message);
    let whole = state.together([&before[..place.start], &field, &before[place.end..]]);
    let Some(whole) = whole else { return given.lacks_room(&mut state.text) };
    message.set_data(whole);
    1
}

/// Like `add_json`, but replaces an existing field.
pub(super) unsafe extern "C" fn set_json(
    state: &mut State,
    message: &mut Message,
    path: *const u8,
    len: usize,
    given: &mut Plain,
) -> i32 {
    // SAFETY: Lua keeps its string `path` alive for the call (`ffi/mod.rs`).
    let path = unsafe { bytes(path, len) };
    if !state.has_room(3 * message.data().len() + OF_PATH * len + 2 * given.weight()) {
        return given.lacks_room(&mut state.text);
    }
    // SAFETY: the bytes of the value are a string or a buffer that Lua keeps alive for the call.
    let value = match unsafe { given.read() } {
        Ok(value) => value.unwrap_or_default(),
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    let before = message.payload().clone();
    let edit = state.paths.get(path).and_then(|path| json_fields::replaced(&before, path, &value));
    let (place, new) = match edit {
        Ok(edit) => edit,
        Err(problem) => return given.refuse(&mut state.text, problem),
    };
    state.keep_original(message);
    let whole = state.together([&before[..place.start], &new, &before[place.end..]]);
    let Some(whole) = whole else { return given.lacks_room(&mut state.text) };
    message.set_data(whole);
    1
}
