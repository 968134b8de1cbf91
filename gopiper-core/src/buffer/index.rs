//! The index, in memory, of a buffer's contents on disk: only as much as is needed to find them.
//!
//! Blocks are read in the order of their numbers. Those before the cursor are finished, but for a
//! few, each of which has its place here. For blocks from the cursor on, only the segments are
//! known: they come one after the other. After an opening, some of them may be finished already.
mod restore;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    ops::Bound::{Excluded, Unbounded},
};

use super::{
    ranges::Ranges,
    record::{BlockPlace, NewBlock},
};

/// At least one of this many bytes on disk is live.
const LIVE_PART: u64 = 2;
/// How many segments may be on disk beyond that.
const SLACK: u64 = 3;

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    /// The offset of the first entry after its state.
    pub(super) start: u64,
    /// How far it counts.
    pub(super) length: u64,
    /// The number of the first block after its state.
    pub(super) first: u64,
    /// Its unfinished blocks, and their bytes. A block counts until its end is synced.
    pub(super) blocks: u64,
    pub(super) bytes: u64,
}

/// The position of the block that is read next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cursor {
    number: u64,
    segment: u64,
    offset: u64,
}

/// The contents of a buffer.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// A segment is followed by another one when it has so many bytes.
    pub(super) segment_bytes: u64,
    /// The number of the next block.
    pub(super) next: u64,
    /// Unfinished messages.
    pub(super) messages: u64,
    /// The bytes of the blocks that have unfinished messages.
    pub(super) bytes: u64,
    pub(super) segments: BTreeMap<u64, SegmentIndex>,
    /// The unfinished blocks before the cursor.
    explicit: BTreeMap<u64, BlockPlace>,
    /// Those of them that were not read since the opening; finished ones may be among these.
    again: VecDeque<u64>,
    cursor: Cursor,
    /// Finished blocks from the cursor on.
    finished: Ranges,
    /// Finished blocks that are not in the log yet.
    done: Vec<(u64, BlockPlace)>,
    /// Finished blocks that are in the log, not synced.
    logged: Vec<(u64, BlockPlace)>,
    /// The bytes of blocks that were finished since the last sync.
    unsynced: u64,
    /// Segments that are not needed any more.
    pub(super) dead: Vec<u64>,
}

/// The position of the next block.
pub(super) enum NextBlock {
    None,
    At(u64, BlockPlace),
    /// It is the next one that is found from an offset of a segment on.
    Behind {
        segment: u64,
        offset: u64,
        end: u64,
        number: u64,
    },
}

/// The state of a new segment, and the blocks that it was made from.
pub(super) struct NewState {
    pub(super) numbers: Vec<u64>,
    /// Finished blocks that are not in it, and in no log.
    pub(super) done: Vec<(u64, BlockPlace)>,
}

impl Index {
    /// The newest segment, which is appended to.
    pub(super) fn newest(&self) -> Option<(u64, &SegmentIndex)> {
        self.segments.last_key_value().map(|(id, segment)| (*id, segment))
    }

    /// The number of the oldest unfinished block. A finished block counts until its end is synced.
    pub(super) fn oldest(&self) -> Option<u64> {
        let first = self.explicit.keys().next().copied().unwrap_or(u64::MAX);
        (self.messages > 0).then_some(first.min(self.cursor.number))
    }

    /// Whether another segment has to follow the newest one.
    pub(super) fn is_newest_full(&self) -> bool {
        self.newest().is_none_or(|(_, newest)| newest.length >= self.segment_bytes)
    }

    /// Whether so much was finished that a sync may free a segment.
    pub(super) fn has_much_unsynced(&self) -> bool {
        self.unsynced >= self.segment_bytes
    }

    fn on_disk(&self) -> u64 {
        self.segments.values().map(|segment| segment.length).sum()
    }

