//! Headers of messages, as attributes whose names begin with a prefix.
use std::panic::{self, AssertUnwindSafe};

use gopiper_abi::{Message, Value, ValueTag};
use rdkafka::message::{Header, OwnedHeaders};

use crate::field::{field_bytes, read_field};

/// Puts headers into attributes. One that occurs several times becomes a list, one without a value
/// a null.
///
/// # Errors
/// A header whose name is not UTF-8: the library gives no access to it.
pub fn read_headers<H: rdkafka::message::Headers>(
    headers: &H,
    prefix: &str,
    message: &mut Message,
) -> Result<(), String> {
    let mut named: Vec<(String, Vec<Value>)> = Vec::with_capacity(headers.count());
    for place in 0..headers.count() {
        // The library panics at such a name, instead of an error.
        let header = panic::catch_unwind(AssertUnwindSafe(|| {
            let header = headers.try_get(place)?;
            let value = header.value.map_or(Value::NULL, read_field);
            Some((format!("{prefix}{}", header.key), value))
        }));
        let header = header.map_err(|_| format!("the name of header {place} is not UTF-8"))?;
        let Some((name, value)) = header else { continue };
        match named.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value),
            None => named.push((name, vec![value])),
        }
    }
    for (name, values) in named {
        match &values[..] {
            [value] => message.set_attribute(&name, value),
            _ => message.set_attribute(&name, values),
        }
    }
    Ok(())
}

/// The headers of a message. `None` if it has none.
///
/// # Errors
/// An attribute that cannot be a header.
pub fn write_headers(message: &Message, prefix: &str) -> Result<Option<OwnedHeaders>, String> {
    let mut headers = None;
    for (attribute, value) in message.attributes().iter() {
        let Some(name) = attribute.strip_prefix(prefix) else { continue };
        if name.contains('\0') {
            return Err(format!("attribute {attribute:?} cannot be a header: its name has a NUL"));
        }
        let single = [value.clone()];
        for value in value.as_list().unwrap_or(&single) {
            let bytes = match value.tag() {
                ValueTag::NULL => None,
                _ => Some(field_bytes(value).ok_or_else(|| {
                    format!(
                        "attribute {attribute} cannot be a header: it is neither a text, bytes, a \
                         number, true or false, null, nor a list of these"
                    )
                })?),
            };
            let header = Header { key: name, value: bytes.as_deref() };
            headers = Some(headers.unwrap_or_else(OwnedHeaders::new).insert(header));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::*;

    fn all(headers: &OwnedHeaders) -> Vec<(String, Option<Vec<u8>>)> {
        let headers = headers.iter();
        headers.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn headers_come_back_as_they_were() {
        let given = [
            ("kind", Some(&b"a: b"[..])),
            ("raw", Some(b"\xff\x00\n")),
            ("empty", Some(b"")),
            ("none", None),
            ("several", Some(b"1")),
            ("several", None),
            ("several", Some(b"3")),
            ("", Some(b"no name")),
        ];
        let mut headers = OwnedHeaders::new();
        for (key, value) in given {
            headers = headers.insert(Header { key, value });
        }
        let mut message = Message::new("x");
        message.set_attribute("other", "not a header");
        read_headers(&headers, "header.", &mut message).unwrap();
        assert_eq!(message.attribute("header.kind").and_then(Value::as_str), Some("a: b"));
        assert_eq!(message.attribute("header.none").map(Value::tag), Some(ValueTag::NULL));
        let written = write_headers(&message, "header.").unwrap().unwrap();
        assert_eq!(all(&written), all(&headers));
        assert!(write_headers(&Message::new("x"), "header.").unwrap().is_none());
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut message = Message::new("x");
        message.set_attribute("header.map", gopiper_abi::Map::default());
        let refused = write_headers(&message, "header.").unwrap_err();
        assert!(refused.starts_with("attribute header.map cannot be a header"), "{refused}");
    }
}
