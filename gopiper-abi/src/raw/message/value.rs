//! Structured values that cross the boundary, also those that one side does not know yet.
use std::fmt;

use abi_stable::{
    StableAbi,
    std_types::{RStr, RString, RVec},
};

use crate::raw::{
    Map, Payload,
    message::{
        arena,
        object::{Object, ValueObject},
    },
};

/// The type of a [`Value`]'s content: an open number, so that later interfaces can add to it.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct ValueTag(pub u32);

shown_by_name!(ValueTag: NULL BOOL I64 U64 F64 TIME BYTES STRING LIST MAP);

impl ValueTag {
    /// Nothing.
    pub const NULL: Self = ValueTag(0);
    /// True or false.
    pub const BOOL: Self = ValueTag(1);
    /// A signed integer of 64 bits.
    pub const I64: Self = ValueTag(2);
    /// An unsigned integer of 64 bits.
    pub const U64: Self = ValueTag(3);
    /// A floating-point number of 64 bits.
    pub const F64: Self = ValueTag(4);
    /// A moment, in nanoseconds since 1970.
    pub const TIME: Self = ValueTag(5);
    /// Bytes, shared.
    pub const BYTES: Self = ValueTag(6);
    /// Text in UTF-8.
    pub const STRING: Self = ValueTag(7);
    /// Values in their order.
    pub const LIST: Self = ValueTag(8);
    /// Keys with values, in their order.
    pub const MAP: Self = ValueTag(9);
}

/// A structured value. Integers stay integers; a map keeps its order; a tag that this side does not
/// know is cloned, dropped and passed on.
///
/// ```
/// use gopiper_abi::Value;
/// let status = Value::from(404i64);
/// assert_eq!(status.as_i64(), Some(404));
/// assert_eq!(status.as_str(), None);
/// ```
#[repr(C)]
#[derive(StableAbi)]
pub struct Value {
    tag: ValueTag,
    /// The meaning of `bits`: [`PLAIN`], [`OBJECT`], or [`NEAR`] with the length above it.
    form: u32,
    bits: ValueBits,
}

/// The value itself.
const PLAIN: u32 = 0;
/// A pointer to a [`ValueObject`] that this value owns.
const OBJECT: u32 = 1;
/// A pointer to text or bytes in the memory of the value's owner, an [`Extra`](crate::raw::Extra):
/// so such a value never leaves its owner, and a clone has an object instead. Their length is in
/// the bits above.
const NEAR: u32 = 2;
const NEAR_BITS: u32 = 2;

#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
union ValueBits {
    signed: i64,
    unsigned: u64,
    float: f64,
    object: *mut ValueObject,
    near: *const u8,
    // Never read by these names: they make the objects part of the layout check.
    bytes: *mut Object<Payload>,
    string: *mut Object<RString>,
    list: *mut Object<RVec<Value>>,
    map: *mut Object<Map>,
}

// SAFETY: a value owns its heap part alone; a shared part inside (Payload) counts atomically.
unsafe impl Send for Value {}
// SAFETY: nothing changes through a shared value; a shared part inside (Payload) counts atomically.
unsafe impl Sync for Value {}

impl Value {
    /// Nothing.
    pub const NULL: Value =
        Value { tag: ValueTag::NULL, form: PLAIN, bits: ValueBits { unsigned: 0 } };

    const fn plain(tag: ValueTag, bits: ValueBits) -> Self {
        Value { tag, form: PLAIN, bits }
    }

