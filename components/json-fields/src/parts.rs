//! The parts of an object or a list, as they lie in its text.
use std::ops::Range;

use crate::JsonProblem;

/// A field of an object, or an element of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct PartOf {
    /// Without escapes; empty for an element.
    pub key: String,
    /// With the spaces around it, without the commas.
    pub whole: Range<usize>,
    /// Its key with the quotes; empty for an element.
    pub key_text: Range<usize>,
    pub value: Range<usize>,
}

/// The parts of a text that is an object or a list, and the place after the last one; `None` for
/// any other text.
///
/// # Errors
/// It is not JSON.
pub fn parts(text: &[u8]) -> Result<Option<(Vec<PartOf>, usize)>, JsonProblem> {
    let Some(start) = text.iter().position(|byte| !byte.is_ascii_whitespace()) else {
        return Ok(None);
    };
    let is_object = match text[start] {
        b'{' => true,
        b'[' => false,
        _ => return Ok(None),
    };
    let mut parts: Vec<PartOf> = Vec::new();
    let mut end = start + 1;
    let mut add = |key: String, value: &str| {
        let begin = value.as_ptr().addr() - text.as_ptr().addr();
        let value = begin..begin + value.len();
        // Before the first there is no comma.
        let from = match parts.last_mut() {
            None => end,
            Some(before) => {
                before.whole.end = end + position(&text[end..begin], b',');
                before.whole.end + 1
            }
        };
        let key_text = match is_object {
            true => key_text(text, from..begin),
            false => from..from,
        };
        end = value.end;
        parts.push(PartOf { key, whole: from..value.end, key_text, value });
    };
    if is_object {
        for field in sonic_rs::to_object_iter(text) {
            let (key, value) = field.map_err(|error| JsonProblem::of(&error))?;
            add(key.to_string(), value.as_raw_str());
        }
    } else {
        for item in sonic_rs::to_array_iter(text) {
            let item = item.map_err(|error| JsonProblem::of(&error))?;
            add(String::new(), item.as_raw_str());
        }
    }
    Ok(Some((parts, end)))
}

fn position(text: &[u8], byte: u8) -> usize {
    text.iter().position(|it| *it == byte).unwrap_or(0)
}

/// The key before a value: from its first quote to its last, which a colon follows.
fn key_text(text: &[u8], within: Range<usize>) -> Range<usize> {
    let before = &text[within.clone()];
    let first = position(before, b'"');
    let last = before.iter().rposition(|byte| *byte == b'"').map_or(first, |last| last + 1);
    within.start + first..within.start + last.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_where_it_lies() {
        let text = br#" { "a" : 1.0 ,"b,\"":[1,{"c":2}], "a":"x:," } "#;
        let (parts, end) = parts(text).unwrap().unwrap();
        let of = |range: &Range<usize>| std::str::from_utf8(&text[range.clone()]).unwrap();
        let seen: Vec<_> = parts
            .iter()
            .map(|part| (&*part.key, of(&part.whole), of(&part.key_text), of(&part.value)))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", r#" "a" : 1.0 "#, r#""a""#, "1.0"),
                (r#"b,""#, r#""b,\"":[1,{"c":2}]"#, r#""b,\"""#, r#"[1,{"c":2}]"#),
                ("a", r#" "a":"x:,""#, r#""a""#, r#""x:,""#),
            ]
        );
        assert_eq!(&text[end..], b" } ");
        let (parts, _) = super::parts(b"[1 , [2],3]").unwrap().unwrap();
        let values: Vec<_> = parts.iter().map(|part| &b"[1 , [2],3]"[part.whole.clone()]).collect();
        assert_eq!(values, [&b"1 "[..], b" [2]", b"3"]);
        assert_eq!(super::parts(b"{}").unwrap(), Some((Vec::new(), 1)));
        assert_eq!(super::parts(b"12").unwrap(), None);
        for wrong in [&b"{a:1}"[..], b"{\"a\":}", b"[1,,2]", b"{\"a\":1"] {
            assert!(super::parts(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
