//! The unfinished blocks of a disk buffer, read by the description of the format
//! (`gopiper-core/src/buffer/record.rs`): segments hold much that was finished long ago.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::disk::files_in;

const MAGIC: &[u8] = b"GPBUFF\0\x01";
const BLOCK: &[u8] = b"\xd1GBB";
const STATE: &[u8] = b"\xd1GBS";
const FINISHED: &[u8] = b"\xd1GBF";
/// The length of an entry's head: the mark, the length of the body, digests.
const HEAD: usize = 20;

type Segments = BTreeMap<u64, Vec<u8>>;

/// Numbers of 8 bytes, from the front of a body.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Result<u64> {
        let (first, rest) = self.0.split_first_chunk().context("a number is missing")?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    fn several<const N: usize>(&mut self) -> Result<[u64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.next()?;
        }
        Ok(numbers)
    }
}

/// The entries of a segment from an offset on: where each ends, its mark, its body. A torn one at
/// the end is left out.
fn entries(segment: &[u8], mut at: usize) -> impl Iterator<Item = (usize, &[u8], &[u8])> {
    std::iter::from_fn(move || {
        let head = segment.get(at..at + HEAD)?;
        let length = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
        let body = segment.get(at + HEAD..at + HEAD + length)?;
        at += HEAD + length;
        Some((at, &head[..4], body))
    })
}

/// The unfinished blocks in a folder, as they were written: the payloads are in them as they are.
pub(super) fn blocks(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut segments = Segments::new();
    for file in files_in(folder)? {
        if file.extension().is_some_and(|extension| extension == "blocks") {
            let id = file.file_stem().and_then(|stem| stem.to_str()).context("it has a name")?;
            segments.insert(id.parse()?, fs::read(&file)?);
        }
    }
    let Some((id, newest)) = segments.last_key_value() else { return Ok(Vec::new()) };
    ensure!(newest.starts_with(MAGIC), "segment {id} is of another version");
    let (mut state, mut finished) = (None, BTreeSet::new());
    for (end, mark, body) in entries(newest, MAGIC.len()) {
        let mut numbers = Numbers(&body[8..]);
        if mark == STATE {
            state = Some((numbers, end));
        } else if mark == FINISHED {
            while !numbers.0.is_empty() {
                finished.insert(numbers.several::<4>()?[0]);
            }
        }
    }
    let (mut state, its_end) = state.with_context(|| format!("segment {id} has no state"))?;
    let [_, _, _, _, cursor, cursor_segment, offset] = state.several()?;
    // Of each older segment that is needed: where its blocks begin, and how far it counts.
    let mut needed = BTreeMap::new();
    for _ in 0..state.next()? {
        let [id, start, length, _, _, _] = state.several()?;
        needed.insert(id, (start as usize, length as usize));
    }
    needed.insert(*id, (its_end, newest.len()));

    let mut live = Vec::new();
    for _ in 0..state.next()? {
        let [number, segment, offset, length, _] = state.several()?;
        if !finished.contains(&number) {
            let start = offset as usize + HEAD;
            let block =
                segments.get(&segment).and_then(|it| it.get(start..start + length as usize));
            live.push(block.with_context(|| format!("block {number} is missing"))?.to_vec());
        }
    }
    for _ in 0..state.next()? {
        let [start, end] = state.several()?;
        finished.extend(start..end);
    }
    for (id, (start, length)) in needed.range(cursor_segment..) {
        let start = if *id == cursor_segment { offset as usize } else { *start };
        let Some(segment) = segments.get(id) else { continue };
        let counting = &segment[..segment.len().min(*length)];
        for (_, _, body) in entries(counting, start).filter(|(_, mark, _)| *mark == BLOCK) {
            let number = Numbers(&body[8..]).next()?;
            if number >= cursor && !finished.contains(&number) {
                live.push(body.to_vec());
            }
        }
    }
    Ok(live)
}