    fn object<T: Clone + 'static>(tag: ValueTag, body: T) -> Self {
        Value { tag, form: OBJECT, bits: ValueBits { object: Object::leak(body) } }
    }

    /// A moment, in nanoseconds since 1970.
    pub const fn time(nanoseconds: i64) -> Self {
        Self::plain(ValueTag::TIME, ValueBits { signed: nanoseconds })
    }

    /// The type of its content.
    pub fn tag(&self) -> ValueTag {
        self.tag
    }

    /// # Safety
    /// `T` must be the body that belongs to the tag.
    unsafe fn body<T>(&self, tag: ValueTag) -> Option<&T> {
        // SAFETY: `T` is the body of the tag (`# Safety`), and a known heap tag always leads to an
        // object with it: only the constructors here, the same on both sides (the layout check
        // compares them), make such values.
        (self.tag == tag).then(|| unsafe { &(*self.bits.object.cast::<Object<T>>()).body })
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        // SAFETY: every bit pattern is a u64.
        (self.tag == ValueTag::BOOL).then_some(unsafe { self.bits.unsigned } != 0)
    }

    /// The integer, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        // SAFETY: every bit pattern is an integer.
        unsafe {
            match self.tag {
                ValueTag::I64 => Some(self.bits.signed),
                ValueTag::U64 => self.bits.unsigned.try_into().ok(),
                _ => None,
            }
        }
    }

    /// The integer, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        // SAFETY: every bit pattern is an integer.
        unsafe {
            match self.tag {
                ValueTag::U64 => Some(self.bits.unsigned),
                ValueTag::I64 => self.bits.signed.try_into().ok(),
                _ => None,
            }
        }
    }

    /// The floating-point number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        // SAFETY: every bit pattern is an f64.
        (self.tag == ValueTag::F64).then_some(unsafe { self.bits.float })
    }

    /// The moment in nanoseconds since 1970, if it is one.
    pub fn as_time(&self) -> Option<i64> {
        // SAFETY: every bit pattern is an i64.
        (self.tag == ValueTag::TIME).then_some(unsafe { self.bits.signed })
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if self.tag != ValueTag::STRING {
            return None;
        }
        match self.near_bytes() {
            // SAFETY: near text was copied from a `str` (`AttributeValue::put`).
            Some(near) => Some(unsafe { std::str::from_utf8_unchecked(near) }),
            // SAFETY: the body of STRING is an RString (`From<&str>`).
            None => unsafe { self.body::<RString>(ValueTag::STRING) }.map(RString::as_str),
        }
    }

    /// The bytes, if it is bytes (not text).
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if self.tag != ValueTag::BYTES {
            return None;
        }
        // SAFETY: the body of BYTES is a Payload (`From<Payload>`).
        self.near_bytes()
            .or_else(|| unsafe { self.body::<Payload>(ValueTag::BYTES) }.map(|bytes| &bytes[..]))
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        // SAFETY: the body of LIST is an RVec of values (`From<Vec<Value>>`).
        unsafe { self.body::<RVec<Value>>(ValueTag::LIST) }.map(RVec::as_slice)
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        // SAFETY: the body of MAP is a Map (`From<Map>`).
        unsafe { self.body(ValueTag::MAP) }
    }
}

/// For the holder of a value and of the memory near it.
impl Value {
    /// Text or bytes that lie at `start`.
    ///
    /// # Safety
    /// There are `len` bytes, fewer than 2^30, that outlive the value (null for none); UTF-8 if the
    /// tag is STRING. No other tag but BYTES.
    pub(in crate::raw) unsafe fn near(tag: ValueTag, start: *const u8, len: usize) -> Self {
        Value { tag, form: NEAR | (len as u32) << NEAR_BITS, bits: ValueBits { near: start } }
    }

    pub(in crate::raw) fn near_bytes(&self) -> Option<&[u8]> {
        // SAFETY: `form` says that so many bytes lie there, and they outlive the value (`near`).
        (self.form & NEAR != 0)
            .then(|| unsafe { arena::bytes(self.bits.near, (self.form >> NEAR_BITS) as usize) })
    }

    pub(in crate::raw) fn near_len(&self) -> usize {
        self.near_bytes().map_or(0, <[u8]>::len)
    }

    pub(in crate::raw) fn is_object(&self) -> bool {
        self.form == OBJECT
    }

    /// The bytes of its text or bytes, if they have memory of their own.
    pub(in crate::raw) fn bytes_apart(&self) -> usize {
        let bytes = self.as_str().map(str::as_bytes).or_else(|| self.as_bytes());
        bytes.filter(|_| self.is_object()).map_or(0, <[u8]>::len)
    }

