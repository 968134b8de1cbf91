//! Lines out of blocks, without copying them.
#[cfg(test)]
mod tests;

use std::{iter, ops::Range};

use gopiper_abi::{Batch, Error, Message, Payload, PayloadMut, Postponed, Report};
use memchr::{memchr_iter, memmem};

use crate::{Attributes, TooLong};

/// Takes blocks as they are read, and sends their lines as slices of them. Only the beginning of a
/// line that a block ends with is copied, to the front of the next block.
pub(crate) struct Lines {
    delimiter: Vec<u8>,
    max_length: usize,
    too_long: TooLong,
    block_size: usize,
    /// The memory that is read into; the first `begun` bytes are the beginning of a line.
    block: PayloadMut,
    begun: usize,
    /// The line that has begun was too long and is reported: the rest of it is thrown away.
    skipping: bool,
    /// Where the lines of the block end, before their delimiters.
    ends: Vec<usize>,
    batch: Batch,
    postponed: Postponed,
}

impl Lines {
    pub(crate) fn new(attributes: &Attributes, postponed: Postponed) -> Self {
        Lines {
            delimiter: attributes.delimiter.clone().into_bytes(),
            max_length: attributes.max_length,
            too_long: attributes.too_long,
            block_size: attributes.block_size,
            block: postponed.host().payload(attributes.block_size),
            begun: 0,
            skipping: false,
            ends: Vec::new(),
            batch: postponed.batch(),
            postponed,
        }
    }

    /// Where to read to. Never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.begun == self.block.len() {
            let size = self.block_size.max(self.begun * 2);
            let mut block = self.postponed.host().payload(size);
            block[..self.begun].copy_from_slice(&self.block[..self.begun]);
            self.block = block;
        }
        &mut self.block[self.begun..]
    }

    /// What was read, as it is.
    pub(crate) fn take(&mut self, read: usize) -> Payload {
        self.block.split_to(read)
    }

    /// `read` bytes more are in the room: sends the lines that end in them.
    pub(crate) fn filled(&mut self, read: usize, time: i64) -> Result<(), Error> {
        let filled = self.begun + read;
        // The last bytes may be the beginning of the delimiter.
        let unsure = self.delimiter.len() - 1;
        self.find_ends(filled);
        let Some(&last) = self.ends.last() else {
            self.begun = filled;
            return self.limit_the_begun(unsure, time);
        };
        let cut = last + self.delimiter.len();
        let block = self.block.split_to(cut);
        self.begun = filled - cut;
        self.send_lines(&block, time)?;
        self.limit_the_begun(unsure, time)?;
        self.flush()
    }

    /// The input has ended: what has begun is a line without a delimiter.
    pub(crate) fn end(&mut self, time: i64) -> Result<(), Error> {
        self.limit_the_begun(0, time)?;
        let rest = self.block.split_to(std::mem::take(&mut self.begun));
        if !rest.is_empty() && !self.skipping {
            self.push(part(rest, time))?;
        }
        self.flush()
    }

    /// Finds the lines that end in the first `filled` bytes.
    fn find_ends(&mut self, filled: usize) {
        self.ends.clear();
        let width = self.delimiter.len();
        // What has begun holds no delimiter, but may hold the beginning of one.
        let from = (self.begun + 1).saturating_sub(width);
        let fresh = &self.block[from..filled];
        match self.delimiter[..] {
            [byte] => self.ends.extend(memchr_iter(byte, fresh).map(|end| from + end)),
            _ => self.ends.extend(memmem::find_iter(fresh, &self.delimiter).map(|end| from + end)),
        }
    }

    /// Sends the lines that `ends` has found in `block`.
    fn send_lines(&mut self, block: &Payload, time: i64) -> Result<(), Error> {
        let width = self.delimiter.len();
        let mut ends = std::mem::take(&mut self.ends);
        let mut next = 0;
        let mut start = 0;
        if std::mem::take(&mut self.skipping) {
            start = ends[0] + width;
            next = 1;
        }
        while next < ends.len() {
            if ends[next] - start > self.max_length {
                self.send_long(block, start..ends[next], time)?;
                start = ends[next] + width;
                next += 1;
                continue;
            }
            let (max_length, mut from) = (self.max_length, start);
            let lines = ends[next..].iter().map_while(|&end| {
                let line = from..end;
                from = end + width;
                (line.len() <= max_length).then_some(line)
            });
            let taken = self.batch.extend_slices(block, width as u8, time, lines);
            next += taken;
            start = ends[next - 1] + width;
            self.flush_if_full()?;
        }
        ends.clear();
        self.ends = ends;
        Ok(())
    }

    /// A line that is too long, with its delimiter behind it.
    fn send_long(&mut self, block: &Payload, line: Range<usize>, time: i64) -> Result<(), Error> {
        let mut start = line.start;
        if self.too_long != TooLong::Split {
            return self.refuse(block.slice(start..start + self.max_length), time);
        }
        while line.end - start > self.max_length {
            self.push(part(block.slice(start..start + self.max_length), time))?;
            start += self.max_length;
        }
        self.batch.extend_slices(
            block,
            self.delimiter.len() as u8,
            time,
            iter::once(start..line.end),
        );
        self.flush_if_full()
    }

    /// Sees to it that what has begun does not grow past the limit; of its last `unsure` bytes nobody
    /// knows yet whether they belong to it.
    fn limit_the_begun(&mut self, unsure: usize, time: i64) -> Result<(), Error> {
        if self.skipping {
            self.drop_begun(self.begun.saturating_sub(unsure));
            return self.flush();
        }
        while self.begun > self.max_length + unsure {
            match self.too_long {
                TooLong::Split => {
                    let payload = self.drop_begun(self.max_length);
                    self.push(part(payload, time))?;
                }
                TooLong::Fail | TooLong::Drop => {
                    let payload = self.drop_begun(self.max_length);
                    self.refuse(payload, time)?;
                    self.skipping = true;
                    return self.limit_the_begun(unsure, time);
                }
            }
        }
        self.flush()
    }

    fn drop_begun(&mut self, length: usize) -> Payload {
        self.begun -= length;
        self.block.split_to(length)
    }

    fn refuse(&mut self, beginning: Payload, time: i64) -> Result<(), Error> {
        let report = match self.too_long {
            TooLong::Drop => Report::DROP,
            _ => {
                let limit = self.max_length;
                Report::fail(13, format!("a line longer than {limit} bytes, here is its beginning"))
            }
        };
        self.push(part(beginning, time).with_report(report))
    }

    fn push(&mut self, message: Message) -> Result<(), Error> {
        if let Err(message) = self.batch.push(message) {
            self.flush()?;
            return self.push(message);
        }
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> Result<(), Error> {
        if self.batch.room() == 0 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, self.postponed.batch());
        Ok(self.postponed.send_batch(batch)?)
    }
}

/// A message without a delimiter behind it.
fn part(payload: Payload, time: i64) -> Message {
    let mut message = Message::new(payload);
    message.set_lacks_delimiter(true);
    message.set_time(time);
    message
}
