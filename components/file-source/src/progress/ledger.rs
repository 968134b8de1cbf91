//! The messages of each file that are under way, and so how far the file has gone through.
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    iter, mem,
    ops::Range,
    path::Path,
};

use gopiper_abi::{
    Identity, Positions,
    raw::{Identities, IdentityRun},
};

use crate::{
    files::{
        found::{Index, is_in_place},
        identity::{Fingerprint, Inode, Mark},
    },
    progress::{beyond::Beyond, checkpoint::Entry},
};

/// For so long a file that is not there any more is remembered, in nanoseconds: a week.
const REMEMBERED: i64 = 7 * 24 * 3600 * 1_000_000_000;

/// The messages of all files that are under way.
#[derive(Default)]
pub(crate) struct Ledger {
    files: BTreeMap<u64, Progress>,
    /// Of which file each batch under way is.
    batches: HashMap<u64, u64>,
    /// The remembered details of files that no reader has open just now.
    known: Vec<Entry>,
    last_number: u64,
    last_token: u64,
    /// What the identities of all messages begin with.
    origin: String,
    /// A file has other content than the checkpoint knows. Until that is on disk its messages have
    /// no identity: after a kill, the next content could get the same.
    pub(crate) is_replaced: bool,
    /// Whether something has changed since the last [`Ledger::entries`].
    pub(crate) changed: bool,
}

/// The messages of one file that are under way.
struct Progress {
    entry: Entry,
    batches: VecDeque<Open>,
    /// Bytes that lie before places that have not gone through, and the last that have.
    marks: VecDeque<(u64, Vec<u8>)>,
    /// No reader has it open any more.
    closed: bool,
    /// The log already says that some lines that went through out of order are not remembered.
    is_bound_said: bool,
}

/// A batch that has not ended whole.
struct Open {
    token: u64,
    /// The place in the file where each message ends.
    ends: Vec<u64>,
    /// So many from the first on have ended.
    prefix: u32,
    /// The messages that have ended after those: each range's start, and its end.
    behind: BTreeMap<u32, u32>,
}

impl Ledger {
    pub(crate) fn new(known: Vec<Entry>, origin: String) -> Self {
        Ledger { known, origin, ..Ledger::default() }
    }

    /// Takes the remembered details of files that this one may be: they were the same inode.
    pub(crate) fn claim(&mut self, inode: Inode, path: &Path, born: Option<i64>) -> Vec<Entry> {
        let may_be = |entry: &Entry| entry.may_be(inode, path, born);
        let same = |file: &Progress| file.closed && may_be(&file.entry);
        let closed: Vec<_> = self.files.iter().filter(|(_, f)| same(f)).map(|(n, _)| *n).collect();
        let mut claimed: Vec<_> = closed.into_iter().filter_map(|n| self.forget(n)).collect();
        let known = mem::take(&mut self.known);
        let (known, others) = known.into_iter().partition(may_be);
        self.known = others;
        claimed.extend::<Vec<_>>(known);
        claimed
    }

    /// A file is read from where its entry says; returns the number under which it is known here.
    /// `is_replaced`: its content is another one than the checkpoint knows.
    pub(crate) fn open(&mut self, entry: Entry, is_replaced: bool) -> u64 {
        self.last_number += 1;
        self.is_replaced |= is_replaced;
        let (batches, marks) = (VecDeque::new(), VecDeque::new());
        let (closed, is_bound_said) = (false, false);
        let progress = Progress { entry, batches, marks, closed, is_bound_said };
        self.files.insert(self.last_number, progress);
        self.changed = true;
        self.last_number
    }

    /// The places in their file where the messages of a batch begin that end there.
    pub(crate) fn starts(&self, number: u64, ends: &[u64]) -> Vec<u64> {
        let mut starts = Vec::with_capacity(ends.len());
        starts.extend(self.files.get(&number).map(Progress::sent_to));
        starts.extend(ends.iter().take(ends.len().saturating_sub(1)));
        starts
    }

    /// The positions of messages of this file that begin and end there. The places where they end
    /// identify them: an unfinished line that has grown is another one.
    pub(crate) fn positions(
        &self,
        number: u64,
        starts: Vec<u64>,
        ends: Vec<u64>,
    ) -> Option<Positions> {
        let entry = &self.files.get(&number)?.entry;
        let origin = if self.is_replaced { None } else { entry.origin(&self.origin) };
        let mut ids = Identities::default();
        if let Some(origin) = origin {
            // A line that was refused before its end was seen has none.
            let is_open_ended = |(start, end): (&u64, &u64)| start == end;
            if starts.iter().zip(&ends).any(is_open_ended) {
                for (start, end) in starts.iter().zip(ends) {
                    let id = (*start < end).then(|| Identity::new(&*origin, end));
                    ids.push(id.as_ref());
                }
            } else {
                let (count, numbers) = (ends.len() as u32, ends.into());
                let origin = origin.into();
                ids.push_run(IdentityRun { origin, count, numbers, ..IdentityRun::default() });
            }
        }
        let positions = Positions::listed(entry.path.to_string_lossy(), "byte", starts);
        Some(positions.with_identities(ids))
    }

