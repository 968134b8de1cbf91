//! Reads fields of JSON messages as Lua's values.
mod table;

use json_fields::{JsonProblem, Path, after_mark, is_too_deep, reach};
use serde::de::DeserializeSeed;

use self::table::Table;
use super::serialized::Writer;
use crate::state::memory::NOT_ENOUGH;

/// Writes a field for Lua, or the whole message without a path. Returns false if it is missing or
/// null.
pub(super) fn decode(
    data: &[u8],
    path: Option<&mut Path>,
    to: &mut Writer,
) -> Result<bool, JsonProblem> {
    let data = after_mark(data);
    let found = match path {
        None if is_too_deep(data) => return Err(JsonProblem::too_deep()),
        None => None,
        Some(path) => match reach(data, path)? {
            Some(found) => Some(found),
            None => return Ok(false),
        },
    };
    let text = found.unwrap_or(data);
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = Table(to).deserialize(&mut json).and_then(|there| json.end().map(|()| there));
    if !to.has_room() {
        return Err(JsonProblem::Wrong(format!(": {NOT_ENOUGH}")));
    }
    read.map_err(|error| JsonProblem::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use json_fields::{DEPTH, Paths};

    use super::*;

    fn decoded(data: &str, path: Option<&str>) -> Result<bool, JsonProblem> {
        let (mut paths, mut to) = (Paths::default(), Writer::new(Vec::new(), usize::MAX));
        let path = path.map(|path| paths.get(path.as_bytes())).transpose()?;
        decode(data.as_bytes(), path, &mut to)
    }

    #[test]
    fn what_is_not_json_is_not_decoded() {
        for (data, path) in [
            ("{'a':1}", "a"),
            (r#"{"b":1,}"#, "a"),
            (r#"{"b":{'c':1},"a":1}"#, "a"),
            (r#"{"{":1,"a":{x "b":1}}"#, "a.b"),
            ("200 OK", "a"),
            ("  ", "a"),
        ] {
            let decoded = decoded(data, Some(path));
            assert!(matches!(decoded, Err(JsonProblem::Unreadable(_))), "{data}: {decoded:?}");
        }
        assert_eq!(decoded(r#"{"a":null}"#, Some("a")), Ok(false));
        assert_eq!(decoded(r#"{"a":[1]}"#, Some("a.0")), Ok(true));
    }

    #[test]
    fn deeply_nested_json_is_refused_before_it_is_parsed() {
        let nested = |depth| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        for depth in [DEPTH, 1_000_000] {
            assert_eq!(decoded(&nested(depth), None), Err(JsonProblem::too_deep()));
        }
        assert_eq!(decoded(&nested(DEPTH - 1), None), Ok(true));
    }
}
