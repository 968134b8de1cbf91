//! The stored form of a failed message.
use std::borrow::Cow;

use gopiper_abi::{Message, Value};
use serde::{Deserialize, Deserializer, Serialize};

use crate::disk::value::StoredValue;

/// The attributes that describe a failure, on a message's way to the dead letters.
pub mod about {
    /// The pipeline.
    pub const PIPELINE: &str = "gopiper.pipeline";
    /// The component that failed with it.
    pub const COMPONENT: &str = "gopiper.component";
    /// The status of the last report.
    pub const STATUS: &str = "gopiper.status";
    /// The description of the last report.
    pub const DESCRIPTION: &str = "gopiper.description";
    /// How often the component received it.
    pub const ATTEMPTS: &str = "gopiper.attempts";
    /// Its id in the log.
    pub const ID: &str = "gopiper.id";
    /// Its position in its source, if the source reports positions.
    pub const POSITION: &str = "gopiper.position";
    /// The message's identity.
    pub const IDENTITY: &str = "gopiper.identity";
    /// The ways through the pipeline that lead to the component, one on each line: `stdin → grep`.
    /// One text: a list would be counted by each message that fails.
    pub const WAYS: &str = "gopiper.ways";
    /// The attempts before the last one, if there were any: a list of maps.
    pub const HISTORY: &str = "gopiper.history";
}

/// A failed message, as received by the component that failed with it. It borrows from the message
/// that it is written from; one that was read is `Letter<'static>`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Letter<'m> {
    /// Its id in the log; empty in letters of older versions.
    #[serde(default)]
    pub id: Cow<'m, str>,
    /// The message's position in its source, if the source reports positions.
    #[serde(default)]
    pub position: Cow<'m, str>,
    /// The message's identity, as text: the one that it came with, or one of its own. Empty in
    /// letters of older versions.
    #[serde(default)]
    pub identity: Cow<'m, str>,
    /// When it was written, in nanoseconds since 1970.
    pub time: i64,
    /// The pipeline.
    pub pipeline: Cow<'m, str>,
    /// The component that failed with it.
    pub component: Cow<'m, str>,
    /// The status of the last report.
    pub status: i64,
    /// The description of the last report.
    pub description: Cow<'m, str>,
    /// How often the component received it.
    pub attempts: u64,
    /// The ways through the pipeline that lead to the component, one on each line. If there are
    /// many, these are the first ones.
    #[serde(default)]
    pub ways: Cow<'m, str>,
    /// The attempts before the last one, in order.
    #[serde(default)]
    pub history: Vec<Attempted>,
    /// When the message was created, in nanoseconds since 1970; 0 if unknown.
    pub message_time: i64,
    /// Whether it was the end of its input, without a delimiter.
    pub lacks_delimiter: bool,
    /// Which piece of a long line it is, and whether the rest of the line follows.
    #[serde(default)]
    piece: (u16, bool),
    attributes: Vec<(Cow<'m, str>, StoredValue)>,
    value: StoredValue,
    #[serde(serialize_with = "serde_bytes::serialize", deserialize_with = "read_payload")]
    payload: Cow<'m, [u8]>,
}

/// The bytes of a letter that was read are its own.
fn read_payload<'m, 'de, D: Deserializer<'de>>(from: D) -> Result<Cow<'m, [u8]>, D::Error> {
    serde_bytes::deserialize(from).map(Cow::<[u8]>::Owned)
}

/// Consecutive attempts with the same report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// When the first of them ended, in nanoseconds since 1970.
    pub first: i64,
    /// When the last of them ended.
    pub last: i64,
    /// The number of attempts.
    pub attempts: u64,
    /// The status that was reported.
    pub status: i64,
    /// The description, or its beginning.
    pub description: String,
}

impl Attempted {
    fn of(value: &Value) -> Option<Self> {
        let map = value.as_map()?;
        Some(Attempted {
            first: map.get("first")?.as_time()?,
            last: map.get("last")?.as_time()?,
            attempts: map.get("attempts")?.as_u64()?,
            status: map.get("status")?.as_i64()?,
            description: map.get("description")?.as_str()?.to_owned(),
        })
    }
}

