//! Reads the newest segment of a buffer, which describes all of it.
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use memchr::memmem;

use super::{
    error::StoreError,
    index::Index,
    record::{BLOCK, BlockHead, FINISHED, KIND_PREFIX, MAGIC, STATE, synced_before},
    varint::Malformed,
};
use crate::disk::{
    digest::{digest, fits},
    entry::{self, EntryHead, HEAD},
};

const EXTENSION: &str = "blocks";
/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

/// The path of a segment.
pub(super) fn segment_path(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("{id:010}.{EXTENSION}"))
}

/// The path of a segment that is being made.
pub(super) fn new_path(folder: &Path, id: u64) -> PathBuf {
    segment_path(folder, id).with_extension("new")
}

/// The path of the note of how far the newest segment was synced.
pub(super) fn note_path(folder: &Path) -> PathBuf {
    folder.join("buffer.synced")
}

/// The note's content.
pub(super) fn note(segment: u64, synced: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&segment.to_le_bytes());
    bytes[8..16].copy_from_slice(&synced.to_le_bytes());
    let of_these = digest::<8>(&bytes[..16]);
    bytes[16..].copy_from_slice(&of_these);
    bytes
}

/// The segment and the length that the note names; zeros if there is none.
fn read_note(folder: &Path) -> io::Result<(u64, u64)> {
    let path = note_path(folder);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        bytes => bytes?,
    };
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?));
    let is_whole = bytes.len() == 24
        && bytes.last_chunk::<8>().is_some_and(|digest| fits(digest, &bytes[..16]));
    match (number(0), number(8)) {
        (Some(segment), Some(synced)) if is_whole => Ok((segment, synced)),
        _ => {
            let path = path.display();
            tracing::warn!(
                code = "buffer_note_damaged",
                "{path} is damaged: the last messages may be incomplete"
            );
            Ok((0, 0))
        }
    }
}

/// The segments in a folder, in order, and those that were not finished.
fn segments(folder: &Path) -> io::Result<(Vec<u64>, Vec<PathBuf>)> {
    let (mut found, mut unfinished) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let Ok(id) = stem.parse::<u64>() else { continue };
        if path == segment_path(folder, id) {
            found.push(id);
        } else if path == new_path(folder, id) {
            unfinished.push(path);
        }
    }
    found.sort_unstable();
    Ok((found, unfinished))
}

/// A buffer as found. Nothing was changed.
#[derive(Default)]
pub(super) struct FoundBuffer {
    pub(super) index: Index,
    /// Files that nothing refers to: a process that was killed has left them.
    pub(super) needless: Vec<PathBuf>,
}

/// Reads the newest segment in a folder. Another process that removes segments meanwhile makes it
/// fail.
pub(super) fn replay(folder: &Path) -> Result<FoundBuffer, StoreError> {
    let failed = |error| StoreError::Disk { path: folder.to_owned(), error };
    let damaged = |error: String| StoreError::Damaged { path: folder.to_owned(), error };
    let (ids, mut needless) = segments(folder).map_err(failed)?;
    let (noted, synced) = read_note(folder).map_err(failed)?;
    let newest = ids.last().copied().unwrap_or_default();
    if newest < noted {
        return Err(damaged(format!("segment {noted} is missing")));
    }
    if newest == 0 {
        return Ok(FoundBuffer { needless, ..FoundBuffer::default() });
    }
    let path = segment_path(folder, newest);
    let shown = path.file_name().unwrap_or_default().display();
    let file = File::open(&path).map_err(failed)?;
    let (index, torn_at) = read_segment(newest, file).map_err(|error| match error {
        SegmentError::Io(error) => StoreError::Disk { path: path.clone(), error },
        SegmentError::Damaged(error) => damaged(format!("{shown}, {error}")),
    })?;
    if newest == noted && torn_at < synced {
        return Err(damaged(format!("{shown}, from byte {torn_at} on")));
    }
    for (id, segment) in &index.segments {
        let path = segment_path(folder, *id);
        match fs::metadata(&path) {
            _ if segment.blocks == 0 => {}
            Ok(found) if found.len() >= segment.length => {}
            Ok(_) => return Err(damaged(format!("segment {id} is too short"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(format!("segment {id} is missing")));
            }
            Err(error) => return Err(StoreError::Disk { path, error }),
        }
    }
    let is_needless = |id: &u64| !index.segments.contains_key(id);
    needless.extend(ids.into_iter().filter(is_needless).map(|id| segment_path(folder, id)));
    Ok(FoundBuffer { index, needless })
}

enum SegmentError {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        SegmentError::Io(error)
    }
}

