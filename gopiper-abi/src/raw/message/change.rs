//! Changes of the parts of a message beside its bytes: in place if nothing else refers to it, else
//! in a copy.
use std::{mem, ptr, sync::atomic::AtomicU32};

use crate::raw::{
    AttributeValue, Value,
    message::{
        arena::{self, Arena},
        extra::{Attribute, Extra, Rare, Trace},
    },
};

/// Changes. `place` is where a message keeps its pointer (null for none), and its reference.
impl Extra {
    /// Sets an attribute; its place stays if there was one of this name.
    ///
    /// # Safety
    /// `place` holds null or a reference, and nothing else uses it meanwhile.
    pub(in crate::raw) unsafe fn set(place: *mut *mut Extra, name: &str, value: AttributeValue) {
        let value = value.shortened();
        // SAFETY: `place` holds null or a reference, and nothing else uses it (`# Safety`).
        let at = unsafe { if (*place).is_null() { None } else { Self::position(*place, name) } };
        let is_new = at.is_none();
        let text = value.near_len() + if is_new { name.len() } else { 0 };
        // SAFETY: `place` is as the caller says (`# Safety`). The extra has room for one more
        // attribute if that is asked for, and the arena for `text` bytes.
        let replaced = unsafe {
            Self::edit(place, is_new.into(), text, |arena, extra| {
                let value = value.put(arena);
                (*extra).has_objects |= u32::from(value.is_object());
                match at {
                    Some(at) => mem::replace(&mut (*Self::attribute(extra, at)).value, value),
                    None => {
                        let attribute = Self::attribute(extra, (*extra).len as usize);
                        let (name_len, name) = (name.len(), arena.copy(name.as_bytes()));
                        ptr::write(attribute, Attribute { name, name_len, value });
                        (*extra).len += 1;
                        Value::NULL
                    }
                }
            })
        };
        drop(replaced);
    }

    /// Takes an attribute away.
    ///
    /// # Safety
    /// As for [`Extra::set`]; `place` holds an extra with an attribute at `at`.
    pub(in crate::raw) unsafe fn remove(place: *mut *mut Extra, at: usize) -> Value {
        // SAFETY: `place` holds a reference, and there is an attribute at `at` (`# Safety`): it is
        // read out once, and those after it move into its place.
        unsafe {
            Self::edit(place, 0, 0, |_, extra| {
                let attribute = Self::attribute(extra, at);
                let value = ptr::read(&raw const (*attribute).value).into_own();
                (*extra).len -= 1;
                ptr::copy(attribute.add(1), attribute, (*extra).len as usize - at);
                value
            })
        }
    }

    /// # Safety
    /// As for [`Extra::set`].
    pub(in crate::raw) unsafe fn set_value(place: *mut *mut Extra, value: Value) {
        // SAFETY: `place` is as the caller says (`# Safety`), and nothing else refers to the extra.
        let replaced = unsafe {
            Self::edit(place, 0, 0, |_, extra| {
                (*extra).has_objects |= u32::from(value.is_object());
                mem::replace(&mut (*extra).value, value)
            })
        };
        drop(replaced);
    }

    /// # Safety
    /// As for [`Extra::set`].
    pub(in crate::raw) unsafe fn set_trace(place: *mut *mut Extra, trace: Trace) {
        // SAFETY: `place` is as the caller says (`# Safety`), and the arena has room for a `Rare`.
        unsafe {
            Self::edit(place, 0, OF_RARE, |arena, extra| match (*extra).rare.as_mut() {
                Some(rare) => rare.trace = trace,
                None => (*extra).rare = put_rare(arena, Rare { trace, later: Value::NULL }),
            });
        }
    }

    /// # Safety
    /// As for [`Extra::set`].
    pub(in crate::raw) unsafe fn describe(place: *mut *mut Extra, description: &str) {
        // SAFETY: `place` is as the caller says (`# Safety`), and the arena has room for the text.
        unsafe {
            Self::edit(place, 0, description.len(), |arena, extra| {
                (*extra).description_len = description.len();
                (*extra).description = arena.copy(description.as_bytes());
            });
        }
    }

    /// Makes `place` hold an extra that nothing else refers to, with room for `more` attributes,
    /// and calls `write` with it while the arena has room for `text` bytes. Values that `write`
    /// replaces are its result, to be dropped afterwards: that may run an author's code.
    ///
    /// # Safety
    /// As for [`Extra::set`].
    unsafe fn edit<R>(
        place: *mut *mut Extra,
        more: usize,
        text: usize,
        write: impl FnOnce(&mut Arena, *mut Extra) -> R,
    ) -> R {
        let (old, result) = Arena::with(|arena| {
            // SAFETY: `place` is as the caller says (`# Safety`).
            unsafe {
                let (extra, old) = Self::own(arena, *place, more, text);
                *place = extra;
                (old, write(arena, extra))
            }
        });
        if !old.is_null() {
            // SAFETY: `own` gave this reference out of the message.
            unsafe { Self::release(old) }
        }
        result
    }

