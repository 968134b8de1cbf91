//! Texts that are never shown.
use std::borrow::Cow;

use memchr::{memchr_iter, memmem};
use parking_lot::RwLock;

/// The replacement for a secret.
pub const SHOWN: &str = "(secret)";
/// A shorter text occurs in too much that is not secret.
pub const MIN_LENGTH: usize = 4;
/// The mark at the end of a text that is cut off.
const CUT: &str = "…";

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
    match redact_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // Whole characters were replaced, so it is still text.
        Cow::Owned(bytes) => {
            Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|_| SHOWN.to_owned()))
        }
    }
}

/// The beginning of a text, without secrets. It is cut last, so that no part of a secret is left.
pub(crate) fn redact_beginning(text: &str, characters: usize) -> String {
    let whole = redact(text);
    match whole.char_indices().nth(characters) {
        None => whole.into_owned(),
        Some((end, _)) => format!("{}{CUT}", &whole[..end]),
    }
}

/// As [`redact`], for bytes that need not be text.
pub fn redact_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut redacted = Cow::Borrowed(bytes);
    for secret in SECRETS.read().iter() {
        let secret = secret.as_bytes();
        let found: Vec<_> = memmem::find_iter(&redacted, secret).collect();
        // Backwards, so that the places of the others stay the same.
        for at in found.into_iter().rev() {
            redacted.to_mut().splice(at..at + secret.len(), SHOWN.bytes());
        }
        let mut end = redacted.len();
        while let Some(mark) = memmem::rfind(&redacted[..end], CUT.as_bytes()) {
            end = mark;
            if let Some(at) = cut_off(&redacted[..mark], secret) {
                redacted.to_mut().splice(at..mark, SHOWN.bytes());
                end = at;
            }
        }
    }
    redacted
}

/// Where the beginning of a secret starts that these bytes end with. The mark of a cut comes after
/// them.
fn cut_off(bytes: &[u8], secret: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(secret.len() - 1);
    let mut starts = memchr_iter(secret[0], &bytes[from..]).map(|at| from + at);
    starts.find(|at| bytes.len() - at >= MIN_LENGTH && secret.starts_with(&bytes[*at..]))
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

    #[test]
    fn a_secret_that_is_cut_off_is_found_in_bytes_and_each_time() {
        keep("verdeckt-wörtlich");
        let shown = |text: &[&[u8]]| redact_bytes(&text.concat()).into_owned();
        let mark = CUT.as_bytes();
        assert_eq!(shown(&[b"\xff verdeckt-w", mark]), [b"\xff (secret)", mark].concat());
        let within_a_character = &"verdeckt-wö".as_bytes()[.."verdeckt-w".len() + 1];
        assert_eq!(shown(&[b"\xff", within_a_character, mark]), [b"\xff(secret)", mark].concat());
        assert_eq!(redact("verde… and verdeckt-wör…"), "(secret)… and (secret)…");
        assert_eq!(redact("ver… verdeckt… verdeck"), "ver… (secret)… verdeck");
        assert_eq!(redact_beginning("is verdeckt-wörtlich", 6), "is (se…");
    }
}
