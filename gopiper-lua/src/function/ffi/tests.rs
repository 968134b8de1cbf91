//! The functions for Lua, called as the prelude calls them, but without Lua: Miri can run this.
//!
//! All calls go through the pointers that the prelude has: the state's address, the functions in
//! it, and the slots of the batch.
#![allow(unsafe_code)]

use std::{hint, sync::Barrier, thread};

use gopiper_abi::{
    BatchComponent, Error, Factory, HandleFlags, NoAttributes, Outcome, ValueTag,
    raw::BatchHeader,
    testing::{Harness, IntoMessage, Settled},
};

use super::{
    plain::{ABSENT, Plain, TABLE, bytes},
    *,
};
use crate::state::time_limit::Progress;

const KEY: &[u8] = b"key";

struct PreludeFactory;

impl Factory for PreludeFactory {
    type Component = Prelude;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(PreludeFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Prelude, Error> {
        Ok(Prelude(new_state(postponed)))
    }
}

/// Does with each message what its bytes say.
struct Prelude(OwnedState);

impl BatchComponent for Prelude {
    /// As `LuaFunction` does, with the watch on another thread.
    fn handle_batch(&mut self, mut call: BatchCall<'_>) -> HandleFlags {
        let progress: &Progress = &self.0.progress;
        let both = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                for _ in 0..200 {
                    // At first, the place may be one of the batch before.
                    hint::black_box(progress.at());
                    assert!(!progress.is_stopped());
                    thread::yield_now();
                }
            });
            both.wait();
            // SAFETY: the state is borrowed (`progress`), and the batch by the call. Until this
            // returns, nothing else uses either, except the thread above, which has `progress`.
            unsafe { go_over(self.0.pointer(), call.header()) };
        });
        call.reported()
    }

    /// As `LuaFunction::flush` does.
    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.0.forget();
        // SAFETY: `&mut self` is the only one to use the state. The strings are constants.
        unsafe {
            let (state, data) = (self.0.pointer(), b"joined");
            let emit = (*state).window_emit;
            let (key, len) = (KEY.as_ptr(), KEY.len());
            assert_eq!(
                emit(&mut *state, data.as_ptr(), data.len(), key, len, 7, &mut given(ABSENT, b"")),
                1
            );
            assert_eq!(((*state).window_drop)(&mut *state, b"other".as_ptr(), 5), 1);
        }
        let state = &mut *self.0;
        state.forget();
        state.window.send(&state.postponed);
        Ok(())
    }
}

/// A value for Rust, or room for one from it.
fn given(tag: i32, bytes: &[u8]) -> Plain {
    Plain { tag, integer: 0, number: 0.0, data: bytes.as_ptr(), len: bytes.len() }
}

fn string(bytes: &[u8]) -> Plain {
    given(ValueTag::STRING.0 as i32, bytes)
}

/// The loop of `lua/batch.lua`.
///
/// # Safety
/// Nothing else uses the state or the batch meanwhile, except threads that have its progress.
unsafe fn go_over(state: *mut State, batch: *mut BatchHeader) {
    // SAFETY: both are for this alone (`# Safety`), and the slots from the cursor on hold messages.
    unsafe {
        // Lua reads the box as the pointer that it is.
        let progress = (&raw const (*state).progress).cast::<*const Progress>().read();
        let (first, len) = ((*batch).cursor.load(Relaxed), (*batch).len);
        for at in first..len {
            (*progress).begin(at);
            (*batch).cursor.store(at, Relaxed);
            let slot = (*batch).messages.add(at as usize);
            (*state).slot.store(slot, Relaxed);
            handle(state, slot);
        }
        (*state).slot.store(ptr::null_mut(), Relaxed);
        assert_eq!((*progress).at(), len - 1);
        (*batch).cursor.store(first, Relaxed);
    }
}

