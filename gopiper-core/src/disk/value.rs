//! Values as bytes on disk.
use gopiper_abi::{AttributeValue, Map, Payload, Value, ValueTag};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::Bytes;

/// The deepest nesting of lists and maps in a value on disk. Components nest values as deeply as
/// they like; one of more than some 500 levels could be written, and not read again.
pub(crate) const DEPTH: usize = 128;

/// A value that is nested too deeply for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nested more than {DEPTH} levels deep")]
pub(crate) struct TooDeep;

/// Checks whether a value can be stored, before it becomes a [`Stored`]: that recurses for each
/// level.
pub(crate) fn check_depth(value: &Value) -> Result<(), TooDeep> {
    fits(value, DEPTH).then_some(()).ok_or(TooDeep)
}

fn fits(value: &Value, levels: usize) -> bool {
    let Some(inner) = levels.checked_sub(1) else {
        return !matches!(value.tag(), ValueTag::LIST | ValueTag::MAP);
    };
    match value.tag() {
        ValueTag::LIST => value.as_list().into_iter().flatten().all(|item| fits(item, inner)),
        ValueTag::MAP => {
            let mut entries = value.as_map().into_iter().flat_map(Map::iter);
            entries.all(|(_, value)| fits(value, inner))
        }
        _ => true,
    }
}

/// A value in its written form. Text and bytes are borrowed, from the value or from the bytes that
/// it is read from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stored<'a> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Time(i64),
    #[serde(borrow)]
    Bytes(&'a Bytes),
    String(&'a str),
    #[serde(borrow)]
    List(Vec<Stored<'a>>),
    #[serde(borrow)]
    Map(Vec<(&'a str, Stored<'a>)>),
}

impl<'a> From<&'a Value> for Stored<'a> {
    fn from(value: &'a Value) -> Self {
        let stored = match value.tag() {
            ValueTag::BOOL => value.as_bool().map(Stored::Bool),
            ValueTag::I64 => value.as_i64().map(Stored::I64),
            ValueTag::U64 => value.as_u64().map(Stored::U64),
            ValueTag::F64 => value.as_f64().map(Stored::F64),
            ValueTag::TIME => value.as_time().map(Stored::Time),
            ValueTag::BYTES => value.as_bytes().map(|bytes| Stored::Bytes(Bytes::new(bytes))),
            ValueTag::STRING => value.as_str().map(Stored::String),
            ValueTag::LIST => {
                value.as_list().map(|list| Stored::List(list.iter().map(Stored::from).collect()))
            }
            ValueTag::MAP => value.as_map().map(|map| {
                Stored::Map(map.iter().map(|(key, value)| (key, value.into())).collect())
            }),
            // Null, and values of a later interface, which could not be read again.
            _ => None,
        };
        stored.unwrap_or(Stored::Null)
    }
}

impl<'a> From<Stored<'a>> for AttributeValue<'a> {
    fn from(stored: Stored<'a>) -> Self {
        match stored {
            Stored::Bytes(bytes) => AttributeValue::from(&bytes[..]),
            Stored::String(text) => text.into(),
            other => Value::from(other).into(),
        }
    }
}

impl From<Stored<'_>> for Value {
    fn from(stored: Stored<'_>) -> Self {
        match stored {
            Stored::Null => Value::NULL,
            Stored::Bool(truth) => truth.into(),
            Stored::I64(number) => number.into(),
            Stored::U64(number) => number.into(),
            Stored::F64(number) => number.into(),
            Stored::Time(nanoseconds) => Value::time(nanoseconds),
            Stored::Bytes(bytes) => Payload::from(bytes.to_vec()).into(),
            Stored::String(text) => text.into(),
            Stored::List(items) => items.into_iter().map(Value::from).collect::<Vec<_>>().into(),
            Stored::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key, Value::from(value)));
                Map::from_iter(entries).into()
            }
        }
    }
}

/// A value that is written as [`Stored`] is, with memory of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StoredValue(Value);

impl StoredValue {
    pub(crate) fn new(value: &Value) -> Result<Self, TooDeep> {
        check_depth(value)?;
        Ok(StoredValue(value.clone()))
    }

    pub(crate) fn get(&self) -> &Value {
        &self.0
    }
}

impl Serialize for StoredValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored::from(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(StoredValue(Stored::deserialize(deserializer)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists and maps by turns, so many of them.
    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::from(1i64), |inner, level| match level % 2 {
            0 => vec![Value::NULL, inner].into(),
            _ => Map::from_iter([("a", true.into()), ("b", inner)]).into(),
        })
    }

    #[test]
    fn a_value_is_stored_up_to_a_depth_at_which_it_can_be_read() {
        let deepest = StoredValue::new(&nested(DEPTH)).unwrap();
        let bytes = rmp_serde::to_vec(&deepest).unwrap();
        assert_eq!(rmp_serde::from_slice::<StoredValue>(&bytes).unwrap(), deepest);
        assert_eq!(StoredValue::new(&nested(DEPTH + 1)), Err(TooDeep));
        assert_eq!(check_depth(&nested(3000)), Err(TooDeep));
        assert_eq!(TooDeep.to_string(), "nested more than 128 levels deep");
    }
}
