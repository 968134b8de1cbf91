//! Finds every place of a byte at once: how blocks are cut into lines.
//!
//! `memchr` is called anew for each place, and each call mispredicts how long the line is. Here 64
//! bytes become one mask, whose bits are written out without a branch for each.
use memchr::memchr_iter;

/// Appends the places of `byte` in `bytes`, each counted from `base` on.
pub(crate) fn find_all(byte: u8, bytes: &[u8], base: usize, places: &mut Vec<usize>) {
    let mut done = 0;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
    {
        // SAFETY: this machine has the features, as was just seen.
        done = unsafe { find_in_blocks(byte, bytes, base, places) };
    }
    places.extend(memchr_iter(byte, &bytes[done..]).map(|place| base + done + place));
}

/// So many bytes become one mask.
#[cfg(target_arch = "x86_64")]
const BLOCK: usize = 64;
/// So many places of a block are written whether there are as many or not.
#[cfg(target_arch = "x86_64")]
const AT_ONCE: usize = 2;

/// Looks through whole blocks; returns how many bytes those were.
///
/// # Safety
/// The machine has the features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,popcnt")]
unsafe fn find_in_blocks(byte: u8, bytes: &[u8], base: usize, places: &mut Vec<usize>) -> usize {
    use std::arch::x86_64::{
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    };
    // SAFETY: the machine has the features (`# Safety`). Both halves of a block lie within `bytes`.
    // Before places are written there is room for as many as a block can have, and then `len`
    // counts those that were found.
    unsafe {
        let wanted = _mm256_set1_epi8(byte as i8);
        let mut blocks = bytes.chunks_exact(BLOCK);
        let mut from = base;
        for block in &mut blocks {
            let half = |start: usize| {
                let half = _mm256_loadu_si256(block.as_ptr().add(start).cast());
                u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(half, wanted)) as u32)
            };
            let mut mask = half(0) | half(BLOCK / 2) << (BLOCK / 2);
            let count = mask.count_ones() as usize;
            places.reserve(BLOCK);
            let free = places.as_mut_ptr().add(places.len());
            let mut written = 0;
            while written < AT_ONCE || written < count {
                // Of an empty mask this is 64, and is not counted.
                free.add(written).write(from + mask.trailing_zeros() as usize);
                mask &= mask.wrapping_sub(1);
                written += 1;
            }
            places.set_len(places.len() + count);
            from += BLOCK;
        }
        bytes.len() - blocks.remainder().len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(byte: u8, bytes: &[u8], base: usize) -> Vec<usize> {
        let mut places = vec![7];
        find_all(byte, bytes, base, &mut places);
        places
    }

    #[test]
    fn every_place_is_found_in_blocks_of_any_density() {
        assert_eq!(found(b'\n', b"", 3), [7]);
        let all: Vec<_> = [7].into_iter().chain(3..1003).collect();
        assert_eq!(found(b'x', &[b'x'; 1000], 3), all);
        assert_eq!(found(b'y', &[b'x'; 1000], 3), [7]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn places_are_those_of_a_plain_search(
            bytes in prop::collection::vec(prop_oneof![4 => 0u8..4, 1 => any::<u8>()], 0..600),
            byte in 0u8..4,
            base in 0usize..1000,
        ) {
            let plain = bytes.iter().enumerate().filter(|(_, found)| **found == byte);
            let plain: Vec<_> = [7].into_iter().chain(plain.map(|(at, _)| base + at)).collect();
            prop_assert_eq!(found(byte, &bytes, base), plain);
        }
    }
}
