//! Picks, drops and renames fields in the text of JSON. All other bytes stay as they are.
use json_fields::{DEPTH, JsonProblem, PartOf, Path, is_too_deep, parts};

/// What to do, by the paths of fields: a tree of their keys.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tree {
    /// The field itself is meant.
    is_end: bool,
    /// Its new name.
    name: Option<String>,
    inner: Vec<(String, Tree)>,
}

/// A key that stands for all elements of a list, and all fields of an object.
const EACH: &str = "*";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Pick,
    Drop,
    Rename,
}

impl Tree {
    /// Adds a path, with the new name of its field.
    ///
    /// # Errors
    /// The text is not a path.
    pub(crate) fn add(&mut self, path: &str, name: Option<&str>) -> Result<(), JsonProblem> {
        let path = Path::parse(path)?;
        let mut tree = self;
        for key in path.keys() {
            let known = tree.inner.iter().position(|(known, _)| known == key);
            let place = known.unwrap_or_else(|| {
                tree.inner.push((key.clone(), Tree::default()));
                tree.inner.len() - 1
            });
            tree = &mut tree.inner[place].1;
        }
        tree.is_end = true;
        tree.name = name.map(str::to_owned);
        Ok(())
    }

    fn of(&self, key: &str) -> Option<&Tree> {
        let found = self.inner.iter().find(|(known, _)| known == key);
        found.or_else(|| self.inner.iter().find(|(known, _)| known == EACH)).map(|it| &it.1)
    }

    /// The text with the fields of the tree picked, dropped or renamed; `None` if nothing changes.
    ///
    /// # Errors
    /// It is not JSON, or nested too deeply.
    pub(crate) fn apply(
        &self,
        operation: Operation,
        text: &[u8],
    ) -> Result<Option<Vec<u8>>, JsonProblem> {
        if is_too_deep(text) {
            return Err(JsonProblem::too_deep());
        }
        let mut to = Vec::with_capacity(text.len());
        Ok(self.write(operation, text, &mut to, DEPTH)?.then_some(to))
    }

    /// Writes the text anew. Returns whether it is another one.
    fn write(
        &self,
        operation: Operation,
        text: &[u8],
        to: &mut Vec<u8>,
        depth: usize,
    ) -> Result<bool, JsonProblem> {
        let read = if depth == 0 { None } else { parts(text)? };
        let Some((parts, end)) = read else {
            to.extend_from_slice(text);
            return Ok(false);
        };
        let closing: &[u8] = if text.trim_ascii_start().starts_with(b"{") { b"}" } else { b"]" };
        if text[end..].trim_ascii() != closing {
            return Err(JsonProblem::Unreadable("there is more text after its end".into()));
        }
        let opening = text.len() - text.trim_ascii_start().len() + 1;
        to.extend_from_slice(&text[..opening]);
        let (mut is_first, mut is_changed) = (true, false);
        let is_list = closing == b"]";
        for (place, part) in parts.iter().enumerate() {
            let number = if is_list { place.to_string() } else { String::new() };
            let key = if is_list { &number } else { &part.key };
            let tree = self.of(key);
            let is_kept = match (operation, tree) {
                (Operation::Pick, None) => false,
                (Operation::Pick, Some(tree)) => tree.is_end || is_table(&text[part.value.clone()]),
                (Operation::Drop, Some(tree)) => !tree.is_end,
                (Operation::Rename, _) => !self.takes_name_of(part, &parts),
                (Operation::Drop, None) => true,
            };
            if !is_kept {
                is_changed = true;
                continue;
            }
            if !std::mem::take(&mut is_first) {
                to.push(b',');
            }
            is_changed |= write_part(operation, tree, part, text, to, depth)?;
        }
        to.extend_from_slice(&text[end..]);
        Ok(is_changed)
    }

    /// Whether another field gets the name of this one, which is then left out.
    fn takes_name_of(&self, part: &PartOf, parts: &[PartOf]) -> bool {
        let new = |other: &PartOf| self.of(&other.key).and_then(|tree| tree.name.as_ref());
        !part.key_text.is_empty()
            && new(part).is_none()
            && parts.iter().any(|other| new(other) == Some(&part.key))
    }
}

