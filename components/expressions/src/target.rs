//! What a value can be put into.
use gopiper_abi::{Message, Payload, Value};
use json_fields::{Path, put, replaced, replaced_by_text};

use crate::{
    Mistake,
    known::Known,
    node::{Part, Read},
    parse,
};

/// A part of a message that can be set, written as in an expression: `json.user.name`.
pub struct Target(Place);

enum Place {
    Data,
    Time,
    Json(Path),
    Attribute(String),
    Value,
}

/// A value that no longer depends on the message which it was read of.
pub struct Kept(Inner);

enum Inner {
    Value(Value),
    /// An object or a list, as its JSON text.
    Json(Vec<u8>),
}

impl Known<'_> {
    /// The value, to be put into the message that it was read of.
    pub fn keep(self) -> Kept {
        Kept(match self {
            Known::Json(text) => Inner::Json(text.to_vec()),
            other => Inner::Value(other.into_value()),
        })
    }

    fn into_value(self) -> Value {
        match self {
            Known::Null => Value::NULL,
            Known::Bool(truth) => truth.into(),
            Known::Int(number) | Known::Duration(number) => number.into(),
            Known::Uint(number) => number.into(),
            Known::Double(number) => number.into(),
            Known::Text(text) => (&*text).into(),
            Known::Bytes(bytes) => Payload::from(bytes.into_owned()).into(),
            Known::Time(nanoseconds) => Value::time(nanoseconds),
            Known::Json(text) => (&*String::from_utf8_lossy(text)).into(),
            Known::Table(value) => value.clone(),
            Known::List(list) => list.into_iter().map(Known::into_value).collect::<Vec<_>>().into(),
        }
    }
}

impl Target {
    /// Reads what stands before the value.
    ///
    /// # Errors
    /// It is something else than a part of a message that can be set.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mistake = |what: &str| Mistake {
            text: text.to_owned(),
            at: 0..text.len(),
            what: what.to_owned(),
        };
        let place = match parse::parse(text)?.part {
            Part::Read(Read::Data) => Place::Data,
            Part::Read(Read::Time) => Place::Time,
            Part::Read(Read::Json { path, .. }) => Place::Json(path.into_inner()),
            Part::Read(Read::Attribute { name, keys }) if keys.is_empty() => Place::Attribute(name),
            Part::Read(Read::Value { keys }) if keys.is_empty() => Place::Value,
            _ => {
                return Err(mistake(
                    "this cannot be set: there are json.FIELD, attributes.NAME, data, time and \
                     value",
                ));
            }
        };
        Ok(Target(place))
    }

    /// Puts a value there.
    ///
    /// # Errors
    /// The message has no place for it: it is no JSON, say. Then it is unchanged.
    pub fn set(&mut self, message: &mut Message, value: Kept) -> Result<(), String> {
        match (&mut self.0, value.0) {
            (Place::Json(path), value) => {
                let edit = match &value {
                    Inner::Value(value) => replaced(message.data(), path, value),
                    Inner::Json(text) => replaced_by_text(message.data(), path, text),
                };
                let (range, new) = edit.map_err(|problem| format!("the data{problem}"))?;
                let data = message.data();
                let parts = [&data[..range.start], &new, &data[range.end..]];
                message.set_data(Payload::from(parts.concat()));
            }
            (Place::Data, Inner::Json(text)) => message.set_data(Payload::from(text)),
            (Place::Data, Inner::Value(value)) => message.set_data(Payload::from(bytes_of(&value))),
            (Place::Time, Inner::Value(value)) => match value.as_time() {
                Some(nanoseconds) => message.set_time(nanoseconds),
                None => return Err("the time of a message has to be a time".into()),
            },
            (Place::Time, Inner::Json(_)) => {
                return Err("the time of a message has to be a time".into());
            }
            (Place::Attribute(name), value) => message.set_attribute(name, value.into_value()),
            (Place::Value, value) => message.set_value(value.into_value()),
        }
        Ok(())
    }
}

impl Inner {
    /// As a whole value; an object or a list is its text.
    fn into_value(self) -> Value {
        match self {
            Inner::Value(value) => value,
            Inner::Json(text) => (&*String::from_utf8_lossy(&text)).into(),
        }
    }
}

/// Text and bytes as they are, anything else as JSON.
fn bytes_of(value: &Value) -> Vec<u8> {
    match (value.as_str(), value.as_bytes()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (_, Some(bytes)) => bytes.to_vec(),
        _ => {
            let mut text = Vec::new();
            put(&mut text, value);
            text
        }
    }
}
