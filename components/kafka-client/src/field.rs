//! Keys and header values as attributes: text where they are text, else bytes.
use std::borrow::Cow;

use gopiper_abi::{Payload, Value, ValueTag};

/// The bytes as a value.
pub fn read_field(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Payload::from(bytes.to_vec()).into(),
    }
}

/// The bytes of a value. `None` if it is of a kind that has none.
pub fn field_bytes(value: &Value) -> Option<Cow<'_, [u8]>> {
    let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
    match value.tag() {
        ValueTag::STRING => value.as_str().map(|text| Cow::Borrowed(text.as_bytes())),
        ValueTag::BYTES => value.as_bytes().map(Cow::Borrowed),
        ValueTag::BOOL => owned(value.as_bool()?.to_string()),
        ValueTag::I64 => owned(value.as_i64()?.to_string()),
        ValueTag::U64 => owned(value.as_u64()?.to_string()),
        ValueTag::F64 => owned(value.as_f64()?.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        for bytes in [&b""[..], b"abc", "ä".as_bytes(), b"\xff\x00", b"a\0b"] {
            assert_eq!(field_bytes(&read_field(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(field_bytes(&Value::from(-7i64)).as_deref(), Some(&b"-7"[..]));
        assert_eq!(field_bytes(&Value::from(true)).as_deref(), Some(&b"true"[..]));
        assert_eq!(field_bytes(&Value::NULL), None);
    }
}
