//! Texts on their way between C and Rust.
use std::{
    borrow::Cow,
    ffi::{CStr, CString, OsStr, c_char},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use gopiper_abi::{DeclaredAttributes, Map, export};
use serde_json::Value as Json;

/// A text of C's; `None` for NULL. Bytes that are not UTF-8 are replaced.
///
/// # Safety
/// `text` is NULL, or ends with a NUL, and stays as it is for as long as the result is used.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Option<Cow<'a, str>> {
    // SAFETY: `text` is not NULL, so it ends with a NUL, and stays as it is (`# Safety`).
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy())
}

/// A path of C's, whatever bytes it has.
///
/// # Safety
/// `path` ends with a NUL, and stays as it is for as long as the result is used.
pub(crate) unsafe fn path<'a>(path: *const c_char) -> &'a Path {
    // SAFETY: `path` ends with a NUL, and stays as it is (`# Safety`).
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()))
}

/// For C, which ends a text at its first NUL.
pub(crate) fn for_c(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// The content of a JSON object; empty for no text. `what` names the object in an error.
pub(crate) fn object(json: Option<Cow<'_, str>>, what: &str) -> Result<Map, String> {
    let Some(json) = json else { return Ok(Map::default()) };
    match serde_json::from_str(&json) {
        Ok(Json::Object(all)) => {
            Ok(all.iter().map(|(key, value)| (key, export::from_json(value))).collect())
        }
        Ok(other) => Err(format!("{what} must be a JSON object (it is {other})")),
        Err(error) => Err(format!("{what} cannot be read as JSON: {error}")),
    }
}

/// Options declared like a component's attributes, so that their errors read alike.
pub(crate) fn options<O: DeclaredAttributes>(json: Option<Cow<'_, str>>) -> Result<O, Vec<String>> {
    let options = object(json, "the options").map_err(|error| vec![error])?;
    export::read(&options).map_err(|errors| {
        errors
            .iter()
            .map(|error| format!("option {}: {}", error.attribute, error.message))
            .collect()
    })
}
