//! Reads a field of a message in place.
use super::{
    depth::{is_too_deep, too_deep_at},
    path::Path,
    problem::{JsonProblem, after_mark},
};

/// The result of a search. `Raw` is a string, or else begins with a bracket.
#[derive(Debug, PartialEq)]
pub enum FoundField<'a> {
    /// Missing, or null.
    Nothing,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    /// A string without escapes, or the text of an object or a list.
    Raw(&'a [u8]),
    /// A string with escapes in it, without them.
    Text(String),
}

/// Finds a field of a message. Text after it is not read.
pub fn find<'a>(data: &'a [u8], path: &mut Path) -> Result<FoundField<'a>, JsonProblem> {
    let Some(found) = reach(after_mark(data), path)? else { return Ok(FoundField::Nothing) };
    read_field(found)
}

/// Reads the text of a field.
///
/// # Errors
/// A string with a wrong escape, a number that is too large.
pub fn read_field(found: &[u8]) -> Result<FoundField<'_>, JsonProblem> {
    Ok(match found.first() {
        None | Some(b'n') => FoundField::Nothing,
        Some(b't') => FoundField::Bool(true),
        Some(b'f') => FoundField::Bool(false),
        Some(b'"') if !found.contains(&b'\\') => FoundField::Raw(&found[1..found.len() - 1]),
        Some(b'"') => match sonic_rs::from_slice(found) {
            Ok(text) => FoundField::Text(text),
            Err(_) => return Err(JsonProblem::Unreadable("a string with a wrong escape".into())),
        },
        Some(b'{' | b'[') => FoundField::Raw(found),
        Some(_) => return number(found),
    })
}

/// The parser calls itself for each level, but there are not more levels than bytes: in so few
/// bytes it cannot use up a stack.
const SHORT: usize = 1024;

/// A field of a message, if the part that has to be read for it is not nested too deeply. A short
/// message is only checked as far as it was read: the rest of it may not be in the processor's
/// cache yet.
pub fn reach<'a>(data: &'a [u8], path: &mut Path) -> Result<Option<&'a [u8]>, JsonProblem> {
    if data.len() > SHORT {
        return match too_deep_at(data) {
            None => path.get(data),
            Some(deep) => match path.get(&data[..deep]) {
                Ok(Some(found)) => Ok(Some(found)),
                _ => Err(JsonProblem::too_deep()),
            },
        };
    }
    let found = path.get(data);
    let read = match &found {
        Ok(Some(found)) => {
            let end = found.as_ptr_range().end.addr();
            &data[..end.saturating_sub(data.as_ptr().addr()).min(data.len())]
        }
        _ => data,
    };
    if is_too_deep(read) { Err(JsonProblem::too_deep()) } else { found }
}

/// The elements of a list, as far as it can be read.
pub fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let read = sonic_rs::to_array_iter(list).map_while(Result::ok);
    // The text is a part of the list's, whose lifetime the parser does not pass on.
    read.filter_map(move |item| {
        let start = item.as_raw_str().as_ptr().addr().checked_sub(list.as_ptr().addr())?;
        list.get(start..start + item.as_raw_str().len())
    })
}

