//! Entries of files that are only appended to. Each entry can be checked by itself: a head with a
//! kind, the length, and digests, and then a body.
use super::digest::{digest, fits};

/// The length of a head: the kind, the body's length, the digest of the body, and that of these.
pub(crate) const HEAD: usize = 4 + 4 + 8 + 4;

/// The kind of an entry, as its first bytes: a file's format defines them.
pub(crate) type EntryKind = [u8; 4];

/// The head of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryHead {
    pub(crate) kind: EntryKind,
    /// How long the body is.
    pub(crate) length: usize,
    digest: [u8; 8],
}

impl EntryHead {
    /// The head at the start of these bytes; `None` if it is damaged or incomplete.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, length, digest) = (bytes.get(..4)?, bytes.get(4..8)?, bytes.get(8..16)?);
        if !fits::<4>(bytes.get(16..HEAD)?.try_into().ok()?, &bytes[..16]) {
            return None;
        }
        Some(EntryHead {
            kind: kind.try_into().ok()?,
            length: u32::from_le_bytes(length.try_into().ok()?) as usize,
            digest: digest.try_into().ok()?,
        })
    }

    /// Whether this is the body, undamaged.
    pub(crate) fn is_of(&self, body: &[u8]) -> bool {
        body.len() == self.length && fits(&self.digest, body)
    }
}

/// The entry at the start of these bytes; `None` if it is damaged or incomplete.
pub(crate) fn read(bytes: &[u8]) -> Option<(EntryHead, &[u8])> {
    let head = EntryHead::read(bytes)?;
    let body = bytes.get(HEAD..)?.get(..head.length)?;
    head.is_of(body).then_some((head, body))
}

/// An entry is too large: a body has at most 4 GB.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Makes room for a head at the end of `bytes`; the body is appended next, and then the head filled
/// in by [`seal`]. Returns the start of the entry.
pub(crate) fn begin(bytes: &mut Vec<u8>) -> usize {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEAD]);
    start
}

/// Fills in the head of an entry: `bytes` is all of it.
pub(crate) fn seal(bytes: &mut [u8], kind: EntryKind) -> Result<(), TooLarge> {
    let (head, body) = bytes.split_at_mut(HEAD);
    let length = u32::try_from(body.len()).map_err(|_| TooLarge)?;
    head[..4].copy_from_slice(&kind);
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[8..16].copy_from_slice(&digest::<8>(body));
    let of_these = digest::<4>(&head[..16]);
    head[16..].copy_from_slice(&of_these);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_or_a_missing_byte_is_found() {
        let mut bytes = Vec::new();
        let start = begin(&mut bytes);
        bytes.extend_from_slice(b"a body");
        seal(&mut bytes[start..], *b"MARK").unwrap();
        let (head, body) = read(&bytes).unwrap();
        assert_eq!((head.kind, head.length, body), (*b"MARK", 6, &b"a body"[..]));
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_none());
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(read(&flipped).is_none(), "bit {bit} of byte {at}");
            }
        }
        bytes.extend_from_slice(b"more");
        assert!(read(&bytes).is_some(), "the next entry may follow");
    }
}
