//! Fields of messages that are JSON, read where they stand.
mod table;

use std::{borrow::Cow, ops::Range};

use gopiper_abi::{Map, Value, ValueTag};
use serde::de::DeserializeSeed;
use serde_json::error::Category;
use sonic_rs::{JsonNumberTrait, JsonType, JsonValueTrait, LazyValue, PointerNode};

use self::table::Table;
use super::serialized::Writer;

/// What was found.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    /// Not there, null, or no JSON.
    Nothing,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    /// A string as it stands there, or the text of an object or a list.
    Raw(&'a [u8]),
    /// A string with escapes in it.
    Text(String),
}

/// Paths that were taken apart before: a function asks for the same ones again and again.
#[derive(Default)]
pub(super) struct Paths(Vec<(Vec<u8>, Vec<PointerNode>)>);

/// So many are remembered.
const PATHS: usize = 32;

impl Paths {
    pub(super) fn get(&mut self, path: &[u8]) -> &[PointerNode] {
        let place = match self.0.iter().position(|(known, _)| known == path) {
            Some(place) => place,
            None => {
                if self.0.len() == PATHS {
                    self.0.clear();
                }
                self.0.push((path.to_vec(), nodes(&String::from_utf8_lossy(path))));
                self.0.len() - 1
            }
        };
        &self.0[place].1
    }
}

/// `a.b.0`, or `/a.b/0`: a key that is a number is a place in a list, too.
fn nodes(path: &str) -> Vec<PointerNode> {
    let keys = match path.strip_prefix('/') {
        Some(rest) => rest.split('/'),
        None => path.split('.'),
    };
    keys.map(|key| match key.parse() {
        Ok(place) => PointerNode::Index(place),
        Err(_) => PointerNode::Key(key.to_owned().into()),
    })
    .collect()
}

/// A field of a message. What stands behind it is not looked at.
pub(super) fn find<'a>(data: &'a [u8], path: &[PointerNode]) -> Found<'a> {
    let Ok(found) = sonic_rs::get(data, path) else { return Found::Nothing };
    match found.get_type() {
        JsonType::Null => Found::Nothing,
        JsonType::Boolean => Found::Bool(found.as_bool().unwrap_or_default()),
        JsonType::Number => number(&found),
        JsonType::String => match found.as_raw_cow() {
            Cow::Borrowed(raw) if !raw.contains('\\') => {
                Found::Raw(&raw.as_bytes()[1..raw.len() - 1])
            }
            _ => found.as_str().map_or(Found::Nothing, |text| Found::Text(text.to_owned())),
        },
        JsonType::Object | JsonType::Array => match found.as_raw_cow() {
            Cow::Borrowed(raw) => Found::Raw(raw.as_bytes()),
            Cow::Owned(raw) => Found::Text(raw),
        },
    }
}

