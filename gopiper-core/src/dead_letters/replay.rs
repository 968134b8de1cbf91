//! Dead letters as a source: reads them again, and marks them when their messages have ended.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    path::PathBuf,
};

use gopiper_abi::{
    Error, Outcome, Positions, Postponed, Produced, Source, own,
    raw::{Identities, client::FactoryHandle},
};
use parking_lot::Mutex;

use super::{SegmentReader, StoredLetter, done, marks::Marker};

/// How many letters are sent at once.
const BATCH: usize = 64;

/// The letters of one component of one pipeline that were not replayed yet.
struct Replay {
    pipeline: String,
    component: String,
    segments: VecDeque<PathBuf>,
    markers: Vec<Marker>,
    /// Letters of the segment that is being read; its marker is the last.
    entries: VecDeque<StoredLetter>,
    /// The letters sent under a token: their marker, and their offsets.
    sent: BTreeMap<u64, (usize, Vec<u64>)>,
    tokens: u64,
    /// How many letters were sent.
    replayed: u64,
    postponed: Postponed,
}

/// A source of the letters in these segments with which `component` of `pipeline` failed.
pub(crate) fn replay(segments: Vec<PathBuf>, pipeline: String, component: String) -> FactoryHandle {
    let segments = Mutex::new(VecDeque::from(segments));
    own::source("replay", move |postponed| {
        Ok(Replay {
            pipeline: pipeline.clone(),
            component: component.clone(),
            segments: std::mem::take(&mut segments.lock()),
            markers: Vec::new(),
            entries: VecDeque::new(),
            sent: BTreeMap::new(),
            tokens: 0,
            replayed: 0,
            postponed,
        })
    })
}

impl Replay {
    /// Reads the next segment that has letters for us; false if there is none.
    fn read_next(&mut self) -> Result<bool, Error> {
        while let Some(segment) = self.segments.pop_front() {
            let failed = |error| Error::new(format!("{}: {error}", segment.display()));
            // Locked first, so that no other process replays the same letters.
            let marker = Marker::open(&segment).map_err(failed)?;
            let done = done(&segment).map_err(failed)?;
            let ours = |entry: &StoredLetter| {
                entry.letter.pipeline == self.pipeline
                    && entry.letter.component == self.component
                    && !done.contains(&entry.offset)
            };
            let reader = SegmentReader::open(&segment).map_err(failed)?;
            self.entries = reader.flatten().filter(ours).collect();
            if !self.entries.is_empty() {
                self.markers.push(marker);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many of the next letters are sent together, at most `limit`: a batch has positions in
    /// one input. Returns those, too, with the identities.
    fn first_of_one_input(&self, limit: usize) -> (usize, Positions) {
        let mut all = self.entries.iter().take(limit).map(|entry| parsed(&entry.letter.position));
        let (count, positions) = match all.next() {
            Some(Some((first, (input, unit)))) => {
                let alike = all.map_while(|one| one.filter(|(_, of)| *of == (input, unit)));
                let numbers = [first].into_iter().chain(alike.map(|(number, _)| number));
                let numbers: Vec<_> = numbers.collect();
                (numbers.len(), Positions::listed(input, interned(unit), numbers))
            }
            _ => {
                let count = 1 + all.take_while(Option::is_none).count();
                (count, Positions::counted("replayed letters", "letter", self.replayed + 1))
            }
        };
        let mut ids = Identities::default();
        for entry in self.entries.iter().take(count) {
            ids.push(entry.letter.identity.parse().ok().as_ref());
        }
        (count, positions.with_identities(ids))
    }
}

/// The parts of a position in words (see [`Positions::of_message`]): the number, and the input with
/// the unit. `None` if it has other words.
fn parsed(position: &str) -> Option<(u64, (&str, &str))> {
    let (input, counted) = position.rsplit_once(", ")?;
    let (unit, number) = counted.rsplit_once(' ')?;
    let number = number.parse::<u64>().ok().filter(|parsed| parsed.to_string() == number)?;
    Some((number, (input, unit)))
}

/// A unit for as long as the program runs. There are few.
fn interned(unit: &str) -> &'static str {
    static UNITS: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut units = UNITS.lock();
    if let Some(known) = units.get(unit) {
        return known;
    }
    let unit: &'static str = unit.to_owned().leak();
    units.insert(unit);
    unit
}

impl Source for Replay {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        if self.entries.is_empty() && !self.read_next()? {
            return Ok(Produced::FINISHED);
        }
        let (count, positions) = self.first_of_one_input(credit.clamp(1, BATCH));
        let (mut batch, mut offsets) = (self.postponed.batch(), Vec::with_capacity(count));
        for entry in self.entries.drain(..count) {
            offsets.push(entry.offset);
            if batch.push(entry.letter.message()).is_err() {
                return Err(Error::new("a batch is smaller than it is made"));
            }
        }
        self.tokens += 1;
        self.sent.insert(self.tokens, (self.markers.len() - 1, offsets));
        self.replayed += count as u64;
        self.postponed.send_located(batch, Some(self.tokens), positions)?;
        Ok(Produced::MORE)
    }

    /// A message that has failed again is a new letter, so the old one has ended, too.
    fn settled(&mut self, token: u64, indices: Range<u32>, outcome: Outcome) {
        let Some((marker, offsets)) = self.sent.get(&token).filter(|_| outcome.is_final()) else {
            return;
        };
        let offsets = &offsets[indices.start as usize..indices.end as usize];
        if let Err(error) = self.markers[*marker].mark(offsets.iter().copied()) {
            let host = self.postponed.host();
            host.fail(&format!(
                "cannot mark replayed dead letters, which will be replayed again: {error}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_position_are_read_as_they_were_written() {
        for (input, unit, number) in [
            ("/var/log/a, b.log", "byte", 0),
            ("standard input", "message", u64::MAX),
            ("", "a b", 7),
        ] {
            let words = Positions::listed(input, interned(unit), vec![number]).of_message(0);
            assert_eq!(parsed(&words), Some((number, (input, unit))));
        }
        for words in ["", "a", "a, b", "a, b c", "a, byte 07", "a, byte -1"] {
            assert_eq!(parsed(words), None, "{words}");
        }
    }
}