    /// Blocks were added to the newest segment, which is synced up to `length`.
    pub(super) fn added(&mut self, length: u64, blocks: &[NewBlock]) {
        let Some(mut newest) = self.segments.last_entry() else { return };
        let newest = newest.get_mut();
        newest.length = length;
        for block in blocks {
            newest.blocks += 1;
            newest.bytes += block.length;
            self.bytes += block.length;
            self.messages += u64::from(block.messages);
            self.next += 1;
        }
    }

    /// The block is finished.
    pub(super) fn done(&mut self, number: u64) {
        if let Some(place) = self.explicit.remove(&number) {
            self.less(&place);
            self.unsynced += place.length;
            self.done.push((number, place));
        }
    }

    fn less(&mut self, place: &BlockPlace) {
        self.bytes = self.bytes.saturating_sub(place.length);
        self.messages = self.messages.saturating_sub(place.messages);
    }

    /// How many finished blocks are not in the log yet.
    pub(super) fn count_done(&self) -> usize {
        self.done.len()
    }

    /// Whether some finished blocks would come again after a loss of power.
    pub(super) fn has_unsynced(&self) -> bool {
        !self.done.is_empty() || !self.logged.is_empty()
    }

    /// Takes the finished blocks, to be logged.
    pub(super) fn take_done(&mut self) -> Vec<(u64, BlockPlace)> {
        mem::take(&mut self.done)
    }

    /// Those were logged, not synced.
    pub(super) fn logged(&mut self, done: Vec<(u64, BlockPlace)>) {
        self.logged.extend(done);
    }

    /// They could not be logged. Those that were logged before still are, unless the segment cannot
    /// be appended to any more; the next one's state is then without them.
    pub(super) fn put_back(&mut self, done: Vec<(u64, BlockPlace)>) {
        self.done.extend(done);
    }

    /// All that was logged is synced, also `done`: segments without blocks are not needed any more.
    pub(super) fn synced(&mut self, done: Vec<(u64, BlockPlace)>) {
        for (_, place) in done.into_iter().chain(mem::take(&mut self.logged)) {
            leave(&mut self.segments, &place);
        }
        self.unsynced = 0;
        let newest = self.newest().map(|(id, _)| id);
        let dead = &mut self.dead;
        self.segments.retain(|id, one| {
            let is_needed = one.blocks > 0 || Some(*id) == newest;
            if !is_needed {
                dead.push(*id);
            }
            is_needed
        });
    }

    /// Finds the next block. An error names the missing ones.
    pub(super) fn next_block(&mut self) -> Result<NextBlock, String> {
        while let Some(number) = self.again.front() {
            match self.explicit.get(number) {
                Some(place) => return Ok(NextBlock::At(*number, *place)),
                None => _ = self.again.pop_front(),
            }
        }
        loop {
            let Cursor { number, segment, offset } = self.cursor;
            if let Some(here) = self.segments.get(&segment).filter(|here| offset < here.length) {
                return Ok(NextBlock::Behind { segment, offset, end: here.length, number });
            }
            let following = self.segments.range((Excluded(segment), Unbounded)).next();
            let first = following.map_or(self.next, |(_, following)| following.first);
            if number > first || self.finished.end_of(number) < first {
                return Err(format!("the blocks from {number} to {first} are missing"));
            }
            let Some((segment, following)) = following else { return Ok(NextBlock::None) };
            self.cursor = Cursor { number: first, segment: *segment, offset: following.start };
            self.finished.remove_below(first);
        }
    }

    /// Whether the block at the cursor is finished.
    pub(super) fn is_finished(&self, number: u64) -> bool {
        self.finished.contains(number)
    }

    /// The block was read.
    pub(super) fn was_read(&mut self, number: u64, place: BlockPlace) {
        if self.again.front() == Some(&number) {
            self.again.pop_front();
        } else {
            self.explicit.insert(number, place);
        }
    }

    /// The next block is at this offset or after it.
    pub(super) fn move_cursor(&mut self, number: u64, offset: u64) {
        self.cursor.number = number;
        self.cursor.offset = offset;
        self.finished.remove_below(number);
    }

    /// The place of an unfinished block that was read.
    pub(super) fn place(&self, number: u64) -> Option<BlockPlace> {
        self.explicit.get(&number).copied()
    }

