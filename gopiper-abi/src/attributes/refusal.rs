//! Errors of attributes, in an operator's terms.
use serde_json::Value as Json;
use serde_path_to_error::Segment;

use super::schema::{Schema, type_in_words};
use crate::{nearest::did_you_mean, raw::RawError};

/// The greatest length of a value that is shown.
const SHOWN: usize = 100;

/// Turns an error of serde, at a place in the attributes, into one that an operator can read.
pub(crate) fn refusal(
    path: &mut Vec<Segment>,
    message: &str,
    attributes: &Json,
    schema: Schema<'_>,
) -> RawError {
    let message = if let Some(field) = quoted(message, "missing field ") {
        path.push(Segment::Map { key: field.to_owned() });
        match schema_at(schema, path).map_or("", Schema::description) {
            "" => "is required".into(),
            doc => format!("is required: {}", first_sentence(doc)),
        }
    } else if let Some(field) = quoted(message, "unknown field ") {
        // The path leads to the field or to what it is in.
        if path.last().and_then(key) != Some(field) {
            path.push(Segment::Map { key: field.to_owned() });
        }
        match message.rsplit_once(", expected ") {
            Some((_, known)) => {
                let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
                let meant = did_you_mean(field, &known);
                format!("does not exist{meant}\nthe attributes are: '{}'", known.join("', '"))
            }
            None => "does not exist\nthere are no attributes".into(),
        }
    } else {
        let choices = choices(schema, path);
        let value = path.iter().try_fold(attributes, |at, segment| match segment {
            Segment::Seq { index } => at.get(index),
            other => at.get(key(other)?),
        });
        let meant = match (value.and_then(Json::as_str), &choices) {
            (Some(text), Some(choices)) => did_you_mean(text, choices),
            _ => String::new(),
        };
        let said = expected(message, choices.as_deref());
        match value.filter(|_| !path.is_empty()) {
            Some(value) => format!("{said} (it is {}){meant}", shown(value)),
            None => said,
        }
    };
    RawError::new(written(path), message)
}

/// The first sentence of a doc comment, which may go over several of its lines.
fn first_sentence(doc: &str) -> String {
    let paragraph = doc.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    match paragraph.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => paragraph,
    }
}

/// The name in backquotes after `before`.
fn quoted<'m>(message: &'m str, before: &str) -> Option<&'m str> {
    Some(message.strip_prefix(before)?.strip_prefix('`')?.split_once('`')?.0)
}

fn key(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Map { key } => Some(key),
        Segment::Enum { variant } => Some(variant),
        Segment::Seq { .. } | Segment::Unknown => None,
    }
}

/// A path in Lua's form: places in lists count from 1.
fn written(path: &[Segment]) -> String {
    let mut written = String::new();
    for segment in path {
        match (segment, written.as_str()) {
            (Segment::Seq { index }, _) => written += &format!("[{}]", index + 1),
            (other, "") => written += key(other).unwrap_or("?"),
            (other, _) => written = format!("{written}.{}", key(other).unwrap_or("?")),
        }
    }
    written
}

fn shown(value: &Json) -> String {
    let whole = value.to_string();
    match whole.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

/// The part of the schema that describes the attribute at `path`.
fn schema_at<'s>(schema: Schema<'s>, path: &[Segment]) -> Option<Schema<'s>> {
    path.iter().try_fold(schema, |at, segment| match segment {
        Segment::Seq { .. } => at.items(),
        other => at.property(key(other)?),
    })
}

/// A valid value for the attribute at `path`, as far as the schema tells; empty for one that does
/// not exist.
pub(crate) fn placeholder(schema: Schema<'_>, path: &[Segment]) -> Option<Json> {
    let part = schema_at(schema, path)?;
    if let Some(default) = part.default() {
        return Some(default.clone());
    }
    let types = part.types();
    if types.contains(&"null") {
        return Some(Json::Null);
    }
    if let Some((constant, _)) = part.constants().first() {
        return Some((*constant).clone());
    }
    Some(match types.first() {
        Some(&("integer" | "number")) => part.minimum().cloned().unwrap_or(0.into()),
        Some(&"string") => "".into(),
        Some(&"boolean") => false.into(),
        Some(&"array") => Json::Array(Vec::new()),
        Some(&"object") => Json::Object(Default::default()),
        _ => Json::Null,
    })
}

/// The allowed texts of an attribute that takes one of several.
fn choices<'s>(schema: Schema<'s>, path: &[Segment]) -> Option<Vec<&'s str>> {
    let constants = schema_at(schema, path)?.constants();
    let choices = constants.iter().map(|(value, _)| value.as_str()).collect::<Option<Vec<_>>>();
    choices.filter(|choices| !choices.is_empty())
}

/// The expected value if serde names it; otherwise the text of serde.
fn expected(message: &str, choices: Option<&[&str]>) -> String {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if kinds.iter().any(|kind| found.starts_with(kind)) => {
            match choices {
                Some(choices) => format!("must be one of '{}'", choices.join("', '")),
                None => format!("must be {}", in_words(expected)),
            }
        }
        _ => message.to_owned(),
    }
}

