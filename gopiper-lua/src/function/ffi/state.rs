//! The state that one worker's functions share, as Lua sees it.
#![allow(unsafe_code)]

use std::{
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::atomic::AtomicPtr,
};

use gopiper_abi::{Message, Payload, PayloadMut, Postponed};
use json_fields::Paths;
use memchr::memmem::Finder;
use mlua::LightUserData;

use super::{held::Held, plain::Plain};
use crate::{function::window::Window, state::time_limit::Progress};

/// How many bytes of new payloads share one owner.
const BLOCK: usize = 64 << 10;

/// One worker's, as Lua sees it.
#[repr(C)]
pub(crate) struct State {
    /// Apart: the watch looks at it at any time, while functions that Lua calls have the rest.
    pub(crate) progress: Box<Progress>,
    /// Whether the current message was changed: `original` is the message as received.
    pub(super) changed: i32,
    /// How many messages it has made, in its place or in the window, or dropped there.
    pub(super) made: i32,
    /// The current message, in its batch; null when its function has returned.
    pub(super) slot: AtomicPtr<Message>,
    pub(super) find: unsafe extern "C" fn(&mut State, &Message, usize, *const u8, usize) -> isize,
    pub(super) set_data: unsafe extern "C" fn(&mut State, &mut Message, *const u8, usize) -> i32,
    pub(super) append: unsafe extern "C" fn(&mut State, &mut Message, *const u8, usize) -> i32,
    pub(super) crop: unsafe extern "C" fn(&mut State, &mut Message, usize, usize),
    pub(super) set_time: unsafe extern "C" fn(&mut State, &mut Message, i64),
    pub(super) report: unsafe extern "C" fn(&mut State, &mut Message, i32, *const u8, usize),
    pub(super) emit: unsafe extern "C" fn(&mut State, &Message, *const u8, usize) -> i32,
    pub(super) send: unsafe extern "C" fn(&mut State, &mut Message),
    pub(super) get: unsafe extern "C" fn(&mut State, &Message, *const u8, usize, &mut Plain),
    pub(super) set:
        unsafe extern "C" fn(&mut State, &mut Message, *const u8, usize, &mut Plain) -> i32,
    pub(super) get_all: unsafe extern "C" fn(&mut State, &Message, &mut Plain),
    pub(super) get_value: unsafe extern "C" fn(&mut State, &Message, &mut Plain),
    pub(super) set_value: unsafe extern "C" fn(&mut State, &mut Message, &mut Plain) -> i32,
    pub(super) json: unsafe extern "C" fn(&mut State, &Message, *const u8, usize, &mut Plain),
    pub(super) decode: unsafe extern "C" fn(&mut State, &Message, *const u8, usize, &mut Plain),
    pub(super) add_json:
        unsafe extern "C" fn(&mut State, &mut Message, *const u8, usize, &mut Plain) -> i32,
    pub(super) set_json:
        unsafe extern "C" fn(&mut State, &mut Message, *const u8, usize, &mut Plain) -> i32,
    pub(super) keep: unsafe extern "C" fn(&mut State, &mut Message, *const u8, usize) -> i32,
    pub(super) window_emit: unsafe extern "C" fn(
        &mut State,
        *const u8,
        usize,
        *const u8,
        usize,
        i64,
        &mut Plain,
    ) -> i32,
    pub(super) window_drop: unsafe extern "C" fn(&mut State, *const u8, usize) -> i32,
    pub(super) id: unsafe extern "C" fn(&mut State, &Message, &mut Plain),
    /// From here on Lua does not know it.
    pub(super) original: Message,
    /// The messages that it has emitted in its place.
    pub(super) parts: Vec<Message>,
    pub(crate) window: Window,
    pub(super) finder: Option<Finder<'static>>,
    pub(super) paths: Paths,
    /// A value's bytes for Lua, until the next call.
    pub(super) text: Vec<u8>,
    pub(super) block: PayloadMut,
    /// By [`State::held`].
    pub(super) held: Held,
    pub(crate) postponed: Postponed,
}

/// Owns a [`State`] at a place that Lua knows. All pointers to it come from the one that the
/// allocation gave, so none ends another: functions that Lua calls change it by theirs, between two
/// calls its worker does by this one. What others look at meanwhile lies elsewhere (`progress`).
pub(crate) struct OwnedState(NonNull<State>);