    /// The blocks to be copied to a new segment, because so little of theirs is live. Nothing, if
    /// not much more is on disk than live blocks.
    pub(super) fn to_copy(&self) -> Vec<u64> {
        if self.on_disk() <= LIVE_PART * self.bytes + SLACK * self.segment_bytes {
            return Vec::new();
        }
        // Blocks that were not read yet stay where they are, in their order.
        let is_read = |id: u64, one: &SegmentIndex| {
            id < self.cursor.segment
                || (id == self.cursor.segment && self.cursor.offset >= one.length)
        };
        let mut sparse: Vec<_> = self.segments.iter().collect();
        sparse.retain(|(id, one)| is_read(**id, one) && LIVE_PART * one.bytes < one.length);
        sparse.sort_by_key(|(_, one)| one.bytes);
        let mut room = self.segment_bytes / 2;
        let chosen: Vec<_> = sparse
            .into_iter()
            .take_while(|(_, one)| {
                let has_room = one.bytes <= room;
                room = room.saturating_sub(one.bytes);
                has_room
            })
            .map(|(id, _)| *id)
            .collect();
        let in_those = self.explicit.iter().filter(|(_, place)| chosen.contains(&place.segment));
        in_those.map(|(number, _)| *number).collect()
    }

    /// The state for a new segment, which has some blocks of older ones at its start.
    pub(super) fn state(&mut self, id: u64, moved: &BTreeMap<u64, BlockPlace>) -> NewState {
        let done = self.take_done();
        let (mut segments, mut explicit) = (self.segments.clone(), self.explicit.clone());
        let (mut messages, mut bytes) = (self.messages, self.bytes);
        done.iter().chain(&self.logged).for_each(|(_, place)| leave(&mut segments, place));
        for (number, new) in moved {
            if let Some(place) = explicit.get_mut(number) {
                leave(&mut segments, place);
                messages = messages.saturating_sub(place.messages) + new.messages;
                bytes = bytes.saturating_sub(place.length) + new.length;
                *place = *new;
            }
        }
        segments.retain(|_, segment| segment.blocks > 0);
        let Cursor { number, segment, offset } = self.cursor;
        let mut numbers = vec![id, self.next, messages, bytes, number, segment, offset];
        numbers.push(segments.len() as u64);
        for (id, SegmentIndex { start, length, first, blocks, bytes }) in segments {
            numbers.extend([id, start, length, first, blocks, bytes]);
        }
        numbers.push(explicit.len() as u64);
        for (number, BlockPlace { segment, offset, length, messages }) in explicit {
            numbers.extend([number, segment, offset, length, messages]);
        }
        let finished: Vec<_> = self.finished.iter().collect();
        numbers.push(finished.len() as u64);
        finished.iter().for_each(|range| numbers.extend([range.start, range.end]));
        NewState { numbers, done }
    }

    /// A new segment exists, synced up to `length`, with the state that was made for it.
    pub(super) fn began(
        &mut self,
        id: u64,
        start: u64,
        length: u64,
        moved: BTreeMap<u64, BlockPlace>,
        done: Vec<(u64, BlockPlace)>,
    ) {
        let mut new = SegmentIndex { start, length, first: self.next, blocks: 0, bytes: 0 };
        for (number, place) in moved {
            // A block that has been finished meanwhile is logged with its old place.
            let Some(old) = self.place(number) else { continue };
            self.explicit.insert(number, place);
            leave(&mut self.segments, &old);
            self.less(&old);
            self.messages += place.messages;
            self.bytes += place.length;
            new.blocks += 1;
            new.bytes += place.length;
        }
        self.segments.insert(id, new);
        self.synced(done);
    }
}

/// A block does not count for its segment any more.
fn leave(segments: &mut BTreeMap<u64, SegmentIndex>, place: &BlockPlace) {
    if let Some(segment) = segments.get_mut(&place.segment) {
        segment.blocks = segment.blocks.saturating_sub(1);
        segment.bytes = segment.bytes.saturating_sub(place.length);
    }
}