    /// The value as one that does not depend on memory near it.
    pub(in crate::raw) fn into_own(self) -> Self {
        if self.form & NEAR != 0 { self.clone() } else { self }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        match (self.form, self.tag) {
            (PLAIN, _) => Value { ..*self },
            // SAFETY: `form` says that this value owns an object, which is therefore alive.
            (OBJECT, tag) => unsafe {
                let bits = ValueBits { object: ValueObject::clone(self.bits.object) };
                Value { tag, form: OBJECT, bits }
            },
            (_, ValueTag::STRING) => self.as_str().unwrap_or_default().into(),
            _ => Payload::from(self.as_bytes().unwrap_or_default().to_vec()).into(),
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.form == OBJECT {
            // SAFETY: `form` says that this value owns an object; it is not used again.
            unsafe { ValueObject::drop(self.bits.object) }
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Value::NULL
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        if self.tag != other.tag {
            return false;
        }
        match self.tag {
            ValueTag::F64 => self.as_f64() == other.as_f64(),
            ValueTag::STRING => self.as_str() == other.as_str(),
            ValueTag::BYTES => self.as_bytes() == other.as_bytes(),
            ValueTag::LIST => self.as_list() == other.as_list(),
            ValueTag::MAP => self.as_map() == other.as_map(),
            // SAFETY: every bit pattern is a u64. A heap value with an unknown tag equals only
            // itself.
            _ => unsafe { self.bits.unsigned == other.bits.unsigned },
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            ValueTag::NULL => f.write_str("null"),
            ValueTag::BOOL => write!(f, "{}", self.as_bool() == Some(true)),
            // SAFETY: every bit pattern is an integer.
            ValueTag::I64 | ValueTag::TIME => write!(f, "{}", unsafe { self.bits.signed }),
            // SAFETY: every bit pattern is an integer.
            ValueTag::U64 => write!(f, "{}", unsafe { self.bits.unsigned }),
            ValueTag::F64 => write!(f, "{:?}", self.as_f64().unwrap_or_default()),
            ValueTag::BYTES => {
                write!(f, "\"{}\"", self.as_bytes().unwrap_or_default().escape_ascii())
            }
            ValueTag::STRING => write!(f, "{:?}", self.as_str().unwrap_or_default()),
            ValueTag::LIST => f.debug_list().entries(self.as_list().unwrap_or_default()).finish(),
            ValueTag::MAP => {
                f.debug_map().entries(self.as_map().iter().flat_map(|m| m.iter())).finish()
            }
            ValueTag(tag) => write!(f, "a value of the unknown kind {tag}"),
        }
    }
}

macro_rules! from_plain {
    ($($from:ty => $tag:ident, $field:ident as $as:ty;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::plain(ValueTag::$tag, ValueBits { $field: value as $as })
            }
        }
    )*};
}
from_plain! {
    bool => BOOL, unsigned as u64;
    i32 => I64, signed as i64;
    i64 => I64, signed as i64;
    u32 => I64, signed as i64;
    u64 => U64, unsigned as u64;
    f64 => F64, float as f64;
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::object(ValueTag::STRING, RString::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::object(ValueTag::STRING, RString::from(text))
    }
}

impl From<RStr<'_>> for Value {
    fn from(text: RStr<'_>) -> Self {
        text.as_str().into()
    }
}

impl From<Payload> for Value {
    fn from(bytes: Payload) -> Self {
        Self::object(ValueTag::BYTES, bytes)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::object(ValueTag::LIST, RVec::from(values))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::object(ValueTag::MAP, map)
    }
}

impl Value {
    /// A value with a tag of the future, as a later interface would send it; for tests.
    #[doc(hidden)]
    pub fn of_unknown_tag(tag: u32) -> Self {
        // A known tag would have the text read as what it is not.
        assert!(tag > ValueTag::MAP.0, "{tag} is a tag that is known");
        let mut value = Self::object(ValueTag::STRING, RString::from("later"));
        value.tag = ValueTag(tag);
        value
    }
}
