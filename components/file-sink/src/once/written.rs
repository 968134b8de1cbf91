//! The messages in the files that may come again.
use std::collections::{BTreeMap, HashMap};

use gopiper_abi::raw::IdentityRun;

use super::record::WrittenRun;

/// How many messages of an origin are kept whose source does not say what is settled.
const MOST_UNSETTLED: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Written(HashMap<String, OfOrigin>);

/// Of one origin, each with the checksum of its bytes.
#[derive(Debug, Default)]
pub(super) struct OfOrigin {
    /// Messages as their source sent them, by number.
    whole: Vec<(u64, u32)>,
    /// Messages made from others.
    made: BTreeMap<(u64, Vec<u32>), u32>,
}

/// Whether a message is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenBefore {
    Not,
    Same,
    /// One with its identity is, with other bytes.
    WithOtherBytes,
}

impl Written {
    pub(super) fn of(&self, origin: &str) -> Option<&OfOrigin> {
        self.0.get(origin)
    }

    pub(super) fn add(&mut self, run: &WrittenRun) {
        if !self.0.contains_key(&run.origin) {
            self.0.insert(run.origin.clone(), OfOrigin::default());
        }
        let Some(of_origin) = self.0.get_mut(&run.origin) else { return };
        for (number, ordinals, sum) in run.each() {
            match ordinals {
                [] => of_origin.add(number, sum),
                ordinals => _ = of_origin.made.insert((number, ordinals.to_vec()), sum),
            }
        }
    }

    /// Forgets those that do not come again: their numbers are smaller than what is `settled` of
    /// their origin.
    /// Of an origin whose source does not say that, the newest are kept.
    pub(super) fn prune(&mut self, settled: impl Fn(&str) -> u64) {
        self.0.retain(|origin, OfOrigin { whole, made }| {
            let below = match settled(origin) {
                0 if whole.len() > MOST_UNSETTLED => whole[whole.len() / 2].0,
                below => below,
            };
            whole.drain(..whole.partition_point(|(number, _)| *number < below));
            *made = made.split_off(&(below, Vec::new()));
            !(whole.is_empty() && made.is_empty())
        });
    }
}

impl OfOrigin {
    fn add(&mut self, number: u64, sum: u32) {
        // Mostly each is behind the one before.
        if self.whole.last().is_none_or(|(last, _)| *last < number) {
            return self.whole.push((number, sum));
        }
        match self.whole.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => self.whole[at].1 = sum,
            Err(at) => self.whole.insert(at, (number, sum)),
        }
    }

    /// Whether the message at this place of a run, whose bytes have this checksum, is among them.
    pub(super) fn before(&self, run: &IdentityRun, place: usize, sum: u32) -> WrittenBefore {
        let Some(number) = run.numbers.get(place) else { return WrittenBefore::Not };
        let known = match run.ordinals.get(place).map_or(&[][..], |all| all) {
            [] if self.whole.last().is_none_or(|(last, _)| last < number) => None,
            [] => {
                let at = self.whole.binary_search_by_key(number, |(number, _)| *number);
                at.ok().map(|at| self.whole[at].1)
            }
            ordinals => self.made.get(&(*number, ordinals.to_vec())).copied(),
        };
        match known {
            None => WrittenBefore::Not,
            Some(known) if known == sum => WrittenBefore::Same,
            Some(_) => WrittenBefore::WithOtherBytes,
        }
    }
}
