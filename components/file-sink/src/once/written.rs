//! The messages that earlier runs have written and that may come again.
use std::collections::{HashMap, HashSet};

use gopiper_abi::raw::IdentityRun;

use super::record::WrittenRun;

#[derive(Debug, Default)]
pub(super) struct Written(HashMap<String, OfOrigin>);

/// Of one origin.
#[derive(Debug, Default)]
struct OfOrigin {
    /// Messages as their source sent them: their numbers, in order once all are there.
    whole: Vec<u64>,
    /// Messages made from others.
    made: HashSet<(u64, Vec<u32>)>,
}

impl Written {
    pub(super) fn add(&mut self, run: &WrittenRun) {
        let of_origin = self.0.entry(run.origin.clone()).or_default();
        for (number, ordinals) in run.each() {
            match ordinals {
                [] => of_origin.whole.push(number),
                ordinals => _ = of_origin.made.insert((number, ordinals.to_vec())),
            }
        }
    }

    /// All are there.
    pub(super) fn sorted(mut self) -> Self {
        for of_origin in self.0.values_mut() {
            of_origin.whole.sort_unstable();
            of_origin.whole.dedup();
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the message at this place of a run is among them.
    pub(super) fn has(&self, run: &IdentityRun, place: usize) -> bool {
        let of_origin = if run.origin.is_empty() { None } else { self.0.get(&*run.origin) };
        let (Some(of_origin), Some(number)) = (of_origin, run.numbers.get(place)) else {
            return false;
        };
        match run.ordinals.get(place).map_or(&[][..], |all| all) {
            [] => of_origin.whole.binary_search(number).is_ok(),
            ordinals => of_origin.made.contains(&(*number, ordinals.to_vec())),
        }
    }

    /// Forgets those that do not come again: their numbers are smaller than what is `settled` of
    /// their origin.
    pub(super) fn prune(&mut self, settled: impl Fn(&str) -> u64) {
        self.0.retain(|origin, OfOrigin { whole, made }| {
            let below = settled(origin);
            whole.drain(..whole.partition_point(|number| *number < below));
            made.retain(|(number, _)| *number >= below);
            !(whole.is_empty() && made.is_empty())
        });
    }
}
