//! Cuts blocks into lines without copying them: for sources whose messages are separated by a
//! delimiter.
mod format;
mod long;
#[cfg(test)]
mod tests;

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    mem,
};

use memchr::memmem;

use self::format::BOM;
pub use self::format::{Bom, Format, TooLong};
use crate::{Batch, Error, Message, Payload, PayloadMut, Postponed, raw::find_all};

/// Receives lines: a batch of them and, for a tracked input, the position at which each message
/// ends, including its delimiter. A source that resumes there continues with the next message.
pub type SendLines<'a> = &'a mut dyn FnMut(Batch, Vec<u64>) -> Result<(), Error>;

/// Takes blocks as they are read, and returns their lines as slices. It copies only an unfinished
/// line at the end of a block, to the front of the next block.
///
/// A source that reads an input from a position, and receives the outcome of each line:
///
/// ```
/// use std::{collections::HashMap, fs::File, io::Read, ops::Range};
/// use gopiper_abi::{Error, Outcome, Postponed, Produced, Source, lines::Lines};
///
/// struct Tail { file: File, lines: Lines, postponed: Postponed, ends: HashMap<u64, Vec<u64>> }
///
/// impl Source for Tail {
///     fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
///         let Tail { file, lines, postponed, ends } = self;
///         let send = &mut |batch, ends_of_batch: Vec<u64>| {
///             // The end of the batch serves as its token.
///             let token = ends_of_batch[ends_of_batch.len() - 1];
///             ends.insert(token, ends_of_batch);
///             Ok(postponed.send_tracked(batch, token)?)
///         };
///         let now = postponed.host().now();
///         match file.read(lines.room())? {
///             0 => {
///                 lines.end(now, send)?;
///                 Ok(Produced::FINISHED)
///             }
///             read => {
///                 lines.filled(read, now, send)?;
///                 Ok(Produced::MORE)
///             }
///         }
///     }
///
///     fn settled(&mut self, token: u64, places: Range<u32>, outcome: Outcome) {
///         for place in places {
///             let end = self.ends[&token][place as usize];
///             log::info!("{outcome:?}: the line before byte {end}");
///         }
///     }
/// }
/// ```
pub struct Lines {
    format: Format,
    /// The memory for the next read; its first `begun` bytes are the beginning of a line.
    block: PayloadMut,
    begun: usize,
    /// The current line was too long and is reported: the rest of it is discarded.
    skipping: bool,
    /// A piece of the current line was sent: the next one follows.
    continuing: bool,
    /// The number of the piece that was sent last.
    piece: u16,
    /// The input begins here, and a byte order mark should be removed.
    strips_bom: bool,
    /// The ends of the block's lines, before their delimiters.
    ends: Vec<usize>,
    batch: Batch,
    postponed: Postponed,
    /// The position of the block in the input.
    position: u64,
    /// The position of the first unsent byte: a line that is being skipped is not sent yet.
    boundary: u64,
    /// The end of each message of the batch in the input; `None` if the source does not track
    /// messages.
    sent_ends: Option<Vec<u64>>,
}

impl Lines {
    /// For a source that does not track its messages, and receives no ends.
    pub fn new(format: Format, postponed: Postponed) -> Self {
        let block = postponed.host().payload(format.block_size);
        let batch = postponed.batch();
        let strips_bom = format.bom == Bom::Strip;
        Lines {
            format,
            block,
            begun: 0,
            skipping: false,
            continuing: false,
            // Anywhere: the pieces of another input are seldom taken for the next ones of this.
            piece: RandomState::new().build_hasher().finish() as u16,
            strips_bom,
            ends: Vec::new(),
            batch,
            postponed,
            position: 0,
            boundary: 0,
            sent_ends: None,
        }
    }

    /// For a source that receives the end of each message, in an input that is read from this byte
    /// on.
    pub fn tracked(format: Format, postponed: Postponed, position: u64) -> Self {
        let lines = Self::new(format, postponed);
        Lines {
            position,
            boundary: position,
            sent_ends: Some(Vec::new()),
            strips_bom: lines.strips_bom && position == 0,
            ..lines
        }
    }

    /// The buffer for the next read. Never empty.
    pub fn room(&mut self) -> &mut [u8] {
        if self.begun == self.block.len() {
            let size = self.format.block_size.max(self.begun * 2);
            let mut block = self.postponed.host().payload(size);
            block[..self.begun].copy_from_slice(&self.block[..self.begun]);
            self.block = block;
        }
        &mut self.block[self.begun..]
    }

    /// The bytes that were read, as they are: for an input that is not cut. The following bytes
    /// continue it.
    pub fn take(&mut self, read: usize) -> Message {
        self.position += read as u64;
        self.boundary = self.position;
        let mut message = Message::new(self.block.split_to(read));
        message.set_piece(self.number_piece(), true);
        message
    }

    /// How many bytes of a line have begun, and wait for its end.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// Whether the beginning of a line that was too long was sent, and its end has not been read:
    /// it is being skipped, or sent in pieces.
    pub fn is_in_long_line(&self) -> bool {
        self.skipping || self.continuing
    }

