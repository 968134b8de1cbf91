//! `trust`: whose components are loaded.
use std::path::Path;

use gopiper_core::loader::{Trust, Unsigned, trusted_key};
use mlua::{Table, Value};

use super::{call::ModuleCall, made::Made, table::shown};

const UNSIGNED: [(&str, Unsigned); 3] =
    [("allow", Unsigned::Allow), ("warn", Unsigned::Warn), ("refuse", Unsigned::Refuse)];

/// Takes the operator's keys, for the components that are loaded from here on.
pub(super) fn trust(call: &ModuleCall<'_>, directory: &Path, options: Value) {
    let problems = || call.lua.app_data_ref::<Made>().map_or(0, |made| made.notes.len());
    let before = problems();
    let mut given = call.options(1, options);
    let unsigned = given.one_of("unsigned", &UNSIGNED);
    let list: Option<Table> = given.take("trusted_keys", "a list of keys");
    let mut keys = Vec::new();
    for (place, key) in list.iter().flat_map(Table::pairs::<Value, Value>).flatten() {
        let path = format!("trusted_keys[{}]", place.to_string().unwrap_or_default());
        let key = match key.as_string() {
            Some(key) => trusted_key(&key.to_string_lossy(), directory),
            None => Err(format!("expected a key, or the file with it, not {}", shown(&key))),
        };
        match key {
            Ok(key) => keys.push(key),
            Err(error) => given.wrong(&path, format!("option {path}: {error}")),
        }
    }
    given.finish();
    let is_wrong = problems() > before;
    let Some(mut made) = call.lua.app_data_mut::<Made>() else { return };
    let is_late = !made.components.is_empty();
    made.trust = Trust::new(unsigned, keys);
    made.trust_is_wrong |= is_wrong;
    drop(made);
    if is_late {
        call.wrong(0, "", "trust: call it before the first loadComponent");
    }
}
