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
