//! The parts that most messages lack: attributes, a structured value, a description, a trace.
use std::{
    ptr, slice,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use abi_stable::StableAbi;

use crate::raw::{
    PayloadOwner, Value,
    message::{arena, owner},
};

/// The trace that a message belongs to, in W3C's terms; all zero for none.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, StableAbi)]
pub struct Trace {
    /// The trace's id.
    pub id: [u8; 16],
    /// The id of the span that the message came from.
    pub span: [u8; 8],
    /// Flags: bit 0, sampled.
    pub flags: u64,
}

impl Trace {
    /// Whether the trace is recorded (W3C's flag `sampled`).
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

/// A name with its value, as one message has it.
#[repr(C)]
#[derive(StableAbi)]
pub struct Attribute {
    pub(in crate::raw) name: *const u8,
    pub(in crate::raw) name_len: usize,
    pub(in crate::raw) value: Value,
}

/// The parts that few messages have.
#[repr(C)]
#[derive(StableAbi)]
pub struct Rare {
    pub(in crate::raw) trace: Trace,
    /// For later interfaces: an older side clones, drops and passes on what it does not know.
    pub(in crate::raw) later: Value,
}

/// The parts that most messages lack, behind one pointer; the attributes follow directly. Names and
/// short texts lie in the same chunk of memory, which this holds one reference on.
///
/// Messages share it; the first change of one of them copies it.
#[repr(C)]
#[derive(StableAbi)]
pub struct Extra {
    pub(in crate::raw) memory: *const PayloadOwner,
    pub(in crate::raw) references: AtomicU32,
    /// How many attributes follow.
    pub(in crate::raw) len: u32,
    /// The message as a structured value, if it has been parsed.
    pub(in crate::raw) value: Value,
    /// The description of the last report.
    pub(in crate::raw) description: *const u8,
    pub(in crate::raw) description_len: usize,
    /// Null for none.
    pub(in crate::raw) rare: *mut Rare,
    /// 1: some value in it is an object, which must be dropped.
    pub(in crate::raw) has_objects: u32,
    pub(in crate::raw) reserved: u32,
    pub(in crate::raw) attributes: [Attribute; 0],
}

const _: () = assert!(size_of::<Extra>() == arena::LEAST && size_of::<Attribute>() == 32);

impl Attribute {
    pub(in crate::raw) fn name(&self) -> &str {
        // SAFETY: the name was copied from a `str` to the chunk of the extra that this lies in.
        unsafe { std::str::from_utf8_unchecked(arena::bytes(self.name, self.name_len)) }
    }
}

/// Reading and sharing.
impl Extra {
    /// # Safety
    /// A reference on the extra is held for as long as the result is used, and nothing changes it.
    pub(in crate::raw) unsafe fn attributes<'a>(extra: *const Extra) -> &'a [Attribute] {
        // SAFETY: the extra is alive and unchanged (`# Safety`), and `len` attributes follow it in
        // its chunk.
        unsafe { slice::from_raw_parts(extra.add(1).cast(), (*extra).len as usize) }
    }

    pub(in crate::raw) fn description(&self) -> &str {
        // SAFETY: the description was copied from a `str` to the chunk of this extra.
        unsafe {
            let bytes = arena::bytes(self.description, self.description_len);
            std::str::from_utf8_unchecked(bytes)
        }
    }

    pub(in crate::raw) fn trace(&self) -> Option<Trace> {
        // SAFETY: `rare` is null, or lies in the chunk of this extra.
        unsafe { self.rare.as_ref() }.map(|rare| rare.trace)
    }

    /// # Safety
    /// The caller holds a reference.
    #[inline]
    pub(in crate::raw) unsafe fn retain(extra: *const Extra) {
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive.
        unsafe { (*extra).references.fetch_add(1, Relaxed) };
    }

    /// The same pointer, with a reference for a further holder; null stays null.
    ///
    /// # Safety
    /// `extra` is null, or the caller holds a reference.
    #[inline]
    pub(in crate::raw) unsafe fn shared(extra: *mut Extra) -> *mut Extra {
        if !extra.is_null() {
            // SAFETY: the caller holds a reference (`# Safety`).
            unsafe { Self::retain(extra) }
        }
        extra
    }

    /// # Safety
    /// The caller gives up a reference that it holds.
    #[inline]
    pub(in crate::raw) unsafe fn release(extra: *mut Extra) {
        // SAFETY: the caller holds the reference that it gives up (`# Safety`), and the chunk's
        // reference is not used again.
        unsafe { owner::release(Self::retire(extra), 1) }
    }

    /// Releases one reference. If it was the last, the caller gets the extra's reference on its
    /// chunk, to release; null otherwise.
    ///
    /// # Safety
    /// The caller gives up a reference that it holds.
    #[inline]
    pub(in crate::raw) unsafe fn retire(extra: *mut Extra) -> *const PayloadOwner {
        // SAFETY: the caller holds the reference that it gives up (`# Safety`), so the extra is
        // alive until here; with the last one it is the caller's alone.
        unsafe {
            if !Self::is_unshared(extra) {
                if (*extra).references.fetch_sub(1, Release) != 1 {
                    return ptr::null();
                }
                // A load and not a fence: ThreadSanitizer understands it.
                (*extra).references.load(Acquire);
            }
            if (*extra).has_objects != 0 {
                Self::drop_objects(extra);
            }
            (*extra).memory
        }
    }

    /// Whether only the caller refers to it. This cannot change behind its back: only a holder of a
    /// reference can add one.
    ///
    /// # Safety
    /// The caller holds a reference.
    #[inline]
    pub(in crate::raw) unsafe fn is_unshared(extra: *const Extra) -> bool {
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive.
        unsafe { (*extra).references.load(Acquire) == 1 }
    }

    /// The bytes of its fixed parts, in its chunk.
    ///
    /// # Safety
    /// The caller holds a reference.
    pub(in crate::raw) unsafe fn fixed_bytes(extra: *const Extra) -> usize {
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive.
        let count = unsafe { (*extra).len as usize };
        size_of::<Extra>() + count * size_of::<Attribute>()
    }

    /// The bytes of its texts and bytes that have memory of their own.
    ///
    /// # Safety
    /// The caller holds a reference.
    pub(in crate::raw) unsafe fn bytes_apart(extra: *const Extra) -> usize {
        // SAFETY: the caller holds a reference (`# Safety`), so the extra is alive and unchanged.
        unsafe {
            if (*extra).has_objects == 0 {
                return 0;
            }
            let attributes = Self::attributes(extra).iter().map(|it| it.value.bytes_apart());
            (*extra).value.bytes_apart() + attributes.sum::<usize>()
        }
    }

    #[cold]
    unsafe fn drop_objects(extra: *mut Extra) {
        // SAFETY: the caller holds the last reference, and its values are not used again.
        unsafe {
            ptr::drop_in_place(&raw mut (*extra).value);
            for at in 0..(*extra).len as usize {
                ptr::drop_in_place(&raw mut (*Self::attribute(extra, at)).value);
            }
            if !(*extra).rare.is_null() {
                ptr::drop_in_place((*extra).rare);
            }
        }
    }

    pub(in crate::raw) fn attribute(extra: *mut Extra, at: usize) -> *mut Attribute {
        extra.wrapping_add(1).cast::<Attribute>().wrapping_add(at)
    }

    /// # Safety
    /// The caller holds a reference.
    pub(in crate::raw) unsafe fn position(extra: *const Extra, name: &str) -> Option<usize> {
        // SAFETY: the caller holds a reference (`# Safety`).
        unsafe { Self::attributes(extra) }.iter().position(|it| it.name() == name)
    }
}
