//! Paths to fields of JSON.
use sonic_rs::{LazyValue, PointerNode};

use super::{depth::objects, problem::JsonProblem};

/// A path that was taken apart.
#[derive(Debug, Clone)]
pub struct Path {
    /// The keys, from the outermost on. One that is a number can be a place in a list, too.
    pub(crate) keys: Vec<String>,
    /// The same for the parser, which must know what each is: as it was in the message before.
    nodes: Vec<PointerNode>,
    /// Whether one of them is a number.
    is_open: bool,
}

/// Paths that were taken apart before: a function asks for the same ones again and again.
#[derive(Default)]
pub struct Paths(Vec<(Vec<u8>, Path)>);

/// How many are remembered.
const PATHS: usize = 32;

impl Paths {
    /// The path of this text.
    ///
    /// # Errors
    /// It is none.
    pub fn get(&mut self, path: &[u8]) -> Result<&mut Path, JsonProblem> {
        let place = match self.0.iter().position(|(known, _)| known == path) {
            Some(place) => place,
            None => {
                let new = Path::parse(&String::from_utf8_lossy(path))?;
                if self.0.len() == PATHS {
                    self.0.clear();
                }
                self.0.push((path.to_vec(), new));
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[place].1)
    }
}

impl Path {
    /// `a.b.0`, or a JSON Pointer (RFC 6901), which begins with a slash: `/a.b/0`.
    ///
    /// # Errors
    /// A pointer with a `~` that is not followed by 0 or 1.
    pub fn parse(path: &str) -> Result<Self, JsonProblem> {
        let keys: Vec<String> = match path.strip_prefix('/') {
            Some(rest) => {
                let keys: Option<_> = rest.split('/').map(unescaped).collect();
                keys.ok_or_else(|| {
                    JsonProblem::Wrong(format!(
                        ": '{path}' is not a JSON Pointer: write a ~ as ~0, and a slash in a key \
                         as ~1"
                    ))
                })?
            }
            None => path.split('.').map(String::from).collect(),
        };
        Ok(Self::of(keys))
    }

    /// The path of these keys, from the outermost on.
    pub fn of(keys: Vec<String>) -> Self {
        let node = |key: &String| match place_in_list(key) {
            Some(place) => PointerNode::Index(place),
            None => PointerNode::Key(key.clone().into()),
        };
        let nodes: Vec<_> = keys.iter().map(node).collect();
        let is_open = nodes.iter().any(|node| matches!(node, PointerNode::Index(_)));
        Path { keys, nodes, is_open }
    }

    /// Its keys, from the outermost on.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The text of the field at this path in a JSON text; `None` if it is missing. Text after the
    /// field is not read, but a field counts as missing only if the whole text is JSON.
    pub(crate) fn get<'a>(&mut self, data: &'a [u8]) -> Result<Option<&'a [u8]>, JsonProblem> {
        let found = match sonic_rs::get(data, &self.nodes) {
            Err(error) if error.is_unmatched_type() && self.fit(data) => {
                sonic_rs::get(data, &self.nodes)
            }
            found => found,
        };
        match found {
            Ok(found) => {
                let text = found.as_raw_str();
                let start = text.as_ptr().addr().saturating_sub(data.as_ptr().addr());
                match begins_well(data, start, self.nodes.len()) {
                    true => Ok(data.get(start..start + text.len())),
                    false => Err(JsonProblem::no_key()),
                }
            }
            Err(error) if error.is_not_found() || error.is_unmatched_type() => {
                is_whole(data).map(|()| None)
            }
            Err(error) => Err(JsonProblem::of(&error)),
        }
    }

    /// The object or list that the last key is in.
    pub(crate) fn get_outer<'a>(
        &mut self,
        data: &'a [u8],
    ) -> Result<Option<LazyValue<'a>>, JsonProblem> {
        let outer = self.nodes.split_last().map_or(&[][..], |(_, outer)| outer);
        match sonic_rs::get(data, outer) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() || error.is_unmatched_type() => Ok(None),
            Err(error) => Err(JsonProblem::of(&error)),
        }
    }

    /// Interprets each number as this message requires: as a key of an object or a place in a list.
    /// Returns whether anything has changed.
    #[cold]
    fn fit(&mut self, data: &[u8]) -> bool {
        let mut has_changed = false;
        if !self.is_open {
            return false;
        }
        for at in 0..self.nodes.len() {
            let Some(place) = place_in_list(&self.keys[at]) else { continue };
            let Ok(within) = sonic_rs::get(data, &self.nodes[..at]) else { break };
            let was_place = matches!(self.nodes[at], PointerNode::Index(_));
            let is_place = within.as_raw_str().starts_with('[');
            if is_place != was_place {
                has_changed = true;
                self.nodes[at] = match is_place {
                    true => PointerNode::Index(place),
                    false => PointerNode::Key(self.keys[at].clone().into()),
                };
            }
        }
        has_changed
    }
}

