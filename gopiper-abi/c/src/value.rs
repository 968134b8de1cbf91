//! Values of attributes.
use std::ffi::c_void;

use gopiper_abi::{AttributeValue, Value, ValueTag};

use crate::text;

/// Nothing: also what an attribute has that is not there.
pub const GOPIPER_NULL: u32 = 0;
/// True or false.
pub const GOPIPER_BOOLEAN: u32 = 1;
/// A signed integer.
pub const GOPIPER_INT64: u32 = 2;
/// An unsigned integer.
pub const GOPIPER_UINT64: u32 = 3;
/// A floating-point number.
pub const GOPIPER_DOUBLE: u32 = 4;
/// A moment, in nanoseconds since 1970.
pub const GOPIPER_TIME: u32 = 5;
/// Bytes.
pub const GOPIPER_BYTES: u32 = 6;
/// Text in UTF-8.
pub const GOPIPER_TEXT: u32 = 7;
/// A list; it is passed on, but cannot be looked into from C.
pub const GOPIPER_LIST: u32 = 8;
/// Keys with values; it is passed on, but cannot be looked into from C.
pub const GOPIPER_MAP: u32 = 9;
/// Of attributes in a component's table: a path, which the component gets as text. A relative one
/// starts at the folder of the pipeline's file.
pub const GOPIPER_PATH: u32 = 256;

/// Bytes that belong to another owner. Those of a text end with a NUL only where the documentation
/// says so.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gopiper_bytes {
    /// The first of them. Not NULL, also if there are none.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

/// The type of a value.
#[repr(C)]
#[derive(Clone, Copy)]
pub union gopiper_content {
    /// Of GOPIPER_BOOLEAN.
    pub boolean: bool,
    /// Of GOPIPER_INT64, and of GOPIPER_TIME.
    pub int64: i64,
    /// Of GOPIPER_UINT64.
    pub uint64: u64,
    /// Of GOPIPER_DOUBLE.
    pub number: f64,
    /// Of GOPIPER_BYTES and GOPIPER_TEXT.
    pub bytes: gopiper_bytes,
}

/// The value of an attribute. Bytes and text in it are not its own: they are those of the message
/// (or of the component's attributes) that it was read from, as long as that is there and
/// unchanged.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gopiper_value {
    /// GOPIPER_NULL … GOPIPER_MAP, or a number that this version does not know.
    pub kind: u32,
    /// The content, by its type.
    pub content: gopiper_content,
}

impl From<&[u8]> for gopiper_bytes {
    fn from(bytes: &[u8]) -> Self {
        gopiper_bytes { data: bytes.as_ptr(), length: bytes.len() }
    }
}

impl gopiper_value {
    /// Nothing.
    pub(crate) const NULL: Self =
        gopiper_value { kind: GOPIPER_NULL, content: gopiper_content { uint64: 0 } };

    /// The view of a value that C gets.
    pub(crate) fn of(value: &Value) -> Self {
        let content = match value.tag() {
            ValueTag::BOOL => gopiper_content { boolean: value.as_bool().unwrap_or_default() },
            ValueTag::I64 => gopiper_content { int64: value.as_i64().unwrap_or_default() },
            ValueTag::U64 => gopiper_content { uint64: value.as_u64().unwrap_or_default() },
            ValueTag::F64 => gopiper_content { number: value.as_f64().unwrap_or_default() },
            ValueTag::TIME => gopiper_content { int64: value.as_time().unwrap_or_default() },
            ValueTag::BYTES => {
                gopiper_content { bytes: value.as_bytes().unwrap_or_default().into() }
            }
            ValueTag::STRING => {
                let text = value.as_str().unwrap_or_default();
                gopiper_content { bytes: text.as_bytes().into() }
            }
            _ => Self::NULL.content,
        };
        gopiper_value { kind: value.tag().0, content }
    }

    /// The value that C gives; `None` for one that it cannot give: a list, a map, text that is not
    /// UTF-8.
    ///
    /// # Safety
    /// The content is that of the kind, and its bytes outlive the result.
    pub(crate) unsafe fn to_attribute<'a>(self) -> Option<AttributeValue<'a>> {
        // SAFETY: the content is that of the kind (`# Safety`), so the field that is read is the
        // one that was written, and its bytes outlive the result.
        unsafe {
            let content = self.content;
            let bytes =
                |bytes: gopiper_bytes| text::bytes::<'a>(bytes.data.cast::<c_void>(), bytes.length);
            Some(match self.kind {
                GOPIPER_NULL => Value::NULL.into(),
                GOPIPER_BOOLEAN => content.boolean.into(),
                GOPIPER_INT64 => content.int64.into(),
                GOPIPER_UINT64 => content.uint64.into(),
                GOPIPER_DOUBLE => content.number.into(),
                GOPIPER_TIME => Value::time(content.int64).into(),
                GOPIPER_BYTES => bytes(content.bytes).into(),
                GOPIPER_TEXT => std::str::from_utf8(bytes(content.bytes)).ok()?.into(),
                _ => return None,
            })
        }
    }
}

/// The numbers that C knows are the interface's.
const _: () = assert!(
    GOPIPER_BOOLEAN == ValueTag::BOOL.0
        && GOPIPER_INT64 == ValueTag::I64.0
        && GOPIPER_UINT64 == ValueTag::U64.0
        && GOPIPER_DOUBLE == ValueTag::F64.0
        && GOPIPER_TIME == ValueTag::TIME.0
        && GOPIPER_BYTES == ValueTag::BYTES.0
        && GOPIPER_TEXT == ValueTag::STRING.0
        && GOPIPER_LIST == ValueTag::LIST.0
        && GOPIPER_MAP == ValueTag::MAP.0
);
