//! Headers of messages, as attributes whose names begin with a prefix.
use std::str::FromStr;

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use gopiper_abi::{Message, Value, ValueTag};

/// Headers that the server reads or writes: a message that is published again does not bring them.
const OF_THE_SERVER: &str = "Nats-";

/// The names of attributes that are headers.
#[derive(Debug, Clone)]
pub struct Headers {
    prefix: String,
}

impl Headers {
    pub fn new(prefix: &str) -> Self {
        Headers { prefix: prefix.to_owned() }
    }

    /// Puts headers into attributes. One with several values becomes a list.
    pub fn read(&self, headers: &HeaderMap, message: &mut Message) {
        for (name, values) in headers.iter() {
            let name = format!("{}{name}", self.prefix);
            match &values[..] {
                [value] => message.set_attribute(&name, value.as_str()),
                values => {
                    let values = values.iter().map(|value| Value::from(value.as_str()));
                    message.set_attribute(&name, values.collect::<Vec<_>>());
                }
            }
        }
    }

    /// The headers of a message; those of the server are left out.
    ///
    /// # Errors
    /// An attribute that cannot be a header.
    pub fn write(&self, message: &Message) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (attribute, value) in message.attributes().iter() {
            let Some(name) = attribute.strip_prefix(&*self.prefix) else { continue };
            if name.is_empty() || name.starts_with(OF_THE_SERVER) {
                continue;
            }
            let wrong = |what: &str| format!("attribute {attribute} cannot be a header: {what}");
            let header = HeaderName::from_str(name).map_err(|error| wrong(&error.to_string()))?;
            let single = [value.clone()];
            for value in value.as_list().unwrap_or(&single) {
                let text = text(value).ok_or_else(|| {
                    wrong("it is neither a text, a number, true or false, nor a list of these")
                })?;
                let value = HeaderValue::from_str(&text)
                    .map_err(|_| wrong("it contains the end of a line"))?;
                headers.append(header.clone(), value);
            }
        }
        Ok(headers)
    }
}

fn text(value: &Value) -> Option<String> {
    match value.tag() {
        ValueTag::STRING => value.as_str().map(str::to_owned),
        ValueTag::BOOL => value.as_bool().map(|it| it.to_string()),
        ValueTag::I64 => value.as_i64().map(|it| it.to_string()),
        ValueTag::U64 => value.as_u64().map(|it| it.to_string()),
        ValueTag::F64 => value.as_f64().map(|it| it.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let headers = Headers::new("header.");
        let mut given = HeaderMap::new();
        given.append("Kind", "a: b");
        given.append("Several", "1");
        given.append("Several", "2");
        given.append("Nats-Msg-Id", "7");
        let mut message = Message::new("x");
        message.set_attribute("other", "not a header");
        headers.read(&given, &mut message);
        let id = message.attribute("header.Nats-Msg-Id").and_then(Value::as_str);
        assert_eq!(id, Some("7"));
        let written = headers.write(&message).unwrap();
        assert_eq!(written.len(), 2);
        assert_eq!(written.get("Kind").map(HeaderValue::as_str), Some("a: b"));
        let several: Vec<_> = written.get_all("Several").map(HeaderValue::as_str).collect();
        assert_eq!(several, ["1", "2"]);
    }

    #[test]
    fn numbers_are_written_out_and_what_is_no_header_is_refused() {
        let headers = Headers::new("");
        let mut message = Message::new("x");
        message.set_attribute("count", i64::MAX);
        message.set_attribute("is", true);
        let written = headers.write(&message).unwrap();
        assert_eq!(written.get("count").map(HeaderValue::as_str), Some("9223372036854775807"));
        assert_eq!(written.get("is").map(HeaderValue::as_str), Some("true"));
        for (name, value) in [("a", "1\r\n2"), ("two words:", "x")] {
            let mut message = Message::new("x");
            message.set_attribute(name, value);
            let refused = headers.write(&message).unwrap_err();
            assert!(refused.starts_with(&format!("attribute {name} cannot be")), "{refused}");
        }
    }
}