    /// The position at which to resume: everything before it was sent, or was skipped completely.
    pub fn boundary(&self) -> u64 {
        self.boundary
    }

    /// `read` more bytes are in the buffer: sends the lines that end in them.
    ///
    /// # Errors
    /// The error of `send`.
    pub fn filled(&mut self, read: usize, time: i64, send: SendLines<'_>) -> Result<(), Error> {
        let filled = self.begun + read;
        // The last bytes may be the beginning of the delimiter.
        let unsure = self.format.delimiter.len() - 1;
        self.find_ends(filled);
        let Some(&last) = self.ends.last() else {
            self.begun = filled;
            return self.limit_the_begun(unsure, time, send);
        };
        let cut = last + self.format.delimiter.len();
        let block = self.block.split_to(cut);
        self.begun = filled - cut;
        self.send_lines(&block, time, send)?;
        self.position += cut as u64;
        self.boundary = self.position;
        self.limit_the_begun(unsure, time, send)?;
        self.flush(send)
    }

    /// The input has ended: the unfinished line is one without a delimiter.
    ///
    /// # Errors
    /// The error of `send`.
    pub fn end(&mut self, time: i64, send: SendLines<'_>) -> Result<(), Error> {
        self.limit_the_begun(0, time, send)?;
        let rest = self.drop_begun(self.begun);
        let rest = self.without_bom(rest);
        if !rest.is_empty() && !self.skipping {
            let mut last = Message::new(rest);
            last.set_lacks_delimiter(true);
            last.set_time(time);
            if let Some(number) = self.number_last_piece() {
                last.set_piece(number, false);
            }
            self.push(last, self.position, send)?;
        }
        (self.skipping, self.continuing) = (false, false);
        self.boundary = self.position;
        self.flush(send)
    }

    /// Finds the lines that end in the first `filled` bytes.
    fn find_ends(&mut self, filled: usize) {
        self.ends.clear();
        let width = self.format.delimiter.len();
        // The unfinished line contains no delimiter, but may end with the beginning of one.
        let from = (self.begun + 1).saturating_sub(width);
        let fresh = &self.block[from..filled];
        match self.format.delimiter[..] {
            [byte] => find_all(byte, fresh, from, &mut self.ends),
            _ => {
                let found = memmem::find_iter(fresh, &self.format.delimiter);
                self.ends.extend(found.map(|end| from + end));
            }
        }
    }

    /// Sends the lines that `ends` has found in `block`, which lies at `position`.
    fn send_lines(&mut self, block: &Payload, time: i64, send: SendLines<'_>) -> Result<(), Error> {
        let width = self.format.delimiter.len();
        let max_length = self.format.max_length;
        let mut ends = mem::take(&mut self.ends);
        let mut next = 0;
        let mut start = 0;
        if mem::take(&mut self.skipping) {
            start = ends[0] + width;
            next = 1;
        } else if self.continuing {
            self.send_long(block, 0..ends[0], time, send)?;
            start = ends[0] + width;
            next = 1;
        } else if mem::take(&mut self.strips_bom) && block[..ends[0]].starts_with(BOM) {
            start = BOM.len();
        }
        while next < ends.len() {
            if ends[next] - start > max_length {
                self.send_long(block, start..ends[next], time, send)?;
                start = ends[next] + width;
                next += 1;
                continue;
            }
            let mut from = start;
            let lines = ends[next..].iter().map_while(|&end| {
                let line = from..end;
                from = end + width;
                (line.len() <= max_length).then_some(line)
            });
            let taken = self.batch.extend_slices(block, width as u8, time, lines);
            let behind = self.position + width as u64;
            if let Some(sent_ends) = &mut self.sent_ends {
                sent_ends.extend(ends[next..next + taken].iter().map(|&end| behind + end as u64));
            }
            next += taken;
            start = ends[next - 1] + width;
            self.flush_if_full(send)?;
        }
        ends.clear();
        self.ends = ends;
        Ok(())
    }

    /// The beginning of the input, without its mark.
    fn without_bom(&mut self, beginning: Payload) -> Payload {
        match mem::take(&mut self.strips_bom) && beginning.starts_with(BOM) {
            true => beginning.slice(BOM.len()..),
            false => beginning,
        }
    }

    fn push(&mut self, message: Message, end: u64, send: SendLines<'_>) -> Result<(), Error> {
        if let Err(message) = self.batch.push(message) {
            self.flush(send)?;
            return self.push(message, end, send);
        }
        self.sent_ends.iter_mut().for_each(|ends| ends.push(end));
        self.flush_if_full(send)
    }

    fn flush_if_full(&mut self, send: SendLines<'_>) -> Result<(), Error> {
        if self.batch.room() == 0 { self.flush(send) } else { Ok(()) }
    }

    fn flush(&mut self, send: SendLines<'_>) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = mem::replace(&mut self.batch, self.postponed.batch());
        send(batch, self.sent_ends.as_mut().map(mem::take).unwrap_or_default())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("format", &self.format).finish_non_exhaustive()
    }
}