fn number(found: &LazyValue<'_>) -> Found<'static> {
    // Most are: and this is the short way.
    if let Ok(number) = found.as_raw_str().parse() {
        return Found::Integer(number);
    }
    let Some(number) = found.as_number() else { return Found::Nothing };
    match (number.as_u64(), number.as_f64()) {
        (Some(number), _) => Found::Unsigned(number),
        (_, Some(number)) => Found::Float(number),
        _ => Found::Nothing,
    }
}

/// A field to be put at the end of an object: what is kept of that, and what follows it. None if it is no
/// object.
pub(super) fn with_field(data: &[u8], key: &str, value: &Value) -> Option<(usize, Vec<u8>)> {
    let end = data.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
    let start = data.iter().position(|byte| !byte.is_ascii_whitespace())?;
    if data[end] != b'}' || data[start] != b'{' || start == end {
        return None;
    }
    let is_empty = data[start + 1..end].iter().all(u8::is_ascii_whitespace);
    let mut field = if is_empty { Vec::new() } else { vec![b','] };
    put_text(&mut field, key);
    field.push(b':');
    put(&mut field, value);
    field.push(b'}');
    Some((end, field))
}

/// A field in the place of the one that a path leads to, or at the end of the object that it would be in:
/// which part of the text is replaced, and by what.
pub(super) fn replaced(
    data: &[u8],
    path: &[PointerNode],
    value: &Value,
) -> Option<(Range<usize>, Vec<u8>)> {
    if let Some(place) = place(data, path) {
        let mut new = Vec::new();
        put(&mut new, value);
        return Some((place, new));
    }
    let (last, within) = path.split_last()?;
    let key = match last {
        PointerNode::Key(key) => key.to_string(),
        PointerNode::Index(number) => number.to_string(),
    };
    let object = if within.is_empty() { 0..data.len() } else { place(data, within)? };
    let (kept, field) = with_field(&data[object.clone()], &key, value)?;
    Some((object.start + kept..object.end, field))
}

/// Where in the text what a path leads to stands.
fn place(data: &[u8], path: &[PointerNode]) -> Option<Range<usize>> {
    let found = sonic_rs::get(data, path).ok()?;
    let Cow::Borrowed(raw) = found.as_raw_cow() else { return None };
    let start = raw.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
    data.get(start..start + raw.len()).map(|_| start..start + raw.len())
}

fn put(to: &mut Vec<u8>, value: &Value) {
    match value.tag() {
        ValueTag::BOOL => to.extend(value.as_bool().unwrap_or_default().to_string().bytes()),
        ValueTag::I64 => to.extend(value.as_i64().unwrap_or_default().to_string().bytes()),
        ValueTag::U64 => to.extend(value.as_u64().unwrap_or_default().to_string().bytes()),
        ValueTag::F64 => match value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => to.extend(number.to_string().bytes()),
            // There is no such number in JSON.
            None => to.extend(b"null"),
        },
        ValueTag::STRING => put_text(to, value.as_str().unwrap_or_default()),
        ValueTag::BYTES => {
            let bytes = value.as_bytes().map_or(&[][..], |bytes| bytes);
            put_text(to, &String::from_utf8_lossy(bytes));
        }
        ValueTag::LIST => {
            let items = value.as_list().unwrap_or_default().iter();
            put_all(to, b"[]", items, put);
        }
        ValueTag::MAP => {
            let entries = value.as_map().into_iter().flat_map(Map::iter);
            put_all(to, b"{}", entries, |to, (key, value)| {
                put_text(to, key);
                to.push(b':');
                put(to, value);
            });
        }
        _ => to.extend(b"null"),
    }
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    let written = sonic_rs::to_writer(&mut *to, text);
    debug_assert!(written.is_ok(), "text can be written to memory");
}

fn put_all<T>(
    to: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: impl Iterator<Item = T>,
    put: impl Fn(&mut Vec<u8>, T),
) {
    to.push(brackets[0]);
    for (i, item) in items.enumerate() {
        if i > 0 {
            to.push(b',');
        }
        put(to, item);
    }
    to.push(brackets[1]);
}

