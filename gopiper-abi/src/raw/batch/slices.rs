//! Parts of a block as the messages of a batch: how a source fills it.
use std::{ops::Range, ptr};

use crate::raw::{
    Batch, BatchHeader, Message, Payload,
    message::{is_same, owner},
};

/// Counts the messages that were written, also when the parts panic half-way.
struct Written<'a> {
    header: *mut BatchHeader,
    block: &'a Payload,
    count: usize,
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        // SAFETY: `header` is the batch that `extend_slices` borrows, in which so many slots after
        // the last message were written. They share the block, which holds a reference on its
        // owner.
        unsafe {
            (*self.header).len += self.count as u32;
            if self.count > 0 {
                owner::retain(self.block.owner, self.count);
            }
        }
    }
}

impl Batch {
    /// Puts parts of one block at the end, each as a message, until the batch is full or the parts
    /// end; the block's count is raised once for all. `tail` bytes of delimiter lie directly after
    /// each part, within the block. Returns how many it took.
    ///
    /// # Panics
    /// When a part, or its tail, does not lie within the block.
    pub fn extend_slices(
        &mut self,
        block: &Payload,
        tail: u8,
        time: i64,
        parts: impl Iterator<Item = Range<usize>>,
    ) -> usize {
        self.end_run();
        let (first, room) = (self.len(), self.room());
        let slots = self.header().messages;
        let (data, length, owner) = (block.data, block.len, block.owner);
        let width = usize::from(tail);
        // Where the first part begins, and the next neighbour; whether one did not begin there; the
        // delimiter of the first one, if it is one byte; whether another one differs.
        let (mut begin, mut next) = (None, None);
        let (mut gaps, mut of_first, mut differs) = (0, None, 0);
        let mut written = Written { header: self.0, block, count: 0 };
        for Range { start, end } in parts.take(room) {
            assert!(
                // Not `end + tail`, which can wrap around.
                start <= end && end <= length && width <= length - end,
                "{:?} and {tail} bytes of delimiter exceed the {length} bytes of the payload",
                start..end
            );
            gaps |= next.unwrap_or(start) ^ start;
            begin.get_or_insert(start);
            next = Some(end + width);
            // SAFETY: the assertion above keeps the part within the block, whose count `written`
            // raises; `take` saw to it that there is room for the message.
            unsafe {
                let byte = if width == 1 { *data.add(end) } else { 0 };
                differs |= byte ^ *of_first.get_or_insert(byte);
                let payload = Payload { data: data.add(start), len: end - start, owner };
                slots.add(first + written.count).write(Message {
                    payload,
                    extra: ptr::null_mut(),
                    delivery: ptr::null(),
                    index: 0,
                    status: 0,
                    time,
                    attempts: 0,
                    tail,
                    flags: 0,
                    branch: 0,
                    piece: 0,
                });
            }
            written.count += 1;
        }
        let count = written.count;
        drop(written);
        let is_run = first == 0 && gaps == 0 && differs == 0 && !owner.is_null();
        let is_run = is_run && (width <= 1 || self.have_one_delimiter());
        // Only of a run: other parts may end before the first one begins.
        let bytes = if is_run { next.unwrap_or(0) - begin.unwrap_or(0) } else { 0 };
        self.header_mut().run_bytes = bytes.try_into().unwrap_or(0);
        count
    }

    /// Whether all messages have the same bytes after them.
    fn have_one_delimiter(&self) -> bool {
        let [first, others @ ..] = self.messages() else { return true };
        let wanted = first.delimiter();
        others.iter().all(|message| is_same(message.delimiter(), wanted))
    }
}