    /// Which of the messages that begin and end there have gone through already; `None` if none
    /// has.
    pub(crate) fn are_done(&self, number: u64, starts: &[u64], ends: &[u64]) -> Option<Vec<bool>> {
        let beyond = self.files.get(&number)?.entry.beyond.as_ref()?;
        let places = starts.iter().zip(ends);
        let are_done: Vec<_> = places.map(|(start, end)| beyond.has(&(*start..*end))).collect();
        are_done.contains(&true).then_some(are_done)
    }

    /// A batch whose messages end there goes on its way; returns the token to send it with.
    pub(crate) fn sent(&mut self, number: u64, ends: Vec<u64>) -> u64 {
        self.last_token += 1;
        let token = self.last_token;
        if let Some(file) = self.files.get_mut(&number) {
            self.batches.insert(token, number);
            file.batches.push_back(Open { token, ends, prefix: 0, behind: BTreeMap::new() });
        }
        token
    }

    /// All before this place was sent, or is of no interest.
    pub(crate) fn passed(&mut self, number: u64, place: u64) {
        let Some(file) = self.files.get_mut(&number) else { return };
        let last = file.batches.back_mut().and_then(|batch| batch.ends.last_mut());
        let end = last.unwrap_or(&mut file.entry.offset);
        self.changed |= *end < place;
        *end = place.max(*end);
    }

    /// These bytes lie before a place up to which all was sent, in a file that is so long.
    pub(crate) fn marked(&mut self, number: u64, place: u64, bytes: &[u8], length: u64) {
        let Some(file) = self.files.get_mut(&number) else { return };
        file.entry.length = Some(length);
        if !bytes.is_empty() {
            file.marks.push_back((place, bytes.to_vec()));
            file.forget_marks();
        }
    }

    /// These messages have ended for good.
    pub(crate) fn settled(&mut self, token: u64, places: Range<u32>) {
        let number = self.batches.get(&token);
        let Some(file) = number.and_then(|number| self.files.get_mut(number)) else { return };
        let Ok(batch) = file.batches.binary_search_by_key(&token, |batch| batch.token) else {
            return;
        };
        file.batches[batch].settled(places);
        while file.batches.front().is_some_and(Open::is_whole) {
            let Some(batch) = file.batches.pop_front() else { break };
            self.batches.remove(&batch.token);
            file.entry.offset = batch.end().unwrap_or(file.entry.offset);
        }
        let begun = file.batches.front().and_then(Open::end);
        file.entry.offset = begun.unwrap_or(file.entry.offset);
        file.forget_marks();
        self.changed = true;
    }

    /// More is known of how it begins.
    pub(crate) fn set_fingerprint(&mut self, number: u64, fingerprint: Fingerprint) {
        if let Some(file) = self.files.get_mut(&number) {
            file.entry.fingerprint = fingerprint;
            self.changed = true;
        }
    }

    pub(crate) fn set_path(&mut self, number: u64, path: &Path, real: Option<&Path>) {
        if let Some(file) = self.files.get_mut(&number) {
            path.clone_into(&mut file.entry.path);
            file.entry.real = real.map(Path::to_owned);
        }
    }

    /// The file is not read any further: because it `ended` and is gone, or for now. Its messages
    /// that are under way still count.
    pub(crate) fn close(&mut self, number: u64, now: i64, ended: bool) {
        if let Some(file) = self.files.get_mut(&number) {
            file.closed = true;
            file.entry.ended = ended;
            file.entry.seen = now;
            self.changed = true;
        }
        self.keep_closed();
    }

    /// Its outcomes do not matter from here on. Returns how far it had gone through.
    pub(crate) fn forget(&mut self, number: u64) -> Option<Entry> {
        let mut file = self.files.remove(&number)?;
        file.complete_entry();
        for batch in file.batches {
            self.batches.remove(&batch.token);
        }
        self.changed = true;
        Some(file.entry)
    }

    /// Notes that files which are not being read are still there, if `is_there` says so.
    pub(crate) fn saw(&mut self, is_there: impl Fn(&Entry) -> bool, now: i64) {
        self.known.iter_mut().filter(|entry| is_there(entry)).for_each(|e| e.seen = now);
    }

    /// The remembered details of files that no reader has open just now.
    pub(crate) fn known(&self) -> &[Entry] {
        &self.known
    }

