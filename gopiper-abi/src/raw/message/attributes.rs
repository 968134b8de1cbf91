//! The attributes of a message, as components read and set them.
use std::{borrow::Cow, fmt};

use crate::raw::{Attribute, Map, Payload, Value, ValueTag, message::arena::Arena};

/// A longer text has memory of its own: so it is not copied each time the attributes are.
const LONGEST_NEAR: usize = 1 << 10;

/// The attributes of one message, in the order in which they were first set.
///
/// ```
/// use gopiper_abi::Message;
/// let mut message = Message::new("GET /index.html 404");
/// message.set_attribute("status", 404i64);
/// message.set_attribute("kind", "missing");
/// let names: Vec<&str> = message.attributes().iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["status", "kind"]);
/// ```
#[derive(Clone, Copy, Default)]
pub struct Attributes<'a>(pub(in crate::raw) &'a [Attribute]);

impl<'a> Attributes<'a> {
    /// The value of one.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|it| it.name() == name).map(|it| &it.value)
    }

    /// The names with their values, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, &'a Value)> {
        self.0.iter().map(|it| (it.name(), &it.value))
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The same as a map, which outlives the message.
    pub fn to_map(self) -> Map {
        self.iter().map(|(name, value)| (name, value.clone())).collect()
    }
}

impl PartialEq for Attributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The value that an attribute is set to. Text and bytes may be borrowed: they are copied to where
/// the message keeps its attributes, so that setting one allocates nothing. Made of anything that
/// it can be made of, by `into`.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// Any value.
    Value(Value),
}

impl AttributeValue<'_> {
    /// Gives a long text or long bytes memory of their own.
    pub(in crate::raw) fn shortened(self) -> Self {
        match self {
            Self::Text(text) if text.len() > LONGEST_NEAR => Self::Value(text.into_owned().into()),
            Self::Bytes(bytes) if bytes.len() > LONGEST_NEAR => {
                Self::Value(Payload::from(bytes.into_owned()).into())
            }
            short => short,
        }
    }

    /// The bytes that `put` copies to an arena.
    pub(in crate::raw) fn near_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Value(_) => 0,
        }
    }

    /// The value with its text in the arena.
    ///
    /// # Safety
    /// The arena has room for `near_len` bytes, fewer than 2^30, and its chunk outlives the result.
    pub(in crate::raw) unsafe fn put(self, arena: &mut Arena) -> Value {
        let (tag, bytes) = match &self {
            Self::Text(text) => (ValueTag::STRING, text.as_bytes()),
            Self::Bytes(bytes) => (ValueTag::BYTES, &bytes[..]),
            Self::Value(_) => (ValueTag::NULL, &[][..]),
        };
        match self {
            Self::Value(value) => value,
            // SAFETY: there is room (`# Safety`), and text is UTF-8.
            _ => unsafe { Value::near(tag, arena.copy(bytes), bytes.len()) },
        }
    }
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for AttributeValue<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for AttributeValue<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A copy of it.
impl<'a> From<&'a Value> for AttributeValue<'a> {
    fn from(value: &'a Value) -> Self {
        match (value.as_str(), value.as_bytes()) {
            (Some(text), _) => text.into(),
            (_, Some(bytes)) if bytes.len() <= LONGEST_NEAR => bytes.into(),
            // Longer bytes are shared.
            _ => Self::Value(value.clone()),
        }
    }
}

macro_rules! from_values {
    ($($from:ty)*) => {$(
        impl From<$from> for AttributeValue<'_> {
            fn from(value: $from) -> Self {
                Self::Value(value.into())
            }
        }
    )*};
}
from_values!(Value bool i32 i64 u32 u64 f64 Payload Vec<Value> Map);
