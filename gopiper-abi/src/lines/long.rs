//! Lines that are too long: they are split into pieces, refused, or dropped.
use std::{iter, mem, ops::Range};

use super::{Lines, SendLines, TooLong};
use crate::{Error, Message, Payload, Report, raw::number_behind};

impl Lines {
    /// A line that is too long, or the rest of one, with its delimiter after it.
    pub(super) fn send_long(
        &mut self,
        block: &Payload,
        line: Range<usize>,
        time: i64,
        send: SendLines<'_>,
    ) -> Result<(), Error> {
        let max_length = self.format.max_length;
        let width = self.format.delimiter.len();
        let mut start = line.start;
        let behind = self.position + (line.end + width) as u64;
        if self.format.too_long != TooLong::Split {
            return self.refuse(block.slice(start..start + max_length), behind, time, send);
        }
        while line.end - start > max_length {
            let piece = block.slice(start..start + max_length);
            start += max_length;
            self.push_piece(piece, time, self.position + start as u64, send)?;
        }
        self.batch.extend_slices(block, width as u8, time, iter::once(start..line.end));
        if let (Some(number), Some(last)) =
            (self.number_last_piece(), self.batch.messages_mut().last_mut())
        {
            last.set_piece(number, false);
        }
        self.sent_ends.iter_mut().for_each(|ends| ends.push(behind));
        self.flush_if_full(send)
    }

    /// Keeps the unfinished line within the limit. It is not known yet whether its last `unsure`
    /// bytes belong to it.
    pub(super) fn limit_the_begun(
        &mut self,
        unsure: usize,
        time: i64,
        send: SendLines<'_>,
    ) -> Result<(), Error> {
        if self.skipping {
            self.drop_begun(self.begun.saturating_sub(unsure));
            return self.flush(send);
        }
        while self.begun > self.format.max_length + unsure {
            let beginning = self.drop_begun(self.format.max_length);
            if self.format.too_long == TooLong::Split {
                self.boundary = self.position;
                let piece = self.without_bom(beginning);
                self.push_piece(piece, time, self.position, send)?;
                continue;
            }
            let beginning = self.without_bom(beginning);
            // Its end is not known yet: after a resume there, its rest would be a line.
            self.refuse(beginning, self.boundary, time, send)?;
            self.skipping = true;
            return self.limit_the_begun(unsure, time, send);
        }
        self.flush(send)
    }

    pub(super) fn drop_begun(&mut self, length: usize) -> Payload {
        self.begun -= length;
        self.position += length as u64;
        self.block.split_to(length)
    }

    fn refuse(
        &mut self,
        beginning: Payload,
        end: u64,
        time: i64,
        send: SendLines<'_>,
    ) -> Result<(), Error> {
        let report = match self.format.too_long {
            TooLong::Drop => Report::DROP,
            _ => {
                let limit = self.format.max_length;
                Report::fail(
                    13,
                    format!(
                        "the line is longer than max_length ({limit} bytes); this is its beginning"
                    ),
                )
            }
        };
        // If it is sent again later, it is a line by itself: the text after it is gone, with its
        // delimiter.
        let mut message = Message::new(beginning).with_report(report);
        message.set_time(time);
        self.push(message, end, send)
    }

    /// A piece of a line that continues after it.
    fn push_piece(
        &mut self,
        piece: Payload,
        time: i64,
        end: u64,
        send: SendLines<'_>,
    ) -> Result<(), Error> {
        let mut message = Message::new(piece);
        message.set_piece(self.number_piece(), true);
        message.set_time(time);
        self.push(message, end, send)
    }

    /// The number of a piece that does not end its line. Consecutive numbers never join pieces of
    /// different lines.
    pub(super) fn number_piece(&mut self) -> u16 {
        if !mem::replace(&mut self.continuing, true) {
            self.piece = number_behind(self.piece);
        }
        self.piece = number_behind(self.piece);
        self.piece
    }

    /// The number of the piece that ends a line; none if the line is whole.
    pub(super) fn number_last_piece(&mut self) -> Option<u16> {
        if !mem::take(&mut self.continuing) {
            return None;
        }
        self.piece = number_behind(self.piece);
        Some(self.piece)
    }
}