// SAFETY: it owns the state alone, and each part of it may go from one thread to another: Lua,
// which has its address, goes along (`LuaFunction`).
unsafe impl Send for OwnedState {}

impl OwnedState {
    pub(super) fn new(state: State) -> Self {
        OwnedState(NonNull::from(Box::leak(Box::new(state))))
    }

    /// Its address, valid until this is dropped.
    pub(crate) fn pointer(&self) -> *mut State {
        self.0.as_ptr()
    }

    /// The same, for Lua.
    pub(crate) fn for_lua(&self) -> LightUserData {
        LightUserData(self.0.as_ptr().cast())
    }
}

impl Deref for OwnedState {
    type Target = State;
    fn deref(&self) -> &State {
        // SAFETY: the state is there until the drop. While Lua runs, only `progress` is looked at,
        // which is elsewhere, by a reference that was made before.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for OwnedState {
    fn deref_mut(&mut self) -> &mut State {
        // SAFETY: this is the only owner, and `&mut` shows that no call into Lua runs: that borrows
        // it (`Limit::begin`, `run`).
        unsafe { self.0.as_mut() }
    }
}

impl Drop for OwnedState {
    fn drop(&mut self) {
        // SAFETY: the state came from a box (`new`). Lua, which refers to it, is dropped before it
        // (`LuaFunction`).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl State {
    /// The message is about to be changed: retries and dead letters get it as received.
    pub(super) fn keep_original(&mut self, message: &Message) {
        if self.changed == 0 {
            self.held();
            self.changed = 1;
            self.original = message.duplicate();
        }
    }

    /// The bytes that the function holds for the current message: none until it has done something.
    pub(super) fn held(&mut self) -> &mut Held {
        if self.changed == 0 && self.made == 0 {
            self.held.begin();
        }
        &mut self.held
    }

    /// Whether it may hold this many more bytes.
    pub(super) fn has_room(&mut self, len: usize) -> bool {
        self.held().has_room(len)
    }

    /// The buffer for a value for Lua, and its longest length.
    pub(super) fn text_and_room(&mut self) -> (&mut Vec<u8>, usize) {
        let room = self.held().rest();
        (&mut self.text, room)
    }

    pub(super) fn put_back(&mut self, message: &mut Message) {
        if std::mem::take(&mut self.changed) != 0 {
            message.restore(&self.original);
        }
    }

    /// Concatenates bytes; `None` if there is no room for them.
    pub(super) fn together<const N: usize>(&mut self, parts: [&[u8]; N]) -> Option<Payload> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.block.len() < len && !self.begin_block(len) {
            return None;
        }
        let mut start = 0;
        for part in parts {
            self.block[start..start + part.len()].copy_from_slice(part);
            start += part.len();
        }
        Some(self.block.split_to(len))
    }

    /// Takes new memory for payloads; false if there is no room for this many bytes.
    fn begin_block(&mut self, len: usize) -> bool {
        let len = len.max(BLOCK);
        let has_room = self.has_room(len);
        if has_room {
            self.block = self.postponed.host().payload(len);
            self.held.block = len;
        }
        has_room
    }

    /// A payload and bytes after it, without a copy of the payload if it was the last one made
    /// here. So many small pieces cost as much as a few large ones.
    pub(super) fn longer(&mut self, before: &Payload, data: &[u8]) -> Option<Payload> {
        if data.len() <= self.block.len() && self.block.follows(before) {
            self.block[..data.len()].copy_from_slice(data);
            return Some(self.block.extend(before, data.len()));
        }
        let len = before.len() + data.len();
        // A payload that has grown will probably grow again: with room for twice its size it is
        // copied rarely.
        if self.block.len() < len && self.block.follows(before) {
            self.begin_block(2 * len);
        }
        self.together([before, data])
    }

    /// Counts a message that it has made.
    pub(super) fn hold(&mut self, message: &Message) {
        self.made += 1;
        self.held.add(message);
    }

    /// Forgets everything about the current message.
    pub(crate) fn forget(&mut self) {
        (self.changed, self.made) = (0, 0);
        self.held.begin();
        self.parts.clear();
    }
}
