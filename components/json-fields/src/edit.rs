//! Edits fields in the text of JSON messages.
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use gopiper_abi::{Map, Value, ValueTag};

use super::{
    depth::is_too_deep,
    path::Path,
    problem::{JsonProblem, after_mark},
};

/// Bytes to put into a text, and the range that they replace.
pub type Edit = (Range<usize>, Vec<u8>);

/// A field to be put at the end of an object. None if it is no object.
pub fn with_field(data: &[u8], key: &str, value: &Value) -> Option<Edit> {
    added(data, key, |to| put(to, value))
}

fn added(data: &[u8], key: &str, write: impl Fn(&mut Vec<u8>)) -> Option<Edit> {
    let first = data.len() - after_mark(data).len();
    let is_said = |byte: &u8| !byte.is_ascii_whitespace();
    let end = data.iter().rposition(is_said)?;
    let start = first + data[first..].iter().position(is_said)?;
    if data[end] != b'}' || data[start] != b'{' || start == end {
        return None;
    }
    let is_empty = !data[start + 1..end].iter().any(is_said);
    let mut field = if is_empty { Vec::new() } else { vec![b','] };
    put_text(&mut field, key);
    field.push(b':');
    write(&mut field);
    Some((end..end, field))
}

/// Replaces the field at a path, or adds it at the end of its object. Text that cannot be read does
/// not count as a missing field: otherwise the field would be added a second time. Where the old
/// value has equal parts, they keep their form.
///
/// # Errors
/// The data is not JSON, or has no place for the field.
pub fn replaced(data: &[u8], path: &mut Path, value: &Value) -> Result<Edit, JsonProblem> {
    let is_table = matches!(value.tag(), ValueTag::LIST | ValueTag::MAP);
    edited(data, path, is_table, |to, old| match old {
        Some(old) => drop(put_like(to, value, old)),
        None => put(to, value),
    })
}

/// As [`replaced`], with a value that is JSON text.
///
/// # Errors
/// As of [`replaced`].
pub fn replaced_by_text(data: &[u8], path: &mut Path, text: &[u8]) -> Result<Edit, JsonProblem> {
    let is_table = text.starts_with(b"{") || text.starts_with(b"[");
    edited(data, path, is_table, |to, _| to.extend_from_slice(text))
}

fn edited(
    data: &[u8],
    path: &mut Path,
    is_table: bool,
    write: impl Fn(&mut Vec<u8>, Option<&[u8]>),
) -> Result<Edit, JsonProblem> {
    let text = after_mark(data);
    if is_too_deep(text) {
        return Err(JsonProblem::too_deep());
    }
    let edit = if let Some(old) = path.get(text)? {
        let mut new = Vec::new();
        write(&mut new, Some(old));
        (place(data, old)?, new)
    } else {
        let outer = path.get_outer(text)?.filter(|outer| outer.as_raw_str().starts_with('{'));
        let outer = outer.ok_or_else(|| {
            let what = ": the message has neither this field nor a JSON object to add it to";
            JsonProblem::Wrong(what.into())
        })?;
        let outer = place(data, outer.as_raw_str().as_bytes())?;
        if path.keys.len() == 1 && data[outer.end..].iter().any(|byte| !byte.is_ascii_whitespace())
        {
            return Err(JsonProblem::Unreadable("there is more text after the object".into()));
        }
        let key = path.keys.last().map_or("", String::as_str);
        let (place, field) = added(&data[outer.clone()], key, |to| write(to, None))
            .ok_or_else(JsonProblem::too_deep)?;
        (outer.start + place.start..outer.start + place.end, field)
    };
    // The result must be readable again.
    if is_table && is_too_deep(&[&data[..edit.0.start], &edit.1, &data[edit.0.end..]].concat()) {
        return Err(JsonProblem::too_deep());
    }
    Ok(edit)
}

/// The range of a part in its text.
fn place(data: &[u8], part: &[u8]) -> Result<Range<usize>, JsonProblem> {
    let start = part.as_ptr().addr().checked_sub(data.as_ptr().addr());
    let place = start.map(|start| start..start + part.len());
    place
        .filter(|place| place.end <= data.len())
        .ok_or_else(|| JsonProblem::Unreadable(String::new()))
}

