//! The place where a file is begun: what the checkpoint remembers of it, if it is the same one.
use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

use crate::{
    Start,
    files::identity::{Inode, Mark, born},
    progress::{beyond::Beyond, checkpoint::Entry, ledger::Ledger},
    reading::input::Input,
};

/// The place where a file is begun, and what the checkpoint remembers of the file.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) place: u64,
    /// The bytes before the place, in a compressed file.
    pub(crate) mark: Option<Mark>,
    /// The messages after the place that have gone through.
    pub(crate) beyond: Option<Beyond>,
    /// The path under which it is remembered.
    pub(crate) remembered: Option<PathBuf>,
    /// How often its content was replaced.
    pub(crate) generation: u32,
    /// Whether it was since the checkpoint.
    pub(crate) is_replaced: bool,
}

/// Returns the place to begin a file that was just opened.
pub(crate) fn place_of(
    path: &Path,
    metadata: &Metadata,
    input: &Input,
    head: &[u8],
    from: Start,
    ledger: Option<&mut Ledger>,
) -> io::Result<Known> {
    let (inode, born) = (Inode::from(metadata), born(metadata));
    let known = ledger.map(|ledger| ledger.claim(inode, path, born)).unwrap_or_default();
    if !input.has_size(metadata) {
        return Ok(Known::default());
    }
    let (others, known): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|entry| entry.is_older_than(born));
    // Their inode was given to this one.
    others.iter().for_each(say_missing);
    let is_first = known.is_empty();
    let next = known.iter().map(|entry| entry.generation.saturating_add(1)).max();
    for entry in known {
        let fits = entry.fingerprint.fits(head)
            && (input.is_gzip()
                || (entry.offset <= metadata.len()
                    && entry.mark.as_ref().map_or(Ok(true), |mark| mark.fits(input.file()))?));
        if fits {
            let mark = entry.mark.filter(|_| input.is_gzip());
            let had_beyond = entry.beyond.is_some();
            let beyond = match entry.beyond {
                Some(known) if !input.is_gzip() && !known.fits(input.file())? => None,
                beyond => beyond,
            };
            // What lies behind the place is other content than it was.
            let is_replaced = had_beyond && beyond.is_none();
            return Ok(Known {
                place: entry.offset,
                mark,
                beyond,
                remembered: Some(entry.path),
                generation: entry.generation.saturating_add(is_replaced.into()),
                is_replaced,
            });
        }
    }
    if !is_first {
        log::warn!("{} was truncated or replaced; reading it from the beginning", path.display());
    }
    let at_end = is_first && others.is_empty() && from == Start::End && !input.is_gzip();
    let place = if at_end { metadata.len() } else { 0 };
    let (generation, is_replaced) = (next.unwrap_or(0), next.is_some());
    Ok(Known { place, generation, is_replaced, ..Known::default() })
}

/// A file that is remembered is not there any more.
pub(crate) fn say_missing(entry: &Entry) {
    let (path, offset) = (entry.path.display(), entry.offset);
    match entry.unread() {
        0 => log::info!("{path} no longer exists; it had been read to its end (byte {offset})"),
        unread => log::warn!(
            "{path} no longer exists; it had been read up to byte {offset}; at least {unread} \
             bytes were not read"
        ),
    }
}
