//! Reads JSON into a structured value.
use std::{collections::HashSet, fmt};

use gopiper_abi::{Map, Value};
use json_fields::{JsonProblem, after_mark, is_too_deep};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most fields of an object. To set one, a map looks at all before it.
const FIELDS: usize = 4096;

/// The value of a text.
///
/// # Errors
/// It is not JSON, or beyond a limit.
pub(crate) fn value_of(text: &[u8]) -> Result<Value, JsonProblem> {
    let text = after_mark(text);
    if is_too_deep(text) {
        return Err(JsonProblem::too_deep());
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = One.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| JsonProblem::Unreadable(error.to_string()))
}

/// One value. The depth was checked before.
struct One;

impl<'de> DeserializeSeed<'de> for One {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| number.into(), Value::from))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(One)? {
            list.push(item);
        }
        Ok(list.into())
    }

    /// Of two fields with one name the first counts, as where a field alone is read.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let (mut map, mut keys) = (Map::default(), HashSet::new());
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(One)?;
            if keys.len() == FIELDS {
                return Err(A::Error::custom(format!("an object with more than {FIELDS} fields")));
            }
            if !keys.contains(&key) {
                map.insert(&key, value);
                keys.insert(key);
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let mut to = Vec::new();
        json_fields::put(&mut to, &value_of(text.as_bytes()).unwrap());
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn values_survive_the_way_there_and_back() {
        for text in [
            "null",
            "true",
            "9223372036854775807",
            "18446744073709551615",
            "-9223372036854775808",
            "1.0",
            "-0.0",
            "0.1",
            "1e300",
            "5e-324",
            r#""\u0001\"\\ é""#,
            r#"{"z":1,"a":[{},[],""]}"#,
        ] {
            assert_eq!(round_trip(text), text);
        }
        assert_eq!(round_trip("\u{feff} { \"a\" : 1 , \"a\" : 2 } "), r#"{"a":1}"#);
        assert_eq!(round_trip(r#""\ud83d\ude00\/""#), "\"😀/\"");
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for text in [
            "",
            "tru",
            "[1,]",
            "{\"a\" 1}",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "0x1",
            "NaN",
            "'a'",
            "[1] 2",
            "\"\t\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "{\"a\":1,}",
            "1e400",
            "[",
            "\"",
        ] {
            let problem = value_of(text.as_bytes()).unwrap_err().to_string();
            assert!(problem.contains("line 1 column"), "{text}: {problem}");
        }
        assert!(value_of(b"\"\xff\"").is_err());
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(value_of(deep.as_bytes()), Err(JsonProblem::too_deep()));
        let wide = |count: usize| {
            let fields: Vec<_> = (0..count).map(|number| format!("\"{number}\":0")).collect();
            value_of(format!("{{{}}}", fields.join(",")).as_bytes())
        };
        assert!(wide(FIELDS).is_ok());
        assert!(wide(FIELDS + 1).unwrap_err().to_string().contains("more than 4096 fields"));
    }
}