fn write_part(
    operation: Operation,
    tree: Option<&Tree>,
    part: &PartOf,
    text: &[u8],
    to: &mut Vec<u8>,
    depth: usize,
) -> Result<bool, JsonProblem> {
    let Some(tree) = tree.filter(|tree| !(operation == Operation::Pick && tree.is_end)) else {
        to.extend_from_slice(&text[part.whole.clone()]);
        return Ok(false);
    };
    let mut is_changed = false;
    match tree.name.as_ref().filter(|name| **name != part.key && !part.key_text.is_empty()) {
        None => to.extend_from_slice(&text[part.whole.start..part.value.start]),
        Some(name) => {
            is_changed = true;
            to.extend_from_slice(&text[part.whole.start..part.key_text.start]);
            json_fields::put(to, &name.as_str().into());
            to.extend_from_slice(&text[part.key_text.end..part.value.start]);
        }
    }
    let value = &text[part.value.clone()];
    match tree.inner.is_empty() {
        true => to.extend_from_slice(value),
        false => is_changed |= tree.write(operation, value, to, depth - 1)?,
    }
    to.extend_from_slice(&text[part.value.end..part.whole.end]);
    Ok(is_changed)
}

fn is_table(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    fn applied(operation: Operation, paths: &[&str], text: &str) -> String {
        let mut tree = Tree::default();
        for path in paths {
            let (path, name) = path.split_once('=').map_or((*path, None), |(a, b)| (a, Some(b)));
            tree.add(path, name).unwrap();
        }
        let applied = tree.apply(operation, text.as_bytes()).unwrap();
        applied.map_or("same".into(), |text| String::from_utf8(text).unwrap())
    }

    const TEXT: &str = r#"{ "a" : 1.50, "user":{"name":"Ann", "mail":"x"},"list":[{"x":1,"y":2}, {"x":3}] , "\u0062":null }"#;

    #[test]
    fn fields_are_dropped() {
        let drop = |paths: &[&str]| applied(Operation::Drop, paths, TEXT);
        assert_eq!(drop(&["user.mail", "list", "b"]), r#"{ "a" : 1.50, "user":{"name":"Ann"} }"#);
        assert_eq!(drop(&["a", "list.*.x", "user"]), r#"{"list":[{"y":2}, {}] , "\u0062":null }"#);
        assert_eq!(drop(&["list.0", "none", "a.b"]).matches("\"x\"").count(), 2);
        assert_eq!(drop(&["none", "user.none", "a.b"]), "same");
    }

    #[test]
    fn fields_are_picked() {
        let pick = |paths: &[&str]| applied(Operation::Pick, paths, TEXT);
        assert_eq!(
            pick(&["user.name", "a", "list.1"]),
            r#"{ "a" : 1.50, "user":{"name":"Ann"},"list":[ {"x":3}]  }"#
        );
        assert_eq!(pick(&["none"]), "{ }");
        assert_eq!(pick(&["a.b"]), "{ }", "a number has no field");
        assert_eq!(applied(Operation::Pick, &["a"], r#"{"a":1}"#), "same");
    }

    #[test]
    fn fields_are_renamed() {
        let rename = |paths: &[&str], text: &str| applied(Operation::Rename, paths, text);
        assert_eq!(
            rename(&["a=n \"1\"", "user.name=id"], r#"{"a" :1,"user":{"name":2}}"#),
            r#"{"n \"1\"" :1,"user":{"id":2}}"#
        );
        assert_eq!(rename(&["list.*.x=y"], TEXT).matches(r#"{"y":1}, {"y":3}"#).count(), 1);
        assert_eq!(rename(&["a=b", "b=a"], r#"{"a":1,"b":2}"#), r#"{"b":1,"a":2}"#);
        assert_eq!(rename(&["none=b", "a=a"], r#"{"a":1,"b":2}"#), "same");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let mut tree = Tree::default();
        tree.add("a.b", None).unwrap();
        for text in ["{", r#"{"a":1} x"#, r#"{"a":{"b":}}"#, r#"{a:1}"#] {
            assert!(tree.apply(Operation::Drop, text.as_bytes()).is_err(), "{text}");
        }
        for text in ["12", r#""text""#, ""] {
            assert_eq!(tree.apply(Operation::Drop, text.as_bytes()).ok(), Some(None), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(tree.apply(Operation::Drop, deep.as_bytes()), Err(JsonProblem::too_deep()));
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<i64>().prop_map(Json::from),
            "[a-c\",{}\\[:é ]{0,5}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[a-c\"{:]{1,2}", inner, 0..4)
                    .prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn dropping_is_what_a_parser_would_do(json in any_json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{json:#}") } else { json.to_string() };
            let mut tree = Tree::default();
            tree.add("a", None).unwrap();
            tree.add("b.c", None).unwrap();
            let dropped = tree.apply(Operation::Drop, text.as_bytes()).unwrap();
            let mut wanted = json.clone();
            if let Json::Object(object) = &mut wanted {
                object.remove("a");
                if let Some(Json::Object(inner)) = object.get_mut("b") {
                    inner.remove("c");
                }
            }
            prop_assert_eq!(dropped.is_some(), wanted != json);
            let read: Json = serde_json::from_slice(&dropped.unwrap_or(text.into())).unwrap();
            prop_assert_eq!(read, wanted);
        }
    }
}
