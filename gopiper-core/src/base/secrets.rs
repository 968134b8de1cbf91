//! Texts that are never shown.
use std::borrow::Cow;

use parking_lot::RwLock;

/// The replacement for a secret.
pub const SHOWN: &str = "(secret)";
/// A shorter text occurs in too much that is not secret.
pub const MIN_LENGTH: usize = 4;

/// All secrets of the process, the longest first, each unchanged and as logs escape it.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Hides the text, and each of its lines, from now on.
pub fn keep(secret: &str) {
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= MIN_LENGTH);
    let mut texts: Vec<String> = std::iter::once(secret).chain(lines).map(str::to_owned).collect();
    // Twice: text that is escaped in an error is escaped again in a JSON log.
    for _ in 0..2 {
        for text in texts.clone() {
            let (json, debug) = (serde_json::Value::from(&*text).to_string(), format!("{text:?}"));
            texts.extend([json, debug].map(|quoted| quoted[1..quoted.len() - 1].to_owned()));
        }
        texts.sort();
        texts.dedup();
    }
    let mut secrets = SECRETS.write();
    texts.retain(|text| text.len() >= MIN_LENGTH && !secrets.contains(text));
    secrets.extend(texts);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// A text without its secrets. Everything that the program shows passes through here.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut redacted = Cow::Borrowed(text);
    for secret in SECRETS.read().iter() {
        if redacted.contains(secret.as_str()) {
            redacted = Cow::Owned(redacted.replace(secret.as_str(), SHOWN));
        }
        if let Some(begun) = cut_off(&redacted, secret) {
            redacted = Cow::Owned(redacted.replace(&begun, &format!("{SHOWN}…")));
        }
    }
    redacted
}

/// As [`redact`], for bytes that need not be text.
pub fn redact_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(bytes) {
        Ok(text) => match redact(text) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(redacted) => Cow::Owned(redacted.into_bytes()),
        },
        Err(_) => {
            let mut redacted = Cow::Borrowed(bytes);
            for secret in SECRETS.read().iter() {
                let found: Vec<_> =
                    memchr::memmem::find_iter(&redacted, secret.as_bytes()).collect();
                // Backwards, so that the places of the others stay the same.
                for at in found.into_iter().rev() {
                    redacted.to_mut().splice(at..at + secret.len(), SHOWN.bytes());
                }
            }
            redacted
        }
    }
}

/// The beginning of a secret that a text shows, with the mark of a cut after it.
fn cut_off(text: &str, secret: &str) -> Option<String> {
    if !text.contains('…') {
        return None;
    }
    let ends = secret.char_indices().map(|(at, _)| at).filter(|at| *at >= MIN_LENGTH);
    let begun = ends.rev().map(|end| format!("{}…", &secret[..end]));
    begun.into_iter().find(|begun| text.contains(begun.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        keep("tok\"en-1\nsecond line");
        let escaped = serde_json::json!({ "error": "it is tok\"en-1\nsecond line" }).to_string();
        for text in [
            "x tok\"en-1\nsecond line y",
            "only the second line",
            &escaped,
            &format!("{:?}", "tok\"en-1\nsecond line"),
            &serde_json::json!(escaped).to_string(),
            "it is tok\"en-1\nsec…",
        ] {
            let redacted = redact(text);
            assert!(redacted.contains(SHOWN), "{redacted}");
            assert!(!redacted.contains("en-1") && !redacted.contains("\nsec"), "{redacted}");
        }
        assert!(matches!(redact("nothing of it"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_secret_is_found_between_bytes_that_are_no_text() {
        keep("hidden-word");
        assert_eq!(&*redact_bytes(b"\xffhidden-word\xfe"), b"\xff(secret)\xfe");
        assert_eq!(&*redact_bytes(b"a hidden-word"), b"a (secret)");
        assert!(matches!(redact_bytes(b"\xff"), Cow::Borrowed(_)));
    }
}