/// Writes a value as JSON text. A time is its nanoseconds since 1970, bytes are their text; there
/// is no NaN and no infinity in JSON: they are null.
pub fn put(to: &mut Vec<u8>, value: &Value) {
    match value.tag() {
        ValueTag::BOOL => to.extend(value.as_bool().unwrap_or_default().to_string().bytes()),
        ValueTag::I64 => to.extend(value.as_i64().unwrap_or_default().to_string().bytes()),
        ValueTag::U64 => to.extend(value.as_u64().unwrap_or_default().to_string().bytes()),
        ValueTag::F64 => match value.as_f64().filter(|number| number.is_finite()) {
            // With an exponent where it is long: 1e300.
            Some(number) => to.extend(format!("{number:?}").bytes()),
            // There is no such number in JSON.
            None => to.extend(b"null"),
        },
        ValueTag::TIME => to.extend(value.as_time().unwrap_or_default().to_string().bytes()),
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

/// Replaces an old value. Parts in which Lua sees no change keep their form: a number with a
/// decimal point, an escape, the order of an object. Returns whether everything is the same.
fn put_like(to: &mut Vec<u8>, value: &Value, old: &[u8]) -> bool {
    let start = to.len();
    let is_same = match (value.tag(), old.first()) {
        (ValueTag::LIST, Some(b'[')) => put_list_like(to, value.as_list().unwrap_or_default(), old),
        (ValueTag::MAP, Some(b'{')) => value.as_map().is_some_and(|new| put_map_like(to, new, old)),
        _ => {
            put(to, value);
            is_same(value, old)
        }
    };
    if is_same {
        to.truncate(start);
        to.extend_from_slice(old);
    }
    is_same
}

fn put_list_like(to: &mut Vec<u8>, new: &[Value], old: &[u8]) -> bool {
    let mut old = sonic_rs::to_array_iter(old);
    let mut is_same = true;
    to.push(b'[');
    for (i, item) in new.iter().enumerate() {
        if i > 0 {
            to.push(b',');
        }
        match old.next().and_then(Result::ok) {
            Some(old) => is_same &= put_like(to, item, old.as_raw_str().as_bytes()),
            None => {
                put(to, item);
                is_same = false;
            }
        }
    }
    to.push(b']');
    is_same && old.next().is_none()
}

fn put_map_like(to: &mut Vec<u8>, new: &Map, old: &[u8]) -> bool {
    let of_new: HashMap<&str, &Value> = new.iter().collect();
    let mut seen = HashSet::new();
    let mut is_same = true;
    to.push(b'{');
    let key = |to: &mut Vec<u8>, key: &str| {
        if to.last() != Some(&b'{') {
            to.push(b',');
        }
        put_text(to, key);
        to.push(b':');
    };
    for entry in sonic_rs::to_object_iter(old) {
        let Ok((name, old)) = entry else { break };
        // Of two equal keys the first is the one that was read.
        match of_new.get(&*name).filter(|_| seen.insert(name.to_string())) {
            Some(value) => {
                key(to, &name);
                is_same &= put_like(to, value, old.as_raw_str().as_bytes());
            }
            None => is_same = false,
        }
    }
    for (name, value) in new.iter().filter(|(name, _)| !seen.contains(*name)) {
        key(to, name);
        put(to, value);
        is_same = false;
    }
    to.push(b'}');
    is_same
}

/// Whether a JSON text is this value, which is neither a list nor a map.
fn is_same(value: &Value, old: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(old) else { return false };
    match value.tag() {
        ValueTag::I64 | ValueTag::U64 | ValueTag::F64 => {
            let whole: Option<i128> = text.parse().ok().filter(|_| text != "-0");
            let new = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
            if let (Some(whole), Some(new)) = (whole, new) {
                return whole == new;
            }
            let Ok(old) = text.parse::<f64>() else { return false };
            let new = new.map(|new| new as f64).or(value.as_f64());
            new.is_some_and(|new| new.to_bits() == old.to_bits())
        }
        ValueTag::STRING => match text.starts_with('"') {
            true => sonic_rs::from_str::<String>(text).ok().as_deref() == value.as_str(),
            false => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Paths, depth::DEPTH};

    fn with(data: &str, value: Value) -> Option<String> {
        let (place, field) = with_field(data.as_bytes(), "k\"", &value)?;
        Some(format!(
            "{}{}{}",
            &data[..place.start],
            String::from_utf8(field).ok()?,
            &data[place.end..]
        ))
    }

    fn set(data: &str, path: &str, value: Value) -> Result<String, String> {
        let (mut paths, bytes) = (Paths::default(), data.as_bytes());
        let edit = paths.get(path.as_bytes()).and_then(|path| replaced(bytes, path, &value));
        let (place, new) = edit.map_err(|problem| problem.to_string())?;
        let new = [&bytes[..place.start], &new, &bytes[place.end..]].concat();
        Ok(String::from_utf8_lossy(&new).into_owned())
    }

    #[test]
    fn a_field_goes_to_the_end_of_an_object() {
        assert_eq!(with("{\"a\":1}\r", true.into()).as_deref(), Some("{\"a\":1,\"k\\\"\":true}\r"));
        assert_eq!(with("{ }", "x\n".into()).as_deref(), Some(r#"{ "k\"":"x\n"}"#));
        assert_eq!(with("\u{feff}{}", 0.5.into()).as_deref(), Some("\u{feff}{\"k\\\"\":0.5}"));
        assert_eq!(with("{}", f64::NAN.into()).as_deref(), Some(r#"{"k\"":null}"#));
        assert_eq!(with("{}", 1e300.into()).as_deref(), Some(r#"{"k\"":1e300}"#));
        assert_eq!(with("{}", (-0.0).into()).as_deref(), Some(r#"{"k\"":-0.0}"#));
        for data in ["", "[]", "}", "{", "{}x", "7", "\u{feff}", " "] {
            assert_eq!(with(data, true.into()), None, "{data}");
        }
    }

    #[test]
    fn a_field_is_replaced_in_place() {
        let data = r#" {"a": {"b" : [1, "x"], "c":null}, "a":2 } "#;
        for (path, expected) in [
            ("a.b.1", r#" {"a": {"b" : [1, 7], "c":null}, "a":2 } "#),
            ("a.c", r#" {"a": {"b" : [1, "x"], "c":7}, "a":2 } "#),
            ("a", r#" {"a": 7, "a":2 } "#),
            ("a.d", r#" {"a": {"b" : [1, "x"], "c":null,"d":7}, "a":2 } "#),
            ("a.1", r#" {"a": {"b" : [1, "x"], "c":null,"1":7}, "a":2 } "#),
            ("e", r#" {"a": {"b" : [1, "x"], "c":null}, "a":2 ,"e":7} "#),
            ("/x~1y", r#" {"a": {"b" : [1, "x"], "c":null}, "a":2 ,"x/y":7} "#),
        ] {
            assert_eq!(set(data, path, 7i64.into()).as_deref(), Ok(expected), "{path}");
        }
        for path in ["a.b.2", "a.b.x", "a.x.y", "a.c.d"] {
            assert!(
                set(data, path, true.into()).unwrap_err().contains("neither this field"),
                "{path}"
            );
        }
        assert_eq!(set("\u{feff}{\"a\":1}\r", "a", 2i64.into()).unwrap(), "\u{feff}{\"a\":2}\r");
    }

    #[test]
    fn unreadable_json_is_not_taken_for_missing() {
        for data in [
            r#"{"\ud83d":2,"a":1}"#,
            "{\"b\":\"x\ty\",\"a\":1}",
            r#"{"b":"\q","a":1}"#,
            r#"{"b":tru,"a":1}"#,
            r#"{"b":1 "a":1}"#,
            r#"{"b":1} {"a":1}"#,
            r#"{"b":1"#,
            "no JSON",
            "",
        ] {
            let said = set(data, "a", true.into()).unwrap_err();
            assert!(said.contains("cannot be read"), "{data}: {said}");
        }
    }

    #[test]
    fn values_put_back_unchanged_are_written_as_before() {
        let map = |entries: &[(&'static str, Value)]| Value::from(Map::from_iter(entries.to_vec()));
        for (old, value) in [
            ("1.0", 1i64.into()),
            ("-0.0", (-0.0).into()),
            ("-0", (-0.0).into()),
            ("1E+2", 100i64.into()),
            ("18446744073709551615", u64::MAX.into()),
            (r#""caf\u00e9""#, "café".into()),
            ("[ 1.0 , 2]", vec![Value::from(1i64), 2i64.into()].into()),
            (r#"{ "z":1, "b": 2.50 }"#, map(&[("b", 2.5.into()), ("z", 1i64.into())])),
        ] {
            let data = format!(r#"{{"a":{old}}}"#);
            assert_eq!(set(&data, "a", value).unwrap(), data);
        }
        let data = r#"{"a":{"z":1.0,"b":2.50,"gone":0,"z":2}}"#;
        let new = map(&[("a", 0i64.into()), ("b", 2.5.into()), ("z", 1i64.into())]);
        assert_eq!(set(data, "a", new).unwrap(), r#"{"a":{"z":1.0,"b":2.50,"a":0}}"#);
        let list: Value = vec![Value::from(1i64), 3i64.into(), true.into()].into();
        assert_eq!(set(r#"{"a":[1.0,2.0]}"#, "a", list).unwrap(), r#"{"a":[1.0,3,true]}"#);
        assert_eq!(
            set(r#"{"a":9007199254740993}"#, "a", (1i64 << 53).into()).unwrap(),
            r#"{"a":9007199254740992}"#
        );
        assert_eq!(set(r#"{"a":-0.0}"#, "a", 0i64.into()).unwrap(), r#"{"a":0}"#);
    }

    #[test]
    fn nothing_is_put_deeper_than_can_be_read() {
        let nested = |depth| (1..depth).fold(Value::from(vec![]), |inner, _| vec![inner].into());
        assert!(set(r#"{"a":1}"#, "a", nested(DEPTH - 1)).is_ok());
        assert!(set(r#"{"a":1}"#, "a", nested(DEPTH)).unwrap_err().contains("deeper than"));
        assert!(set(r#"{}"#, "a", nested(DEPTH)).unwrap_err().contains("deeper than"));
    }
}
