//! The depth of nested JSON values.
use memchr::memchr2;

/// How deeply lists and objects may be nested, including the outermost one.
pub const DEPTH: usize = 64;

/// How many bytes are counted in a counter of one byte.
const CHUNK: usize = 240;

/// Whether lists and objects are nested deeper than [`DEPTH`]. The parsers call themselves for each
/// level: without this, one message could use up a thread's stack. Most messages have fewer
/// brackets than that at all, and counting those is nearly free.
pub fn is_too_deep(data: &[u8]) -> bool {
    too_deep_at(data).is_some()
}

/// The place where the first list or object begins that is nested deeper than [`DEPTH`].
pub(crate) fn too_deep_at(data: &[u8]) -> Option<usize> {
    if data.len() <= DEPTH {
        return None;
    }
    let most: usize = data.chunks(CHUNK).map(brackets).sum();
    if most > DEPTH { nested_too_deep_at(data) } else { None }
}

#[cold]
fn nested_too_deep_at(data: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = data.get(at) {
        at += 1;
        match byte {
            b'"' => at = end_of_string(data, at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Some(at - 1);
        }
    }
    None
}

/// How many lists and objects begin in a chunk. `[` and `{` differ in one bit. Measured: this loop,
/// which becomes one over 16 bytes at once, takes a tenth of the time of two counts by memchr.
fn brackets(chunk: &[u8]) -> usize {
    chunk.iter().fold(0u8, |n, byte| n + u8::from(byte | 0x20 == b'{')).into()
}

/// The beginnings of the objects of a text, as far as it is JSON.
pub(crate) fn objects(data: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let found = at + memchr2(b'"', b'{', data.get(at..)?)?;
            at = found + 1;
            match data[found] {
                b'{' => return Some(found),
                _ => at = end_of_string(data, at),
            }
        }
    })
}

/// The end of a string that begins before `at`.
fn end_of_string(data: &[u8], mut at: usize) -> usize {
    while let Some(found) = data.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        match data[at - 1] {
            b'"' => return at,
            // An escaped character ends nothing.
            _ => at += 1,
        }
    }
    data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_more_than_the_limit_is_too_deep() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_too_deep(nested(DEPTH).as_bytes()));
        assert!(is_too_deep(nested(DEPTH + 1).as_bytes()));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH + 1), "}".repeat(DEPTH + 1));
        assert!(is_too_deep(objects.as_bytes()));
        assert!(is_too_deep("[{".repeat(DEPTH).as_bytes()), "also if it is cut off");
    }

    #[test]
    fn many_that_lie_side_by_side_or_in_strings_are_not() {
        assert!(!is_too_deep(format!("[{}0]", "[],".repeat(10_000)).as_bytes()));
        assert!(!is_too_deep(format!(r#"["{}"]"#, "[".repeat(1000)).as_bytes()));
        assert!(!is_too_deep(format!(r#"["\"{}"]"#, "[".repeat(1000)).as_bytes()));
        // The string ends after two backslashes.
        let hidden = format!(r#"["]]]]\\",{}"#, "[".repeat(DEPTH));
        assert!(is_too_deep(hidden.as_bytes()));
    }
}
