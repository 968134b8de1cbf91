//! Values as bytes on disk.
use gopiper_abi::{Map, Payload, Value, ValueTag};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// A value in its written form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stored {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Time(i64),
    Bytes(ByteBuf),
    String(String),
    List(Vec<Stored>),
    Map(Vec<(String, Stored)>),
}

impl From<&Value> for Stored {
    fn from(value: &Value) -> Self {
        let stored = match value.tag() {
            ValueTag::BOOL => value.as_bool().map(Stored::Bool),
            ValueTag::I64 => value.as_i64().map(Stored::I64),
            ValueTag::U64 => value.as_u64().map(Stored::U64),
            ValueTag::F64 => value.as_f64().map(Stored::F64),
            ValueTag::TIME => value.as_time().map(Stored::Time),
            ValueTag::BYTES => {
                value.as_bytes().map(|bytes| Stored::Bytes(ByteBuf::from(&bytes[..])))
            }
            ValueTag::STRING => value.as_str().map(|text| Stored::String(text.into())),
            ValueTag::LIST => {
                value.as_list().map(|list| Stored::List(list.iter().map(Stored::from).collect()))
            }
            ValueTag::MAP => value.as_map().map(|map| {
                Stored::Map(map.iter().map(|(key, value)| (key.into(), value.into())).collect())
            }),
            // Null, and values of a later interface, which could not be read again.
            _ => None,
        };
        stored.unwrap_or(Stored::Null)
    }
}

impl From<&Stored> for Value {
    fn from(stored: &Stored) -> Self {
        match stored {
            Stored::Null => Value::NULL,
            Stored::Bool(truth) => (*truth).into(),
            Stored::I64(number) => (*number).into(),
            Stored::U64(number) => (*number).into(),
            Stored::F64(number) => (*number).into(),
            Stored::Time(nanoseconds) => Value::time(*nanoseconds),
            Stored::Bytes(bytes) => Payload::from(bytes.to_vec()).into(),
            Stored::String(text) => text.as_str().into(),
            Stored::List(items) => items.iter().map(Value::from).collect::<Vec<_>>().into(),
            Stored::Map(entries) => {
                Map::from_iter(entries.iter().map(|(key, value)| (key, Value::from(value)))).into()
            }
        }
    }
}
