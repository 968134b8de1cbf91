//! Bytes as text.
use std::fmt::Write as _;

/// Bytes as hexadecimal numbers.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Removes a character at the end that was cut, if these are the first bytes of a text.
pub(crate) fn drop_cut_character(data: &mut Vec<u8>) {
    let whole = std::str::from_utf8(data).map_or_else(|error| error.valid_up_to(), str::len);
    // A character has at most four bytes: what is longer is no text.
    if whole + 4 > data.len() {
        data.truncate(whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_whole_or_gone() {
        for (cut, kept) in [
            (&b"caf\xc3\xa9"[..], &b"caf\xc3\xa9"[..]),
            (b"caf\xc3", b"caf"),
            (b"\xf0\x9f\x98", b""),
            (b"\xff binary", b"\xff binary"),
        ] {
            let mut data = cut.to_vec();
            drop_cut_character(&mut data);
            assert_eq!(data, kept);
        }
        assert_eq!(hex(b"\x00\xff"), "00ff");
    }
}
