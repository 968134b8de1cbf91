//! How a reader reads a block of its file.
use std::io;

use gopiper_abi::lines::{Bom, Lines};

use super::{LEAST, Reader};
use crate::{
    files::identity::{Fingerprint, Mark, head},
    outlet::Outlet,
};

/// The outcome of reading a block.
pub(super) enum Block {
    Read(usize),
    /// Bytes that have gone through already.
    Skipped,
    None,
    Overwritten(Vec<u8>),
}

impl Reader {
    /// Whether the bytes of a compressed file that have gone through already are those that they
    /// were.
    fn is_passed_rightly(&mut self, read: &io::Result<usize>) -> bool {
        if matches!(read, Ok(0)) {
            // It was longer.
            return false;
        }
        let position = self.input.position();
        let Some(mark) = self.mark.take_if(|mark| position == Some(mark.end)) else { return true };
        let before = self.tail.before(mark.end);
        let before = &before[before.len().saturating_sub(mark.length)..];
        Mark::of(mark.end, before) == mark
    }

    pub(super) fn read_block(&mut self, outlet: &mut Outlet) -> io::Result<Block> {
        let metadata = self.input.file().metadata()?;
        let has_size = self.input.has_size(&metadata);
        let is_short = has_size && !self.input.is_gzip() && metadata.len() < self.read;
        if !is_short && !self.input.has_more(self.read, &metadata) && !self.has_left_some() {
            return Ok(Block::None);
        }
        if self.input.must_begin() {
            let head = head(self.input.file())?;
            self.input.begin(&head)?;
        }
        if self.lines.is_none() {
            self.read = self.unsent;
            let mut format = outlet.format.clone();
            if self.unsent > 0 {
                format = format.with_bom(Bom::Keep);
            }
            if has_size && !self.input.is_gzip() {
                let there = metadata.len().saturating_sub(self.read);
                let there = usize::try_from(there).unwrap_or(usize::MAX);
                format = format.limit_block_size(there.max(LEAST));
            }
            let postponed = outlet.postponed.clone();
            self.lines = Some(match &outlet.ledger {
                Some(_) => Lines::tracked(format, postponed, self.unsent),
                None => Lines::new(format, postponed),
            });
        }
        let Some(lines) = &mut self.lines else { return Ok(Block::None) };
        let mut room = lines.room();
        let mut before = self.input.before(self.read);
        if let Some(mark) = self.mark.as_ref().filter(|_| before > 0) {
            // Up to there first, to see what lies before it.
            before = match self.input.before(mark.end) {
                0 => before,
                nearer => nearer.min(before),
            };
        }
        if before > 0 {
            let length = room.len().min(usize::try_from(before).unwrap_or(usize::MAX));
            room = &mut room[..length];
        }
        let read = self.input.read(room, self.read);
        if !has_size {
            // Made up when it is read: what it begins with may be another thing each time.
            return Ok(match read? {
                0 => Block::None,
                read => Block::Read(read),
            });
        }
        // After it was read: if the file begins as before, and the bytes read last still lie there,
        // these bytes were of that file.
        let head = head(self.input.file())?;
        let fits = self.fingerprint.fits(&head)
            && (self.input.is_gzip() || self.tail.fits(self.input.file())?);
        if is_short || !fits {
            self.input.begin(&head)?;
            return Ok(Block::Overwritten(head));
        }
        if let Ok(read) = read {
            let end = self.input.position().unwrap_or(self.read + read as u64);
            self.tail.read(end - read as u64, &room[..read]);
        }
        if before > 0 && !self.is_passed_rightly(&read) {
            self.input.begin(&head)?;
            return Ok(Block::Overwritten(head));
        }
        if self.fingerprint.grows_with(&head) {
            self.fingerprint = Fingerprint::of(&head);
            if let Some(ledger) = &mut outlet.ledger {
                ledger.set_fingerprint(self.number, self.fingerprint.clone());
            }
        }
        Ok(match read? {
            0 => Block::None,
            _ if before > 0 => Block::Skipped,
            read => Block::Read(read),
        })
    }
}
