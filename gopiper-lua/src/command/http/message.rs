//! Parts of messages in JSON, without secrets.
use base64::{Engine, prelude::BASE64_STANDARD};
use gopiper_core::secrets::{redact, redact_bytes};
use serde_json::{Map, Value, json};

use crate::command::bytes::drop_cut_character;

/// The first bytes of a message of this length, without secrets. A secret that is cut off at their
/// end is hidden, too.
pub(super) fn shown(copied: &[u8], length: usize) -> Vec<u8> {
    let mut data = copied.to_vec();
    if length > data.len() {
        drop_cut_character(&mut data);
        data.extend_from_slice("…".as_bytes());
    }
    redact_bytes(&data).into_owned()
}

/// Adds the bytes of a message to an object: as text if possible, otherwise as base64.
pub(super) fn add_data(object: &mut Map<String, Value>, data: Vec<u8>) {
    let (name, value) = match String::from_utf8(data) {
        Ok(text) => ("data", text),
        Err(bytes) => ("data_base64", BASE64_STANDARD.encode(bytes.as_bytes())),
    };
    object.insert(name.into(), value.into());
}

/// An attribute: as a JSON value if there is one for its type, otherwise as text.
pub(super) fn attribute(value: &gopiper_abi::Value) -> Value {
    let number = || value.as_f64().map(|number| json!(number));
    let whole = || value.as_i64().map(|number| json!(number));
    let large = || value.as_u64().map(|number| json!(number));
    let text = || value.as_str().map(|text| json!(redact(text)));
    let flag = value.as_bool().map(|flag| json!(flag));
    let simple = flag.or_else(whole).or_else(large).or_else(number).or_else(text);
    simple.unwrap_or_else(|| json!(redact(&format!("{value:?}"))))
}

/// Cuts a text that has more bytes than this, at a whole character. Returns whether it was cut.
pub(super) fn cut(text: &mut String, most: usize) -> bool {
    let is_longer = text.len() > most;
    if is_longer {
        let whole = (0..=most).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(whole.unwrap_or(0));
        text.push('…');
    }
    is_longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = "naïve".to_owned();
        assert!(!cut(&mut text, 6));
        assert!(cut(&mut text, 3));
        assert_eq!(text, "na…");
    }
}
