//! Tells the reasons of failures apart.
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
};

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
    /// A message, for good.
    Last,
    /// A message that will be tried again.
    Retried,
    /// The start of the component, which will be tried again.
    Start,
    /// The component's timer, which will be tried again.
    Timer,
    /// Room for messages, which were dropped.
    Room,
}

impl Attempt {
    pub(super) fn is_retried(self) -> bool {
        !matches!(self, Attempt::Last | Attempt::Room)
    }
}

/// The reasons that are told apart, by their keys.
#[derive(Default)]
pub(super) struct Reasons {
    pub(super) by_key: HashMap<u64, Reason>,
    /// The failure before, and its key: most failures are like the one before.
    last: Option<(i32, Attempt, String, u64)>,
}

impl Reasons {
    pub(super) fn key(&mut self, status: i32, attempt: Attempt, description: &str) -> u64 {
        match &self.last {
            Some((of, at, said, key)) if (*of, *at, &**said) == (status, attempt, description) => {
                *key
            }
            _ => {
                let key = key(status, attempt, description);
                self.last = Some((status, attempt, description.to_owned(), key));
                key
            }
        }
    }
}

/// Failures that are reported together.
pub(super) struct Reason {
    pub(super) status: i32,
    /// Of the last one.
    pub(super) description: String,
    pub(super) attempt: Attempt,
    /// When the first one came, and how many have come since.
    pub(super) since: i64,
    pub(super) total: u64,
    /// How many of them are not in the log yet, and when they will be.
    pub(super) unsaid: u64,
    pub(super) until: i64,
    /// When operators were last shown an occurrence.
    pub(super) shown: i64,
    /// [`Failures::recoveries`] when its window began.
    pub(super) recoveries: u64,
    /// An attempt has succeeded since the last failure.
    pub(super) has_recovered: bool,
    /// A recovery was reported in this window.
    pub(super) told_recovery: bool,
}

/// Tells reasons apart: by the status, and by the description without the numbers and quoted texts
/// in it, which differ from message to message.
pub(super) fn key(status: i32, attempt: Attempt, description: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_i32(status);
    hasher.write_u8(attempt as u8);
    let bytes = description.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let is_quote = matches!(bytes[at], b'\'' | b'"' | b'`')
            && !at.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric());
        let quoted = is_quote.then(|| memchr::memchr(bytes[at], &bytes[at + 1..])).flatten();
        let differs = quoted.map_or(usize::from(bytes[at].is_ascii_digit()), |end| end + 2);
        if differs > 0 && from < at {
            hasher.write(&bytes[from..at]);
        }
        at += differs.max(1);
        if differs > 0 {
            from = at;
        }
    }
    hasher.write(&bytes[from..]);
    hasher.finish()
}