/// Writes a field for Lua, or all of the message if the path is empty. False if it is not there, null, or no
/// JSON.
pub(super) fn decode(data: &[u8], path: &[PointerNode], to: &mut Writer) -> Result<bool, String> {
    let found = match path {
        [] => None,
        _ => match sonic_rs::get(data, path) {
            Ok(found) => Some(found),
            Err(_) => return Ok(false),
        },
    };
    let text = found.as_ref().map_or(data, |found| found.as_raw_str().as_bytes());
    let mut json = serde_json::Deserializer::from_slice(text);
    match Table::of(to).deserialize(&mut json).and_then(|there| json.end().map(|()| there)) {
        Ok(there) => Ok(there),
        Err(error) if error.classify() == Category::Data => Err(format!(": {error}")),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(data: &'a str, path: &str) -> Found<'a> {
        find(data.as_bytes(), Paths::default().get(path.as_bytes()))
    }

    #[test]
    fn fields_are_found_by_their_paths() {
        let data = r#" {"status":503,"a.b":{"c":true},"list":[1,{"x":-0.5}],"n":null,"big":18446744073709551615,
            "text":"t\u00e9xt \"q\"","plain":"a é","least":-9223372036854775808} "#;
        for (path, expected) in [
            ("status", Found::Integer(503)),
            ("/a.b/c", Found::Bool(true)),
            ("list.1.x", Found::Float(-0.5)),
            ("list", Found::Raw(br#"[1,{"x":-0.5}]"#)),
            ("n", Found::Nothing),
            ("not there", Found::Nothing),
            ("list.7", Found::Nothing),
            ("big", Found::Unsigned(u64::MAX)),
            ("least", Found::Integer(i64::MIN)),
            ("plain", Found::Raw("a é".as_bytes())),
            ("text", Found::Text("téxt \"q\"".into())),
        ] {
            assert_eq!(found(data, path), expected, "{path}");
        }
        for data in ["", "no JSON", "{", r#"{"status":"#, "\0"] {
            assert_eq!(found(data, "status"), Found::Nothing, "{data}");
        }
    }

    #[test]
    fn many_paths_are_no_trouble() {
        let mut paths = Paths::default();
        for n in 0..100 {
            let (path, data) = (format!("k{n}"), format!(r#"{{"k{n}":{n}}}"#));
            assert_eq!(find(data.as_bytes(), paths.get(path.as_bytes())), Found::Integer(n));
        }
    }

    #[test]
    fn a_field_goes_to_the_end_of_an_object() {
        let with = |data: &str, value: Value| {
            let (kept, field) = with_field(data.as_bytes(), "k\"", &value)?;
            String::from_utf8([&data.as_bytes()[..kept], &field].concat()).ok()
        };
        assert_eq!(with(r#"{"a":1} "#, true.into()).as_deref(), Some(r#"{"a":1,"k\"":true}"#));
        assert_eq!(with("{ }", "x\n".into()).as_deref(), Some(r#"{ "k\"":"x\n"}"#));
        assert_eq!(with("{}", 0.5.into()).as_deref(), Some(r#"{"k\"":0.5}"#));
        assert_eq!(with("{}", f64::NAN.into()).as_deref(), Some(r#"{"k\"":null}"#));
        for data in ["", "[]", "}", "{", "{}x", "7"] {
            assert_eq!(with(data, true.into()), None, "{data}");
        }
    }

    #[test]
    fn a_field_is_replaced_where_it_stands() {
        let set = |data: &str, path: &str, value: Value| {
            let (place, new) =
                replaced(data.as_bytes(), Paths::default().get(path.as_bytes()), &value)?;
            Some(format!(
                "{}{}{}",
                &data[..place.start],
                String::from_utf8(new).ok()?,
                &data[place.end..]
            ))
        };
        let data = r#" {"a": {"b" : [1, "x"], "c":null}, "a":2 } "#;
        for (path, expected) in [
            ("a.b.1", r#" {"a": {"b" : [1, 7], "c":null}, "a":2 } "#),
            ("a.c", r#" {"a": {"b" : [1, "x"], "c":7}, "a":2 } "#),
            ("a", r#" {"a": 7, "a":2 } "#),
            ("a.d", r#" {"a": {"b" : [1, "x"], "c":null,"d":7}, "a":2 } "#),
            ("e", r#" {"a": {"b" : [1, "x"], "c":null}, "a":2 ,"e":7}"#),
        ] {
            assert_eq!(set(data, path, 7i64.into()).as_deref(), Some(expected), "{path}");
        }
        for path in ["a.b.2", "a.x.y", "a.c.d"] {
            assert_eq!(set(data, path, true.into()), None, "{path}");
        }
        assert_eq!(set("no JSON", "a", true.into()), None);
    }
}