/// Whether each object around a field begins with a key: the parser searches for the first quote,
/// and ignores the text before it.
fn begins_well(data: &[u8], field: usize, depth: usize) -> bool {
    let Some(start) = data.iter().position(|byte| !byte.is_ascii_whitespace()) else {
        return false;
    };
    let first = data[start] != b'{' || is_key(&data[start + 1..]);
    if depth == 1 || !first {
        return first;
    }
    let within = &data[start + 1..];
    let before = &within[..field.saturating_sub(start + 1).min(within.len())];
    let mut opened = memchr::memchr_iter(b'{', before);
    // One may be in a string: then it is to be known which.
    opened.all(|at| is_key(&within[at + 1..]))
        || objects(before).all(|at| is_key(&within[at + 1..]))
}

/// Whether an object goes on like this after its bracket.
fn is_key(rest: &[u8]) -> bool {
    matches!(rest.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'"' | b'}'))
}

/// Checks that the text is one JSON value and nothing else.
#[cold]
fn is_whole(data: &[u8]) -> Result<(), JsonProblem> {
    let read =
        sonic_rs::get(data, &[] as &[PointerNode]).map_err(|error| JsonProblem::of(&error))?;
    let start = read.as_raw_str().as_ptr().addr() - data.as_ptr().addr();
    let behind = data.get(start + read.as_raw_str().len()..).unwrap_or_default();
    match behind.iter().all(u8::is_ascii_whitespace) {
        true => Ok(()),
        false => Err(JsonProblem::Unreadable("there is more text after its end".into())),
    }
}

/// A number as RFC 6901 writes a place: without a sign, and without zeros before it.
fn place_in_list(key: &str) -> Option<usize> {
    let is_one =
        key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
    is_one.then(|| key.parse().ok()).flatten()
}

/// A key of a JSON Pointer, as it is in the object.
fn unescaped(key: &str) -> Option<String> {
    let mut parts = key.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letter = match part.as_bytes().first() {
            Some(b'0') => '~',
            Some(b'1') => '/',
            _ => return None,
        };
        text.push(letter);
        text += &part[1..];
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &str) -> Vec<String> {
        Path::parse(path).map(|path| path.keys).unwrap_or_default()
    }

    #[test]
    fn a_pointer_names_any_key() {
        assert_eq!(keys("a.b.0"), ["a", "b", "0"]);
        assert_eq!(keys("/a.b/0"), ["a.b", "0"]);
        assert_eq!(keys("/a~1b/m~0n/~01"), ["a/b", "m~n", "~1"]);
        assert_eq!(keys("/"), [""]);
        assert_eq!(keys("/a//b/"), ["a", "", "b", ""]);
        assert_eq!(keys("a~b"), ["a~b"]);
        for wrong in ["/a~", "/~2", "/a~/b"] {
            assert!(matches!(Path::parse(wrong), Err(JsonProblem::Wrong(_))), "{wrong}");
        }
    }

    #[test]
    fn a_number_is_a_key_in_an_object_and_a_place_in_a_list() {
        let mut path = Path::parse("a.1.0").unwrap();
        let mut get = |data: &'static str| {
            path.get(data.as_bytes()).unwrap().map(|text| String::from_utf8(text.to_vec()).unwrap())
        };
        // Knowledge from one message does not affect the next.
        for _ in 0..2 {
            assert_eq!(get(r#"{"a":{"1":{"0":5}}}"#).as_deref(), Some("5"));
            assert_eq!(get(r#"{"a":[0,[6]]}"#).as_deref(), Some("6"));
            assert_eq!(get(r#"{"a":{"1":[7]}}"#).as_deref(), Some("7"));
            assert_eq!(get(r#"{"a":[0,{"0":8}]}"#).as_deref(), Some("8"));
            assert_eq!(get(r#"{"a":[0]}"#), None);
            assert_eq!(get(r#"{"a":{"1":7}}"#), None);
        }
    }
}