    /// The files that are not being read and were not found. Each is returned once.
    pub(crate) fn missing(&mut self, found: &Index<'_>) -> Vec<Entry> {
        let is_gone = |entry: &&mut Entry| !entry.ended && !found.has(entry) && !is_in_place(entry);
        let gone = self.known.iter_mut().filter(is_gone);
        let gone = gone.map(|entry| {
            entry.ended = true;
            entry.clone()
        });
        let gone: Vec<_> = gone.collect();
        self.changed |= !gone.is_empty();
        gone
    }

    /// How far all files have gone through.
    pub(crate) fn entries(&mut self, now: i64) -> Vec<Entry> {
        self.changed = false;
        self.keep_closed();
        self.known.retain(|entry| now.saturating_sub(entry.seen) < REMEMBERED);
        let mut entries = self.known.clone();
        entries.extend(self.files.values_mut().map(|file| {
            if !file.closed {
                file.entry.seen = now;
            }
            file.complete_entry();
            file.entry.clone()
        }));
        entries
    }

    /// A file that no reader has open any more and that has all gone through needs no place of its
    /// own.
    fn keep_closed(&mut self) {
        let done = |file: &Progress| file.closed && file.batches.is_empty();
        self.files.values_mut().filter(|file| done(file)).for_each(Progress::complete_entry);
        self.known.extend(self.files.values().filter(|file| done(file)).map(|f| f.entry.clone()));
        self.files.retain(|_, file| !done(file));
    }
}

impl Progress {
    /// Of the places that have gone through, the last is enough.
    fn forget_marks(&mut self) {
        let offset = self.entry.offset;
        while self.marks.get(1).is_some_and(|(place, _)| *place <= offset) {
            self.marks.pop_front();
        }
    }

    /// All before this place was sent, or has gone through.
    fn sent_to(&self) -> u64 {
        let last = self.batches.back().and_then(|batch| batch.ends.last());
        last.copied().unwrap_or(self.entry.offset)
    }

    /// Writes into the entry what there is to remember beside the offset.
    fn complete_entry(&mut self) {
        self.set_beyond();
        let is_due = self.marks.front().is_some_and(|(place, _)| *place <= self.entry.offset);
        if let Some((place, bytes)) = is_due.then(|| self.marks.pop_front()).flatten() {
            self.entry.mark = Some(Mark::of(place, &bytes));
        }
    }

    fn set_beyond(&mut self) {
        let known = self.entry.beyond.take();
        let mut ranges = Vec::new();
        let (mut start, mut is_open_ended) = (self.entry.offset, false);
        for batch in &self.batches {
            // A line was refused before its end was seen. The start of the message after it is
            // unknown, and its range could cover that line. So this message does not count as done,
            // and may come again.
            let first = batch.ends.first().copied().filter(|_| is_open_ended);
            ranges.extend(batch.done(first.unwrap_or(start)).filter(|range| !range.is_empty()));
            let last = batch.ends.last().copied().unwrap_or(start);
            let before = batch.ends.len().checked_sub(2).map_or(start, |place| batch.ends[place]);
            is_open_ended = last == before;
            start = last;
        }
        let last = self.marks.back().map(|(place, bytes)| Mark::of(*place, bytes));
        let known_mark = known.as_ref().and_then(Beyond::mark).cloned();
        let mark = [last, known_mark].into_iter().flatten().max_by_key(|mark| mark.end);
        ranges.extend(known.iter().flat_map(Beyond::ranges).cloned());
        let (beyond, left_out) = Beyond::new(ranges, self.entry.offset, mark);
        self.entry.beyond = beyond;
        if left_out > 0 && !std::mem::replace(&mut self.is_bound_said, true) {
            log::warn!(
                "{}: messages were finished out of order in too many places to remember: after a \
                 restart some of them come again",
                self.entry.path.display()
            );
        }
    }
}

impl Open {
    fn settled(&mut self, places: Range<u32>) {
        if places.start != self.prefix {
            self.behind.insert(places.start, places.end);
            return;
        }
        self.prefix = places.end;
        while let Some(end) = self.behind.remove(&self.prefix) {
            self.prefix = end;
        }
    }

    /// The ranges of bytes whose messages have ended, if the first one begins there.
    fn done(&self, start: u64) -> impl Iterator<Item = Range<u64>> {
        let behind = self.behind.iter().map(|(from, to)| (*from as usize, *to as usize));
        let places = iter::once((0, self.prefix as usize)).chain(behind);
        let places = places.filter(|(from, to)| from < to);
        places.map(move |(from, to)| {
            let from = from.checked_sub(1).map_or(start, |before| self.ends[before]);
            from..self.ends[to - 1]
        })
    }

    fn is_whole(&self) -> bool {
        self.prefix as usize == self.ends.len()
    }

    /// The end of the last message before which all have ended.
    fn end(&self) -> Option<u64> {
        (self.prefix as usize).checked_sub(1).map(|last| self.ends[last])
    }
}