/// # Safety
/// The state and the slot, which holds a message, are for this alone.
unsafe fn handle(state: *mut State, slot: *mut Message) {
    // SAFETY: both are for this alone (`# Safety`). All strings live for the calls.
    unsafe {
        match data_of(slot).as_slice() {
            b"read" => {
                read(state, slot);
                (*slot).set_status(0);
            }
            b"change" => {
                change(state, slot);
                (*slot).set_status(0);
                (*state).changed = 0;
            }
            b"fail" => {
                change(state, slot);
                ((*state).report)(&mut *state, &mut *slot, 200, b"why".as_ptr(), 3);
            }
            b"emit" => {
                for part in [b"one", b"two"] {
                    let emitted = ((*state).emit)(&mut *state, &*slot, part.as_ptr(), part.len());
                    assert_eq!(emitted, 1);
                }
                ((*state).send)(&mut *state, &mut *slot);
            }
            b"keep" => {
                let kept = ((*state).keep)(&mut *state, &mut *slot, KEY.as_ptr(), KEY.len());
                assert_eq!(kept, 1);
            }
            b"drop" => (*slot).set_status(300),
            data if data.starts_with(b"{") => {
                json(state, slot);
                (*slot).set_status(0);
                (*state).changed = 0;
            }
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
}

/// As Lua reads them: by the first two fields of the slot.
///
/// # Safety
/// The slot holds a message, and nothing changes it meanwhile.
unsafe fn data_of(slot: *const Message) -> Vec<u8> {
    let words = slot.cast::<usize>();
    // SAFETY: a slot begins with its bytes' address and their number (`lua/types.h`).
    unsafe { bytes(slot.cast::<*const u8>().read(), words.add(1).read()).to_vec() }
}

/// # Safety
/// As `handle`.
unsafe fn read(state: *mut State, slot: *mut Message) {
    // SAFETY: state and slot are for this alone (`# Safety`). The bytes of `out` are read before
    // the next call.
    unsafe {
        let mut out = given(ABSENT, b"");
        // The second time, the search is ready.
        for _ in 0..2 {
            assert_eq!(((*state).find)(&mut *state, &*slot, 1, b"ad".as_ptr(), 2), 2);
        }
        ((*state).get)(&mut *state, &*slot, b"name".as_ptr(), 4, &mut out);
        assert_eq!((out.tag, bytes(out.data, out.len)), (ValueTag::STRING.0 as i32, &b"old"[..]));
        ((*state).get)(&mut *state, &*slot, b"none".as_ptr(), 4, &mut out);
        assert_eq!(out.tag, ABSENT);
        ((*state).get_value)(&mut *state, &*slot, &mut out);
        assert_eq!(out.tag, ABSENT);
        ((*state).get_all)(&mut *state, &*slot, &mut out);
        assert_eq!(out.tag, TABLE);
        assert!(!bytes(out.data, out.len).is_empty());
    }
}

/// # Safety
/// As `handle`.
unsafe fn change(state: *mut State, slot: *mut Message) {
    // SAFETY: state and slot are for this alone (`# Safety`). The bytes of `out` are read before
    // the next call, and all others are constants.
    unsafe {
        let new = &mut string(b"new");
        assert_eq!(((*state).set)(&mut *state, &mut *slot, b"name".as_ptr(), 4, new), 1);
        let mut out = given(ABSENT, b"");
        ((*state).get_all)(&mut *state, &*slot, &mut out);
        let table = bytes(out.data, out.len).to_vec();
        assert_eq!(((*state).set_value)(&mut *state, &mut *slot, &mut given(TABLE, &table)), 1);
        ((*state).get_value)(&mut *state, &*slot, &mut out);
        assert_eq!((out.tag, bytes(out.data, out.len)), (TABLE, &*table));
        assert_eq!(((*state).set_data)(&mut *state, &mut *slot, b"123".as_ptr(), 3), 1);
        // It grows in its place; so what was made before it stays as it is.
        for more in [b"45", b"67"] {
            assert_eq!(((*state).append)(&mut *state, &mut *slot, more.as_ptr(), 2), 1);
        }
        assert_eq!(data_of(slot), b"1234567");
        ((*state).crop)(&mut *state, &mut *slot, 1, 5);
        ((*state).set_time)(&mut *state, &mut *slot, 42);
    }
}

/// # Safety
/// As `handle`.
unsafe fn json(state: *mut State, slot: *mut Message) {
    // SAFETY: state and slot are for this alone (`# Safety`). The bytes of `out` are read before
    // the next call, and all others are constants.
    unsafe {
        let mut out = given(ABSENT, b"");
        ((*state).json)(&mut *state, &*slot, b"a".as_ptr(), 1, &mut out);
        assert_eq!((out.tag, bytes(out.data, out.len)), (ValueTag::STRING.0 as i32, &b"x\n"[..]));
        ((*state).decode)(&mut *state, &*slot, ptr::null(), 0, &mut out);
        assert_eq!(out.tag, TABLE);
        let y = &mut string(b"y");
        assert_eq!(((*state).set_json)(&mut *state, &mut *slot, b"a".as_ptr(), 1, y), 1);
        assert_eq!(((*state).add_json)(&mut *state, &mut *slot, b"b".as_ptr(), 1, y), 1);
    }
}

/// Gives it a message of each of these bytes. Returns the status and the bytes of each.
fn handled(prelude: &mut Harness, all: &[&'static str]) -> Vec<(i32, String)> {
    let messages = all.iter().map(|text| {
        let mut message = text.into_message();
        message.set_attribute("name", "old");
        message
    });
    let handled = prelude.handle(messages);
    let said = handled.into_iter().map(|one| (one.status, String::from_utf8(one.data).unwrap()));
    said.collect()
}

#[test]
fn a_worker_and_its_watch_share_a_state_for_two_batches_and_the_last_flush() {
    let mut prelude = Harness::transform::<PreludeFactory>([]).unwrap();
    let of = |said: &[(i32, &str)]| -> Vec<(i32, String)> {
        said.iter().map(|(status, text)| (*status, (*text).to_owned())).collect()
    };
    let all = ["read", "change", "emit", "keep", "fail", "drop", "change"];
    let said = handled(&mut prelude, &all);
    // Nothing is left in the slots of those that are sent or kept.
    let results = [(0, "read"), (0, "23456"), (1, ""), (1, ""), (200, "fail"), (300, "drop")];
    assert_eq!(said[..6], of(&results));
    assert_eq!(said[6], said[1]);
    let again = handled(&mut prelude, &["keep", "read", "emit"]);
    assert_eq!(again, of(&[(1, ""), (0, "read"), (1, "")]));
    let sent = prelude.sent_messages();
    let text = |message: &Message| String::from_utf8_lossy(message.data()).into_owned();
    let mut texts: Vec<_> = sent.iter().map(text).collect();
    texts.sort();
    assert_eq!(texts, ["23456", "23456", "one", "one", "read", "read", "two", "two"]);
    let changed = sent.iter().find(|message| message.data() == b"23456").unwrap();
    assert_eq!(changed.time(), 42);
    assert_eq!(changed.attribute("name").unwrap().as_str(), Some("new"));
    assert_eq!(changed.value().unwrap().as_map().unwrap().len(), 1);

    let settled = |prelude: &mut Harness| -> Vec<_> {
        let each = |Settled { token, first, count, outcome }: Settled| {
            (first..first + count).map(move |place| (token, place, outcome))
        };
        let mut all: Vec<_> = prelude.settled().into_iter().flat_map(each).collect();
        all.sort_by_key(|(token, place, _)| (*token, *place));
        all
    };
    let before = settled(&mut prelude);
    let places: Vec<_> = before.iter().map(|(token, place, _)| (*token, *place)).collect();
    // All but the two that it keeps.
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (0, 4), (0, 5), (0, 6), (1, 1), (1, 2)]);
    prelude.end().unwrap();
    assert_eq!(prelude.sent(), [b"joined"]);
    let kept = [(0, 3, Outcome::DELIVERED), (1, 0, Outcome::DELIVERED)];
    assert_eq!(settled(&mut prelude), kept);
}

#[test]
#[cfg_attr(miri, ignore = "JSON is read with vector instructions")]
fn fields_of_json() {
    let mut prelude = Harness::transform::<PreludeFactory>([]).unwrap();
    let said = handled(&mut prelude, &[r#"{"a":"x\n"}"#]);
    assert_eq!(said, [(0, r#"{"a":"y","b":"y"}"#.to_owned())]);
}