impl<'m> Letter<'m> {
    /// The letter of a message that carries the attributes of [`about`].
    pub(crate) fn of(message: &'m Message, time: i64) -> Self {
        let mut letter = Letter {
            time,
            message_time: message.time(),
            lacks_delimiter: message.lacks_delimiter(),
            piece: (message.piece(), message.continues()),
            payload: message.data().into(),
            ..Letter::default()
        };
        // A letter that could not be read again would hide the letters after it, too.
        let mut left_out = String::new();
        let mut stored = |what: &str, name: &str, value: &Value| {
            let stored = StoredValue::new(value);
            stored.map_err(|why| left_out += &format!(" (not stored: {what}{name}, {why})")).ok()
        };
        for (name, value) in message.attributes().iter() {
            let text = || value.as_str().unwrap_or_default().into();
            let number = || value.as_i64().unwrap_or_default();
            match name {
                about::ID => letter.id = text(),
                about::POSITION => letter.position = text(),
                about::IDENTITY => letter.identity = text(),
                about::PIPELINE => letter.pipeline = text(),
                about::COMPONENT => letter.component = text(),
                about::STATUS => letter.status = number(),
                about::DESCRIPTION => letter.description = text(),
                about::ATTEMPTS => letter.attempts = number().unsigned_abs(),
                about::WAYS => letter.ways = text(),
                about::HISTORY => {
                    let attempts = value.as_list().unwrap_or_default();
                    letter.history = attempts.iter().filter_map(Attempted::of).collect();
                }
                _ if name.starts_with("gopiper.") => {}
                _ => {
                    let stored = stored("attribute ", name, value);
                    letter.attributes.extend(stored.map(|value| (name.into(), value)));
                }
            }
        }
        if let Some(value) = message.value() {
            letter.value = stored("its value", "", value).unwrap_or_default();
        }
        if !left_out.is_empty() {
            letter.description.to_mut().push_str(&left_out);
        }
        letter
    }

    /// The message, as received by the component that failed with it.
    pub fn message(&self) -> Message {
        let mut message = Message::new(self.payload.to_vec());
        for (key, value) in &self.attributes {
            message.set_attribute(key, value.get());
        }
        if *self.value.get() != Value::NULL {
            message.set_value(self.value.get().clone());
        }
        message.set_time(self.message_time);
        let (number, continues) = self.piece;
        message.set_lacks_delimiter(self.lacks_delimiter && !continues);
        message.set_piece(number, continues);
        message
    }

    /// The bytes of the message.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use gopiper_abi::{Map, Payload};

    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let mut message = Message::new(&b"\xff\0 bytes"[..]);
        let list = vec![Value::from(1i64), Value::NULL, Value::from(u64::MAX), Value::from(0.5)];
        message.set_attribute("list", list);
        message.set_attribute("map", Map::from_iter([("b", Value::time(3)), ("a", true.into())]));
        message.set_attribute("bytes", Payload::from(vec![0xff]));
        message.set_value("a value".into());
        message.set_time(77);
        message.set_piece(7, true);
        let attributes = message.attributes().to_map();
        message.set_attribute(about::COMPONENT, "grep");
        message.set_attribute(about::STATUS, 204i64);
        let letter = Letter::of(&message, 5);
        assert_eq!((&*letter.component, letter.status), ("grep", 204));
        let bytes = rmp_serde::to_vec_named(&letter).unwrap();
        let read: Letter<'static> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, letter);
        let again = read.message();
        assert_eq!(again.data(), message.data());
        assert_eq!(again.attributes().to_map(), attributes, "without what was said about it");
        assert_eq!(again.value(), message.value());
        assert_eq!((again.time(), again.lacks_delimiter()), (77, true));
        assert_eq!((again.piece(), again.continues()), (7, true));
    }

    #[test]
    fn a_letter_keeps_everything_but_a_value_that_is_nested_too_deeply() {
        let deep = || (0..3000).fold(Value::NULL, |inner, _| Value::from(vec![inner]));
        let mut message = Message::new("text");
        message.set_attribute("tree", deep());
        message.set_attribute("kind", "odd");
        message.set_value(deep());
        message.set_attribute(about::DESCRIPTION, "no server takes it");
        let letter = Letter::of(&message, 5);
        assert_eq!(
            letter.description,
            "no server takes it (not stored: attribute tree, nested more than 128 levels deep) \
             (not stored: its value, nested more than 128 levels deep)"
        );
        let bytes = rmp_serde::to_vec_named(&letter).unwrap();
        let read: Letter<'static> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, letter);
        let again = read.message();
        assert_eq!(again.data(), b"text");
        assert_eq!(again.attribute("kind").and_then(Value::as_str), Some("odd"));
        assert_eq!((again.attribute("tree"), again.value()), (None, None));
    }
}
