//! Short digests, which detect damage but not malice.
use twox_hash::XxHash3_64;

/// The digest of these bytes, of at most 8 bytes.
pub(crate) fn digest<const N: usize>(bytes: &[u8]) -> [u8; N] {
    first(&XxHash3_64::oneshot(bytes).to_le_bytes())
}

/// Whether a digest is that of these bytes: one of a gopiper before 0.1 is a part of BLAKE3.
pub(crate) fn fits<const N: usize>(digest: &[u8; N], bytes: &[u8]) -> bool {
    *digest == self::digest(bytes) || *digest == first(blake3::hash(bytes).as_bytes())
}

fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut short = [0; N];
    short.copy_from_slice(&digest[..N]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_now_and_before_fit() {
        let before: [u8; 8] = [0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6];
        assert!(fits(&before, b""), "the beginning of BLAKE3 of nothing");
        // Files have these: XXH3 of nothing, by its specification.
        assert_eq!(digest::<8>(b""), 0x2d06_8005_38d3_94c2_u64.to_le_bytes());
        assert!(fits(&digest::<8>(b"bytes"), b"bytes"));
        assert!(!fits(&digest::<8>(b"bytes"), b"Bytes") && !fits(&before, b"Bytes"));
    }
}