/// A type of serde, in an operator's terms.
fn in_words(expected: &str) -> String {
    let (least, number) = match expected.strip_prefix("a nonzero ") {
        Some(number) => (1, number),
        None => (0, expected),
    };
    match number {
        "u8" => format!("a whole number from {least} to {}", u8::MAX),
        "u16" => format!("a whole number from {least} to {}", u16::MAX),
        "u32" => format!("a whole number from {least} to {}", u32::MAX),
        "u64" | "usize" => format!("a whole number, {least} or more"),
        "i8" => format!("a whole number from {} to {}", i8::MIN, i8::MAX),
        "i16" => format!("a whole number from {} to {}", i16::MIN, i16::MAX),
        "i32" => format!("a whole number from {} to {}", i32::MIN, i32::MAX),
        "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => type_in_words("number").into(),
        "a boolean" => type_in_words("boolean").into(),
        "a string" | "a borrowed string" | "path string" => type_in_words("string").into(),
        "a character" => "a string of one character".into(),
        "a sequence" => type_in_words("array").into(),
        "a map" => type_in_words("object").into(),
        "string or map" => "a string or a table".into(),
        _ if number.starts_with("struct ") => "a table".into(),
        _ if number.starts_with("an array of length ")
            || number.starts_with("a tuple of size ") =>
        {
            format!("a list of {}", number.rsplit(' ').next().unwrap_or_default())
        }
        _ => number.replace('`', "'"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, num::NonZeroU16};

    use super::*;
    use crate::{
        attributes::read,
        raw::{Map, Value},
    };

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Attributes {
        /// Its place.
        ///
        /// Anywhere.
        path: String,
        size: Option<u32>,
        #[serde(default)]
        port: Option<NonZeroU16>,
        #[serde(default)]
        ratio: f64,
        #[serde(default)]
        flag: bool,
        #[serde(default)]
        modes: Vec<Mode>,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        pair: Option<(u8, u8)>,
        #[serde(default)]
        count: u64,
        #[serde(default)]
        names: HashMap<String, i64>,
        #[serde(default)]
        plain: Option<Plain>,
    }

    impl crate::DeclaredAttributes for Attributes {}

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        /// To read.
        Read,
        /// To read and write.
        ReadWrite,
    }

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    enum Plain {
        One,
        Two,
    }

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        /// What it is called,
        /// by everybody. Or nearly.
        name: String,
    }

    /// The error for one attribute set beside `path`.
    fn said(key: &str, value: impl Into<Value>) -> String {
        let mut map = Map::from_iter([("path", "a")]);
        map.insert(key, value);
        let errors = read::<Attributes>(&map).unwrap_err();
        let [RawError { attribute, message, .. }] = &errors[..] else { panic!("{errors:?}") };
        format!("{attribute} {message}")
    }

    fn list(values: impl IntoIterator<Item = &'static str>) -> Value {
        Value::from(values.into_iter().map(Value::from).collect::<Vec<_>>())
    }

    #[test]
    fn missing_attributes_are_named_with_their_documentation() {
        let RawError { attribute, message, .. } =
            &read::<Attributes>(&Map::default()).unwrap_err()[0];
        assert_eq!((&attribute[..], &message[..]), ("path", "is required: Its place."));
        assert_eq!(
            said("inner", Map::default()),
            "inner.name is required: What it is called, by everybody."
        );
    }

    #[test]
    fn unknown_attributes_are_named_with_the_known_ones() {
        let said_of = said("pth", "b");
        assert!(
            said_of.starts_with(
                "pth does not exist; did you mean 'path'?\nthe attributes are: 'path', 'size', "
            ),
            "{said_of}"
        );
        let inner = Map::from_iter([("name", "a"), ("nome", "b")]);
        assert_eq!(
            said("inner", inner),
            "inner.nome does not exist; did you mean 'name'?\nthe attributes are: 'name'"
        );
        let map = Map::from_iter([("path", "a")]);
        let error = &read::<crate::NoAttributes>(&map).unwrap_err()[0];
        assert_eq!(
            (&error.attribute[..], &error.message[..]),
            ("path", "does not exist\nthere are no attributes")
        );
    }

    #[test]
    fn types_are_said_in_an_operators_words() {
        let whole = "must be a whole number from";
        assert_eq!(said("size", "x"), format!("size {whole} 0 to 4294967295 (it is \"x\")"));
        assert_eq!(said("size", -1i64), format!("size {whole} 0 to 4294967295 (it is -1)"));
        assert_eq!(said("size", 1.5), format!("size {whole} 0 to 4294967295 (it is 1.5)"));
        assert_eq!(said("port", 0i64), format!("port {whole} 1 to 65535 (it is 0)"));
        assert_eq!(said("count", -1i64), "count must be a whole number, 0 or more (it is -1)");
        assert_eq!(said("ratio", "x"), "ratio must be a number (it is \"x\")");
        assert_eq!(said("flag", 1i64), "flag must be true or false (it is 1)");
        assert_eq!(said("path", 7i64), "path must be a string (it is 7)");
        assert_eq!(said("modes", "x"), "modes must be a list (it is \"x\")");
        assert_eq!(said("inner", 7i64), "inner must be a table (it is 7)");
        assert_eq!(said("pair", list(["x"])), format!("pair[1] {whole} 0 to 255 (it is \"x\")"));
        assert_eq!(
            said("names", Map::from_iter([("a", "b")])),
            "names.a must be a whole number (it is \"b\")"
        );
        let long = said("ratio", "x".repeat(200));
        assert!(long.ends_with("xxx…)") && long.len() < 150, "{long}");
    }

    #[test]
    fn one_of_several_texts_is_said_with_all_of_them() {
        let choices = "must be one of 'read', 'read_write'";
        let refused = said("modes", list(["read", "rwad"]));
        assert_eq!(refused, format!("modes[2] {choices} (it is \"rwad\"); did you mean 'read'?"));
        let refused = said("modes", Value::from(vec![Value::from(7i64)]));
        assert_eq!(refused, format!("modes[1] {choices} (it is 7)"));
        assert_eq!(said("plain", "Three"), "plain must be one of 'One', 'Two' (it is \"Three\")");
    }
}
