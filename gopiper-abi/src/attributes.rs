//! From what stands in the pipeline's file to the author's struct.
use serde::de::DeserializeOwned;
use serde_json::{Number, Value as Json};

use crate::raw::{Map, RawError, Value, ValueTag};

/// Declares a component's attributes: an ordinary struct, its fields with doc comments. A field with
/// `#[serde(default)]` or an `Option` may be left out; one that doesn't exist is refused.
///
/// ```
/// gopiper_abi::attributes! {
///     /// Keeps the lines that contain a word.
///     pub struct Attributes {
///         /// The word to look for.
///         pub word: String,
///         /// Keep the lines without it instead.
///         #[serde(default)]
///         pub invert: bool,
///     }
/// }
/// ```
#[macro_export]
macro_rules! attributes {
    ($(#[$outer:meta])* $vis:vis struct $name:ident { $($body:tt)* }) => {
        #[derive(Debug, Clone, $crate::serde::Deserialize, $crate::schemars::JsonSchema)]
        #[serde(crate = "gopiper_abi::serde", deny_unknown_fields)]
        #[schemars(crate = "gopiper_abi::schemars")]
        $(#[$outer])*
        $vis struct $name { $($body)* }
    };
    ($(#[$outer:meta])* $vis:vis enum $name:ident { $($body:tt)* }) => {
        #[derive(Debug, Clone, PartialEq, Eq, $crate::serde::Deserialize, $crate::schemars::JsonSchema)]
        #[serde(crate = "gopiper_abi::serde", rename_all = "snake_case")]
        #[schemars(crate = "gopiper_abi::schemars")]
        $(#[$outer])*
        $vis enum $name { $($body)* }
    };
}

/// For a component without attributes.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoAttributes {}

/// Reads attributes into the author's struct; the error names the attribute and its value.
pub(crate) fn read<A: DeserializeOwned>(attributes: &Map) -> Result<A, RawError> {
    let json = Json::Object(attributes.iter().map(|(k, v)| (k.to_owned(), to_json(v))).collect());
    serde_path_to_error::deserialize(&json).map_err(|error| {
        let path = error.path().to_string();
        let attribute = if path == "." { String::new() } else { path };
        let found = attribute.split('.').try_fold(&json, |at, key| at.get(key));
        let mut message = error.into_inner().to_string();
        if let Some(found) = found {
            message = format!("{message} (it is {found})");
        }
        RawError { attribute: attribute.into(), message: message.into() }
    })
}

fn to_json(value: &Value) -> Json {
    match value.tag() {
        ValueTag::BOOL => value.as_bool().into(),
        ValueTag::I64 | ValueTag::U64 => match value.as_i64() {
            Some(signed) => signed.into(),
            None => value.as_u64().into(),
        },
        ValueTag::TIME => value.as_time().into(),
        ValueTag::F64 => value.as_f64().and_then(Number::from_f64).into(),
        ValueTag::STRING => value.as_str().into(),
        // Bytes that are no text: a list of numbers, which serde reads into a Vec<u8>.
        ValueTag::BYTES => value.as_bytes().map(|bytes| bytes.to_vec()).into(),
        ValueTag::LIST => value.as_list().unwrap_or_default().iter().map(to_json).collect(),
        ValueTag::MAP => {
            let entries = value.as_map().into_iter().flat_map(Map::iter);
            Json::Object(entries.map(|(k, v)| (k.to_owned(), to_json(v))).collect())
        }
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        size: u64,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Inner {
        name: String,
    }

    #[test]
    fn values_arrive_as_they_are() {
        let inner = Map::from_iter([("name", "a")]);
        let mut map = Map::from_iter([("size", u64::MAX)]);
        map.insert("inner", inner);
        let outer: Outer = read(&map).unwrap();
        assert_eq!((outer.size, outer.inner.unwrap().name.as_str()), (u64::MAX, "a"));
    }

    #[test]
    fn an_error_names_the_path_and_the_value() {
        let mut map = Map::from_iter([("size", 1i64)]);
        map.insert("inner", Map::from_iter([("name", 5i64)]));
        let error = read::<Outer>(&map).unwrap_err();
        assert_eq!(error.attribute, "inner.name");
        assert!(error.message.contains("it is 5"), "{}", error.message);
        let error = read::<Outer>(&Map::from_iter([("size", -1i64)])).unwrap_err();
        assert_eq!(error.attribute, "size");
    }

    #[test]
    fn an_unknown_attribute_is_refused_by_its_name() {
        let error = read::<Outer>(&Map::from_iter([("size", 1i64), ("sise", 2)])).unwrap_err();
        assert!(error.message.contains("sise"), "{}", error.message);
    }
}
