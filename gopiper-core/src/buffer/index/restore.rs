//! The index of a buffer that is being opened: made of the entries of its newest segment.
use super::{Cursor, Index, SegmentIndex};
use crate::buffer::{
    record::BlockPlace,
    varint::{Malformed, VarintReader},
};

impl Index {
    /// The index that a segment's state describes, from a body without its beginning.
    pub(in super::super) fn restore(id: u64, start: u64, body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = VarintReader(body);
        let [its_id, next, messages, bytes, number, segment, offset] = reader.several()?;
        let cursor = Cursor { number, segment, offset };
        let mut index = Index { next, messages, bytes, cursor, ..Index::default() };
        for _ in 0..reader.fixed()? {
            let [id, start, length, first, blocks, bytes] = reader.several()?;
            if start > length || first > next {
                return Err(Malformed);
            }
            index.segments.insert(id, SegmentIndex { start, length, first, blocks, bytes });
        }
        let mut new = SegmentIndex { start, length: start, first: next, blocks: 0, bytes: 0 };
        for _ in 0..reader.fixed()? {
            let [number, segment, offset, length, messages] = reader.several()?;
            index.explicit.insert(number, BlockPlace { segment, offset, length, messages });
            if number >= cursor.number {
                return Err(Malformed);
            }
            if segment == id {
                new.blocks += 1;
                new.bytes = new.bytes.checked_add(length).ok_or(Malformed)?;
            }
        }
        index.again = index.explicit.keys().copied().collect();
        for _ in 0..reader.fixed()? {
            let [start, end] = reader.several()?;
            index.finished.insert(start..end);
        }
        let is_older = index.segments.last_key_value().is_none_or(|(last, _)| *last < id);
        if its_id != id || !is_older || cursor.number > next || !reader.0.is_empty() {
            return Err(Malformed);
        }
        index.segments.insert(id, new);
        Ok(index)
    }

    /// The newest segment counts up to here.
    pub(in super::super) fn is_whole_up_to(&mut self, length: u64) {
        if let Some(mut newest) = self.segments.last_entry() {
            newest.get_mut().length = length;
        }
    }

    /// A block in the newest segment.
    pub(in super::super) fn found(
        &mut self,
        number: u64,
        length: u64,
        messages: u64,
    ) -> Result<(), Malformed> {
        let mut newest = self.segments.last_entry().ok_or(Malformed)?;
        let newest = newest.get_mut();
        if number != self.next {
            return Err(Malformed);
        }
        let add = |sum: &mut u64, more: u64| {
            *sum = sum.checked_add(more).ok_or(Malformed)?;
            Ok(())
        };
        add(&mut newest.blocks, 1)?;
        add(&mut newest.bytes, length)?;
        add(&mut self.bytes, length)?;
        add(&mut self.messages, messages)?;
        add(&mut self.next, 1)
    }

    /// Finished blocks, from a body without its beginning.
    pub(in super::super) fn found_finished(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let mut reader = VarintReader(body);
        while !reader.0.is_empty() {
            let [number, segment, length, messages] = reader.several()?;
            let place = match self.explicit.remove(&number) {
                Some(place) => place,
                None if (self.cursor.number..self.next).contains(&number)
                    && !self.finished.contains(number) =>
                {
                    self.finished.insert(number..number + 1);
                    BlockPlace { segment, offset: 0, length, messages }
                }
                None => return Err(Malformed),
            };
            let segment = self.segments.get_mut(&place.segment).ok_or(Malformed)?;
            for (sum, less) in [
                (&mut segment.blocks, 1),
                (&mut segment.bytes, place.length),
                (&mut self.bytes, place.length),
                (&mut self.messages, place.messages),
            ] {
                *sum = sum.checked_sub(less).ok_or(Malformed)?;
            }
        }
        Ok(())
    }
}