    /// An extra that nothing else refers to, with the content of `old` (null: none) and room for
    /// `more` attributes; the arena has room for `text` bytes then. Also returns the reference that
    /// is to be released: null if `old` itself will do.
    ///
    /// # Safety
    /// The caller holds a reference on `old`, and gives it up for those returned.
    unsafe fn own(
        arena: &mut Arena,
        old: *mut Extra,
        more: usize,
        text: usize,
    ) -> (*mut Extra, *mut Extra) {
        // SAFETY: the caller holds a reference on `old` (`# Safety`), so it is alive; one that is
        // not shared is the caller's alone. Room is made before each piece of memory is taken.
        unsafe {
            let of_more = more * size_of::<Attribute>();
            if old.is_null() {
                arena.reserve(size_of::<Extra>() + of_more + text);
                return (Self::empty(arena, more), old);
            }
            let count = (*old).len as usize;
            if Self::is_unshared(old) {
                let is_enough = more + text == 0;
                let end = Self::attribute(old, count).cast_const().cast();
                let has_room = arena.is_of((*old).memory)
                    && arena.room() >= of_more + text
                    && (more == 0 || arena.continues((*old).memory, end));
                if has_room {
                    arena.push(of_more);
                }
                if is_enough || has_room {
                    return (old, ptr::null_mut());
                }
            }
            arena.reserve(Self::weight(old) + of_more + text);
            let new = Self::empty(arena, count + more);
            Self::copy(arena, old, new);
            (new, old)
        }
    }

    /// One with room for `count` attributes, and none.
    ///
    /// # Safety
    /// The arena has room for it.
    unsafe fn empty(arena: &mut Arena, count: usize) -> *mut Extra {
        // SAFETY: there is room (`# Safety`), and memory of an arena is aligned for structs.
        unsafe {
            let extra = arena.push(size_of::<Extra>() + count * size_of::<Attribute>()).cast();
            let memory = arena.reference();
            ptr::write(
                extra,
                Extra {
                    memory,
                    references: AtomicU32::new(1),
                    len: 0,
                    has_objects: 0,
                    value: Value::NULL,
                    description: ptr::null(),
                    description_len: 0,
                    rare: ptr::null_mut(),
                    reserved: 0,
                    attributes: [],
                },
            );
            extra
        }
    }

    /// The bytes that a copy of it takes at most.
    ///
    /// # Safety
    /// The caller holds a reference.
    unsafe fn weight(extra: *const Extra) -> usize {
        let of = |it: &Attribute| size_of::<Attribute>() + it.name_len + it.value.near_len();
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive and unchanged.
        unsafe {
            let attributes: usize = Self::attributes(extra).iter().map(of).sum();
            let rare = (*extra).rare.as_ref();
            let rare = rare.map_or(0, |rare| OF_RARE + rare.later.near_len());
            let text = (*extra).description_len + (*extra).value.near_len();
            size_of::<Extra>() + attributes + text + rare
        }
    }

    /// Fills `new`, which is empty and has room, with the content of `old`. If `old` is not shared,
    /// its objects move.
    ///
    /// # Safety
    /// The caller holds references on both, the only one on `new`, and the arena, whose chunk is
    /// that of `new`, has room for the text.
    unsafe fn copy(arena: &mut Arena, old: *mut Extra, new: *mut Extra) {
        // SAFETY: both are alive, and `old` is not changed by others meanwhile (`# Safety`). Where
        // objects move, only the caller refers to `old`, which forgets that it has any.
        unsafe {
            let (is_near, may_move) = (arena.is_of((*old).memory), Self::is_unshared(old));
            let mut text = |start: *const u8, len: usize| match is_near {
                // It lies in the chunk that `new` has a reference on, too.
                true => start,
                false => arena.copy(arena::bytes(start, len)),
            };
            let value =
                |value: &Value, text: &mut dyn FnMut(*const u8, usize) -> *const u8| match value
                    .near_bytes()
                {
                    Some(near) => {
                        Value::near(value.tag(), text(near.as_ptr(), near.len()), near.len())
                    }
                    None if may_move => ptr::read(value),
                    None => value.clone(),
                };
            (*new).has_objects = (*old).has_objects;
            (*new).description_len = (*old).description_len;
            (*new).description = text((*old).description, (*old).description_len);
            (*new).value = value(&(*old).value, &mut text);
            for (at, it) in Self::attributes(old).iter().enumerate() {
                let copy = Attribute {
                    name: text(it.name, it.name_len),
                    name_len: it.name_len,
                    value: value(&it.value, &mut text),
                };
                ptr::write(Self::attribute(new, at), copy);
            }
            (*new).len = (*old).len;
            if let Some(rare) = (*old).rare.as_ref() {
                let later = value(&rare.later, &mut text);
                (*new).rare = put_rare(arena, Rare { trace: rare.trace, later });
            }
            if may_move {
                (*old).has_objects = 0;
            }
        }
    }
}

/// The bytes that a [`Rare`] takes at most, with its alignment.
const OF_RARE: usize = size_of::<Rare>() + align_of::<Rare>();

/// # Safety
/// The arena has room for it.
unsafe fn put_rare(arena: &mut Arena, rare: Rare) -> *mut Rare {
    // SAFETY: there are `OF_RARE` bytes (`# Safety`), so the struct fits wherever its alignment
    // begins in them.
    unsafe {
        let place = arena.copy(&[0; OF_RARE]).cast_mut();
        let place = place.add(place.align_offset(align_of::<Rare>())).cast::<Rare>();
        ptr::write(place, rare);
        place
    }
}