/// Reads the buffer that a segment describes, and how far the segment is whole: the rest was being
/// written when the process or the machine stopped.
fn read_segment(id: u64, file: File) -> Result<(Index, u64), SegmentError> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let mut bytes = Vec::new();
    if !fill(&mut reader, &mut bytes, MAGIC.len(), length)? || bytes != MAGIC {
        let error = "it is not a segment of a buffer, or one of another version of gopiper";
        return Err(SegmentError::Damaged(error.into()));
    }
    let mut at = MAGIC.len() as u64;
    let mut index: Option<Index> = None;
    while let Some(head) = next_entry(&mut reader, &mut bytes, length - at)? {
        let damaged = |_| SegmentError::Damaged(format!("at byte {at}"));
        let end = at + (HEAD + head.length) as u64;
        match (head.kind, &mut index) {
            // Copies of older blocks: the state refers to them.
            (BLOCK, None) => {}
            (BLOCK, Some(index)) => {
                let block = BlockHead::read(&bytes).map_err(damaged)?;
                index
                    .found(block.number, head.length as u64, block.messages.into())
                    .map_err(damaged)?;
            }
            (STATE, none @ None) => {
                let body = bytes.get(8..).unwrap_or_default();
                *none = Some(Index::restore(id, end, body).map_err(damaged)?);
            }
            (FINISHED, Some(index)) => {
                let body = bytes.get(8..).ok_or(Malformed).map_err(damaged)?;
                index.found_finished(body).map_err(damaged)?;
            }
            _ => return Err(damaged(Malformed)),
        }
        at = end;
    }
    let Some(mut index) = index else {
        return Err(SegmentError::Damaged(format!("at byte {at}")));
    };
    if at < length && was_synced(&mut reader.into_inner(), at)? {
        return Err(SegmentError::Damaged(format!("at byte {at}")));
    }
    index.is_whole_up_to(at);
    Ok((index, at))
}

/// Reads so many bytes, unless there are fewer.
fn fill(
    reader: &mut impl Read,
    bytes: &mut Vec<u8>,
    count: usize,
    available: u64,
) -> io::Result<bool> {
    bytes.clear();
    if count as u64 > available {
        return Ok(false);
    }
    reader.take(count as u64).read_to_end(bytes)?;
    Ok(bytes.len() == count)
}

/// Reads the head and the body of the next entry, if it is whole.
fn next_entry(
    reader: &mut impl Read,
    bytes: &mut Vec<u8>,
    available: u64,
) -> io::Result<Option<EntryHead>> {
    if !fill(reader, bytes, HEAD, available)? {
        return Ok(None);
    }
    let Some(head) = EntryHead::read(bytes) else { return Ok(None) };
    let is_whole = fill(reader, bytes, head.length, available - HEAD as u64)? && head.is_of(bytes);
    Ok(is_whole.then_some(head))
}

/// Whether an entry after this offset shows that it was synced: then it is damaged, not torn.
fn was_synced(file: &mut File, at: u64) -> io::Result<bool> {
    io::Seek::seek(file, io::SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(memmem::find_iter(&bytes, KIND_PREFIX)
        .filter_map(|found| Some((at + found as u64, entry::read(&bytes[found..])?)))
        // A message may contain bytes that look like an entry, most likely one of another place.
        .any(|(start, (_, body))| {
            synced_before(body).is_some_and(|synced| synced > at && synced <= start)
        }))
}
