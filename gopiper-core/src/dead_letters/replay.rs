//! Dead letters as a source: reads them again, and marks them when their messages have ended.
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    path::PathBuf,
};

use gopiper_abi::{Error, Outcome, Postponed, Produced, Source, own, raw::client::FactoryHandle};
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
}

impl Source for Replay {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        if self.entries.is_empty() && !self.read_next()? {
            return Ok(Produced::FINISHED);
        }
        let count = self.entries.len().min(credit.clamp(1, BATCH));
        let (mut batch, mut offsets) = (self.postponed.batch(), Vec::with_capacity(count));
        for entry in self.entries.drain(..count) {
            offsets.push(entry.offset);
            if batch.push(entry.letter.message()).is_err() {
                return Err(Error::new("a batch is smaller than it is made"));
            }
        }
        self.tokens += 1;
        self.sent.insert(self.tokens, (self.markers.len() - 1, offsets));
        self.postponed.send_tracked(batch, self.tokens)?;
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
                "cannot mark replayed dead letters, which will be replayed again: \
                                {error}"
            ));
        }
    }
}
