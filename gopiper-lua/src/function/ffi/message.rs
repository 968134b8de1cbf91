//! Calls for a message's bytes, its time and its report.
#![allow(unsafe_code)]

use gopiper_abi::{Kept, Message, Report};
use memchr::memmem::{self, Finder};

use super::{plain::bytes, state::State};

/// A search for a word that is longer is not kept.
const LARGE: usize = 64 << 10;
/// The longest description, which is for people and for the log.
const DESCRIPTION: usize = 64 << 10;

// The prelude calls these with the state that it was given, and with a slot of the batch that is
// being handled: see `ffi/mod.rs`.

/// The place where the word begins, from a place on; -1 if it is not there.
pub(super) unsafe extern "C" fn find(
    state: &mut State,
    message: &Message,
    from: usize,
    word: *const u8,
    len: usize,
) -> isize {
    // SAFETY: Lua keeps its string `word` alive for the call (`ffi/mod.rs`).
    let word = unsafe { bytes(word, len) };
    let Some(rest) = message.data().get(from..) else { return -1 };
    if word.len() > LARGE {
        // A copy of it would be made.
        return memmem::find(rest, word).map_or(-1, |at| (from + at) as isize);
    }
    // A search is prepared once: mostly the same word is looked for in all messages.
    let finder = match &state.finder {
        Some(finder) if finder.needle() == word => finder,
        _ => prepare(&mut state.finder, word),
    };
    finder.find(rest).map_or(-1, |at| (from + at) as isize)
}

#[cold]
fn prepare<'a>(finder: &'a mut Option<Finder<'static>>, word: &[u8]) -> &'a Finder<'static> {
    finder.insert(Finder::new(word).into_owned())
}

/// Returns 0 if there is no room for the bytes; so do those below.
pub(super) unsafe extern "C" fn set_data(
    state: &mut State,
    message: &mut Message,
    data: *const u8,
    len: usize,
) -> i32 {
    // SAFETY: Lua keeps its string `data` alive for the call (`ffi/mod.rs`).
    let data = unsafe { bytes(data, len) };
    state.keep_original(message);
    let Some(data) = state.together([data]) else { return 0 };
    message.set_data(data);
    1
}

pub(super) unsafe extern "C" fn append(
    state: &mut State,
    message: &mut Message,
    data: *const u8,
    len: usize,
) -> i32 {
    // SAFETY: Lua keeps its string `data` alive for the call (`ffi/mod.rs`).
    let data = unsafe { bytes(data, len) };
    state.keep_original(message);
    let Some(whole) = state.longer(message.payload(), data) else { return 0 };
    message.set_data(whole);
    1
}

pub(super) unsafe extern "C" fn crop(
    state: &mut State,
    message: &mut Message,
    from: usize,
    len: usize,
) {
    state.keep_original(message);
    let payload = message.payload();
    let from = from.min(payload.len());
    let part = payload.slice(from..from + len.min(payload.len() - from));
    message.set_data(part);
}

pub(super) unsafe extern "C" fn set_time(state: &mut State, message: &mut Message, time: i64) {
    state.keep_original(message);
    message.set_time(time);
}

/// A message of these bytes in this one's place.
pub(super) unsafe extern "C" fn emit(
    state: &mut State,
    message: &Message,
    data: *const u8,
    len: usize,
) -> i32 {
    // SAFETY: Lua keeps its string `data` alive for the call (`ffi/mod.rs`).
    let data = unsafe { bytes(data, len) };
    // The list may have to grow.
    let is_full = state.parts.len() == state.parts.capacity();
    let grown = if is_full { 2 * size_of_val(&state.parts[..]) } else { 0 };
    let Some(data) = state.has_room(grown).then(|| state.together([data])).flatten() else {
        return 0;
    };
    let mut part = message.duplicate();
    part.set_data(data);
    state.hold(&part);
    state.parts.push(part);
    1
}

/// The message is done, and something was made: by it, in its place, which settles it, or in the
/// window.
pub(super) unsafe extern "C" fn send(state: &mut State, message: &mut Message) {
    if state.parts.is_empty() {
        message.set_status(0);
    } else {
        let mut parts = std::mem::take(&mut state.parts);
        if parts.len() > 1 {
            // None of them is the piece of a line that the message may be.
            parts.iter_mut().for_each(|part| part.set_piece(0, false));
        }
        // The pipeline may be closing: then the messages have failed, and their source learns of
        // it.
        let _ = state.postponed.send_from(Kept::of_slot(message).split().1, parts);
    }
    state.window.send(&state.postponed);
    state.forget();
}

/// Keeps the message under a key, and sends the messages made for that key. Returns 0 if the
/// message has others in its place, and so cannot be kept, and -1 if there is no room for the key.
pub(super) unsafe extern "C" fn keep(
    state: &mut State,
    message: &mut Message,
    key: *const u8,
    len: usize,
) -> i32 {
    // SAFETY: Lua keeps its string `key` alive for the call (`ffi/mod.rs`).
    let key = unsafe { bytes(key, len) };
    if !state.parts.is_empty() {
        return 0;
    }
    if !state.has_room(2 * len) {
        return -1;
    }
    state.window.keep(key, Kept::of_slot(message).into());
    state.window.send(&state.postponed);
    state.forget();
    1
}

/// Any report except a Done without a description, which Lua writes into the slot itself.
pub(super) unsafe extern "C" fn report(
    state: &mut State,
    message: &mut Message,
    status: i32,
    text: *const u8,
    len: usize,
) {
    // SAFETY: the caller keeps `text` alive for the call: Lua its string, `run` the error's.
    let text = unsafe { bytes(text, len) };
    // A message that fails, or comes again, has made nothing.
    match status {
        100..300 => state.window.take_back(),
        _ => state.window.send(&state.postponed),
    }
    if status == 0 {
        state.forget();
        message.set_status(0);
        return;
    }
    state.put_back(message);
    state.forget();
    let text = said(text);
    let reported = std::mem::replace(message, Message::vacated());
    *message = reported.with_report(Report::new(status, text));
}

/// A description, and how long it was if that is too much.
fn said(text: &[u8]) -> String {
    let mut said = String::from_utf8_lossy(&text[..text.len().min(DESCRIPTION)]).into_owned();
    if text.len() > DESCRIPTION {
        said += &format!("… ({} bytes)", text.len());
    }
    said
}
