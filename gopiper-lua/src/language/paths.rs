//! Paths in a component's attributes: relative ones start at a folder, which goes with them.
use std::{os::unix::ffi::OsStrExt, path::Path};

use gopiper_abi::{Map, Payload, Value, ValueTag, schema::Schema};

/// The attributes with this folder for each path among them. `schema` is called only if there may
/// be one.
pub(crate) fn start_at(folder: &Path, attributes: Map, schema: impl FnOnce() -> String) -> Map {
    let has_text = attributes.iter().any(|(_, value)| has_text(value));
    let schema = if has_text { schema() } else { return attributes };
    match serde_json::from_str(&schema) {
        Ok(schema) => map_at(folder, &attributes, Schema::new(&schema)),
        // The component reports that itself, as far as it matters.
        Err(_) => attributes,
    }
}

fn has_text(value: &Value) -> bool {
    match value.tag() {
        ValueTag::STRING => true,
        ValueTag::LIST => value.as_list().unwrap_or_default().iter().any(has_text),
        ValueTag::MAP => value.as_map().is_some_and(|map| map.iter().any(|(_, it)| has_text(it))),
        _ => false,
    }
}

fn map_at(folder: &Path, map: &Map, schema: Schema<'_>) -> Map {
    let placed = map.iter().map(|(name, value)| match schema.property(name) {
        Some(schema) => (name, value_at(folder, value, schema)),
        None => (name, value.clone()),
    });
    placed.collect()
}

fn value_at(folder: &Path, value: &Value, schema: Schema<'_>) -> Value {
    match value.tag() {
        ValueTag::STRING if schema.is_path() => {
            let folder = match folder.to_str() {
                Some(text) => text.into(),
                None => Payload::from(folder.as_os_str().as_bytes().to_vec()).into(),
            };
            [("folder", folder), ("path", value.clone())].into_iter().collect::<Map>().into()
        }
        ValueTag::LIST => match schema.items() {
            Some(schema) => {
                let items = value.as_list().unwrap_or_default().iter();
                items.map(|item| value_at(folder, item, schema)).collect::<Vec<_>>().into()
            }
            None => value.clone(),
        },
        ValueTag::MAP => match value.as_map() {
            Some(map) => map_at(folder, map, schema).into(),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "properties": {
            "path": { "type": ["string", "null"], "format": "path" },
            "paths": { "type": "array", "items": { "$ref": "#/$defs/Path" } },
            "files": { "type": "array", "items": { "properties": { "at": { "$ref": "#/$defs/Path" } } } },
            "word": { "type": "string" }
        },
        "$defs": { "Path": { "type": "string", "format": "path" } }
    }"##;

    #[test]
    fn every_path_gets_the_folder_and_nothing_else_does() {
        let placed = |path: &str| {
            let parts = [("folder", Value::from("/of")), ("path", path.into())];
            Value::from(parts.into_iter().collect::<Map>())
        };
        let file = |at: Value| Value::from([("at", at)].into_iter().collect::<Map>());
        let attributes = |path: &dyn Fn(&str) -> Value| -> Map {
            [
                ("path", path("a")),
                ("paths", vec![path("b"), 7.into()].into()),
                ("files", vec![file(path("c"))].into()),
                ("word", "d".into()),
                ("unknown", "e".into()),
            ]
            .into_iter()
            .collect()
        };
        let given = attributes(&|path| path.into());
        let read = start_at(Path::new("/of"), given, || SCHEMA.to_owned());
        assert_eq!(Value::from(read), Value::from(attributes(&placed)));
    }

    #[test]
    fn without_text_the_schema_is_not_asked_for() {
        let given: Map = [("count", Value::from(7))].into_iter().collect();
        let read = start_at(Path::new("/of"), given.clone(), || unreachable!("no text"));
        assert_eq!(Value::from(read), Value::from(given));
    }
}