fn number(digits: &[u8]) -> Result<FoundField<'static>, JsonProblem> {
    let raw = std::str::from_utf8(digits).unwrap_or_default();
    // Most are: and this is the short way.
    match raw.parse() {
        Ok(0) if raw.starts_with('-') => return Ok(FoundField::Float(-0.0)),
        Ok(number) => return Ok(FoundField::Integer(number)),
        Err(_) => {}
    }
    if let Ok(number) = raw.parse() {
        return Ok(FoundField::Unsigned(number));
    }
    // Every number of JSON is one of Rust's, exactly, including the sign of 0.
    match raw.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(FoundField::Float(number)),
        _ => Err(JsonProblem::Unreadable("a number that is too large".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Paths, depth::DEPTH, replaced};

    fn found<'a>(data: &'a str, path: &str) -> Result<FoundField<'a>, JsonProblem> {
        find(data.as_bytes(), Paths::default().get(path.as_bytes())?)
    }

    /// The depth of the text before the field counts, and the length of the message does not.
    #[test]
    fn a_field_is_read_up_to_the_limit_of_depth_in_short_and_long_messages() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        // The object around it is a level, too.
        for (depth, is_read) in [(DEPTH - 1, true), (DEPTH, false), (400, false)] {
            for padding in [0, SHORT - 900, 2 * SHORT] {
                let padding = " ".repeat(padding);
                let deep = nested(depth);
                let before = format!(r#"{{"deep":{deep},{padding}"a":7}}"#);
                let after = format!(r#"{{"a":7,{padding}"deep":{deep}}}"#);
                let find = |text: &str, path: &str| {
                    let mut paths = Paths::default();
                    let found = find(text.as_bytes(), paths.get(path.as_bytes()).unwrap());
                    found.map(|found| found == FoundField::Integer(7))
                };
                let expected =
                    |is_read| if is_read { Ok(true) } else { Err(JsonProblem::too_deep()) };
                assert_eq!(find(&before, "a"), expected(is_read), "{before}");
                assert_eq!(find(&after, "a"), expected(true), "{after}");
                assert_eq!(find(&after, "deep").is_ok(), is_read, "{after}");
                assert_eq!(find(&after, "none").is_ok(), is_read, "{after}");
            }
        }
    }

    #[test]
    fn fields_are_found_by_their_paths() {
        let data = r#" {"status":503,"a.b":{"c":true},"list":[1,{"x":-0.5}],"n":null,"big":18446744073709551615,
            "text":"t\u00e9xt \"q\"","plain":"a é","least":-9223372036854775808,"by":{"404":5,"007":6}} "#;
        for (path, expected) in [
            ("status", FoundField::Integer(503)),
            ("/a.b/c", FoundField::Bool(true)),
            ("list.1.x", FoundField::Float(-0.5)),
            ("list", FoundField::Raw(br#"[1,{"x":-0.5}]"#)),
            ("n", FoundField::Nothing),
            ("not there", FoundField::Nothing),
            ("list.7", FoundField::Nothing),
            ("list.x", FoundField::Nothing),
            ("status.x", FoundField::Nothing),
            ("big", FoundField::Unsigned(u64::MAX)),
            ("least", FoundField::Integer(i64::MIN)),
            ("plain", FoundField::Raw("a é".as_bytes())),
            ("text", FoundField::Text("téxt \"q\"".into())),
            ("by.404", FoundField::Integer(5)),
            ("by.007", FoundField::Integer(6)),
            ("by.7", FoundField::Nothing),
        ] {
            assert_eq!(found(data, path), Ok(expected), "{path}");
        }
        for zero in ["-0", "-0.0", "-0.00", "-0e0", "-0E+2"] {
            let Ok(FoundField::Float(read)) = found(&format!("\u{feff}{{\"a\":{zero}}}"), "a")
            else {
                panic!("{zero}")
            };
            assert!(read == 0.0 && read.is_sign_negative(), "{zero}");
        }
        for (data, path, expected) in [
            (r#"{"x":"{y","a":{"b":1}} [garbage"#, "a.b", FoundField::Integer(1)),
            (r#"{ "x":{"{\\":["\"{"]}, "a":{ "b":2"#, "a.b", FoundField::Integer(2)),
            ("{\n\t\"a\" : [ { \"b\":3", "a.0.b", FoundField::Integer(3)),
            ("[4,nonsense", "0", FoundField::Integer(4)),
            ("{ }", "a", FoundField::Nothing),
            (r#"{"a":{},"c":{ }}"#, "a.b", FoundField::Nothing),
        ] {
            assert_eq!(found(data, path), Ok(expected), "{data}");
        }
        for (data, path) in [
            ("{'a':1}", "a"),
            ("{a:1}", "a"),
            ("{1:2}", "a"),
            ("{x}", "a"),
            (r#"{,"a":1}"#, "a"),
            (r#"{a "a":1}"#, "a"),
            (r#"{"b":1,}"#, "a"),
            (r#"{"b":1} {"a":2}"#, "a"),
            (r#"{"b":{'c':1},"a":1}"#, "a"),
            (r#"{"a":{,"b":1}}"#, "a.b"),
            (r#"{"a":[{x "b":1}]}"#, "a.0.b"),
            (r#"{"{":1,"a":{x "b":1}}"#, "a.b"),
            (r#"{"a":{'b':1}}"#, "a.b"),
            (r#"{"a":{'b':1}}"#, "a.c"),
            ("[nonsense", "a"),
            ("200 OK", "a"),
            ("{\"b\":\"\u{0}\"}", "a"),
            ("  ", "a"),
        ] {
            let read = found(data, path);
            assert!(matches!(read, Err(JsonProblem::Unreadable(_))), "{data}: {read:?}");
            let mut paths = Paths::default();
            let set = paths
                .get(path.as_bytes())
                .and_then(|path| replaced(data.as_bytes(), path, &9i64.into()));
            assert!(matches!(set, Err(JsonProblem::Unreadable(_))), "{data}: {set:?}");
        }
        for data in [
            "",
            "no JSON",
            "{",
            r#"{"status":"#,
            "\0",
            r#"{"a":tru,"status":1}"#,
            r#"{"status":1e999}"#,
        ] {
            let read = found(data, "status");
            assert!(matches!(read, Err(JsonProblem::Unreadable(_))), "{data}: {read:?}");
        }
    }

    #[test]
    fn many_paths_are_no_trouble() {
        let mut paths = Paths::default();
        for n in 0..100 {
            let (path, data) = (format!("k{n}"), format!(r#"{{"k{n}":{n}}}"#));
            let path = paths.get(path.as_bytes()).unwrap();
            assert_eq!(find(data.as_bytes(), path), Ok(FoundField::Integer(n)));
        }
    }

    #[test]
    fn deeply_nested_json_is_refused_before_it_is_parsed() {
        for depth in [DEPTH, 1_000_000] {
            let data = format!(r#"{{"a":{}{},"b":1}}"#, "[".repeat(depth), "]".repeat(depth));
            for path in ["a", "b"] {
                assert_eq!(found(&data, path), Err(JsonProblem::too_deep()));
            }
        }
        let data = format!(r#"{{"a":{}{}}}"#, "[".repeat(DEPTH - 1), "]".repeat(DEPTH - 1));
        assert!(found(&data, "a").is_ok());
    }
}
