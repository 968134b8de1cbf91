//! The last bytes that were read of a file: other content that begins the same differs there.
use std::{fs::File, io};

use crate::files::identity::{HEAD, bytes_at};

/// The number of bytes kept of a file that does not grow.
const SMALL: usize = 256;

/// The bytes before a place of a file, as many as are kept.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    end: u64,
}

impl Tail {
    /// Reads the bytes that lie there in the file.
    pub(crate) fn at(file: &File, end: u64) -> io::Result<Self> {
        let length = (HEAD as u64).min(end);
        Ok(Tail { bytes: bytes_at(file, end - length, length as usize)?, end })
    }

    /// Whether it lies there still.
    pub(crate) fn fits(&self, file: &File) -> io::Result<bool> {
        let start = self.end - self.bytes.len() as u64;
        Ok(self.bytes.is_empty() || bytes_at(file, start, self.bytes.len())? == self.bytes)
    }

    /// These bytes were read at `place`.
    pub(crate) fn read(&mut self, place: u64, bytes: &[u8]) {
        let kept = self.before(place).len();
        self.bytes.truncate(kept);
        let last = &bytes[bytes.len().saturating_sub(HEAD)..];
        let too_many = (self.bytes.len() + last.len()).saturating_sub(HEAD);
        self.bytes.drain(..too_many.min(self.bytes.len()));
        self.bytes.extend_from_slice(last);
        self.end = place + bytes.len() as u64;
    }

    /// The bytes kept from before `place`.
    pub(crate) fn before(&self, place: u64) -> &[u8] {
        let behind = self.end.saturating_sub(place).min(self.bytes.len() as u64);
        if place > self.end { &[] } else { &self.bytes[..self.bytes.len() - behind as usize] }
    }

    /// Nothing comes just now: takes less memory.
    pub(crate) fn rest(&mut self) {
        self.bytes.drain(..self.bytes.len().saturating_sub(SMALL));
        self.bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_last_that_was_read() {
        let mut tail = Tail::default();
        tail.read(0, b"abc");
        tail.read(3, b"def");
        assert_eq!(
            (tail.before(6), tail.before(4), tail.before(0)),
            (&b"abcdef"[..], &b"abcd"[..], &b""[..])
        );
        tail.read(2, b"xy");
        assert_eq!((tail.before(4), tail.before(9)), (&b"abxy"[..], &b""[..]));
        tail.read(100, &[b'z'; HEAD + 5]);
        assert_eq!(tail.before(105 + HEAD as u64), [b'z'; HEAD]);
        tail.read(105 + HEAD as u64, b"!");
        assert_eq!(tail.before(106 + HEAD as u64).len(), HEAD);
        assert!(tail.before(106 + HEAD as u64).ends_with(b"z!"));
        tail.rest();
        assert_eq!(tail.before(106 + HEAD as u64).len(), SMALL);
    }
}
