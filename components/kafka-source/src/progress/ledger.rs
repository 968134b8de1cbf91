//! The messages of one partition that were sent, and which of them have ended.
use std::{collections::VecDeque, ops::Range};

/// The outcomes of a partition's messages, in the order of their offsets.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Sent batches from the first one on that has not ended.
    batches: VecDeque<Sent>,
    /// The offset after the last message that was sent.
    end: Option<u64>,
    /// How many messages have no outcome yet.
    open: usize,
}

/// A batch on its way.
#[derive(Debug)]
struct Sent {
    token: u64,
    offsets: Vec<u64>,
    fates: Vec<Fate>,
    /// All before this place have ended for good.
    ended: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// It comes again.
    Returned,
    Ended,
}

impl Ledger {
    /// A batch goes out. Tokens and offsets grow.
    pub(crate) fn send(&mut self, token: u64, offsets: Vec<u64>) {
        let Some(last) = offsets.last() else { return };
        self.end = Some(last + 1);
        self.open += offsets.len();
        let fates = vec![Fate::Open; offsets.len()];
        self.batches.push_back(Sent { token, offsets, fates, ended: 0 });
    }

    /// Messages of a batch have ended: for good, or they come again.
    pub(crate) fn settle(&mut self, token: u64, places: Range<u32>, is_final: bool) {
        let Ok(found) = self.batches.binary_search_by_key(&token, |sent| sent.token) else {
            return;
        };
        let sent = &mut self.batches[found];
        let places = places.start as usize..(places.end as usize).min(sent.fates.len());
        for fate in sent.fates.get_mut(places).into_iter().flatten() {
            if *fate == Fate::Open {
                self.open -= 1;
                *fate = if is_final { Fate::Ended } else { Fate::Returned };
            }
        }
        while let Some(first) = self.batches.front_mut() {
            let rest = first.fates[first.ended..].iter();
            first.ended += rest.take_while(|fate| **fate == Fate::Ended).count();
            if first.ended < first.fates.len() {
                break;
            }
            self.batches.pop_front();
        }
    }

    /// The offset from which on messages have to come again. `None` if nothing was sent.
    pub(crate) fn position(&self) -> Option<u64> {
        match self.batches.front() {
            Some(first) => Some(first.offsets[first.ended]),
            None => self.end,
        }
    }

    /// How many messages have no outcome yet.
    pub(crate) fn open(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_position_is_the_first_that_has_not_ended() {
        let mut ledger = Ledger::default();
        assert_eq!((ledger.position(), ledger.open()), (None, 0));
        ledger.send(1, vec![10, 11, 14]);
        ledger.send(3, vec![20]);
        assert_eq!((ledger.position(), ledger.open()), (Some(10), 4));
        ledger.settle(3, 0..1, true);
        ledger.settle(1, 1..3, true);
        assert_eq!((ledger.position(), ledger.open()), (Some(10), 1));
        ledger.settle(1, 0..1, true);
        assert_eq!((ledger.position(), ledger.open()), (Some(21), 0));
    }

    #[test]
    fn a_message_that_was_returned_is_never_passed() {
        let mut ledger = Ledger::default();
        ledger.send(1, vec![0, 1, 2]);
        ledger.settle(1, 1..2, false);
        ledger.settle(1, 0..3, true);
        assert_eq!((ledger.position(), ledger.open()), (Some(1), 0));
        // Unknown tokens and places are no one's.
        ledger.settle(7, 0..3, true);
        ledger.settle(1, 2..9, true);
        assert_eq!(ledger.position(), Some(1));
    }

    proptest! {
        #[test]
        fn a_commit_never_passes_an_unsettled_offset(
            batches in prop::collection::vec((1u64..4, prop::collection::vec(1u64..5, 1..6)), 1..8),
            order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
        ) {
            let (mut ledger, mut model) = (Ledger::default(), BTreeMap::new());
            let (mut token, mut offset, mut places) = (0, 0, Vec::new());
            for (step, gaps) in batches {
                token += step;
                let offsets: Vec<u64> = gaps.iter().map(|gap| { offset += gap; offset }).collect();
                for (place, offset) in offsets.iter().enumerate() {
                    model.insert(*offset, None);
                    places.push((token, place as u32, *offset));
                }
                ledger.send(token, offsets);
            }
            let mut before = ledger.position();
            for (which, is_final) in order {
                let (token, place, offset) = *which.get(&places);
                ledger.settle(token, place..place + 1, is_final);
                model.entry(offset).and_modify(|it: &mut Option<bool>| *it = it.or(Some(is_final)));
                let first = model.iter().find(|(_, fate)| **fate != Some(true)).map(|it| *it.0);
                let wanted = first.unwrap_or(offset_after(&model));
                prop_assert_eq!(ledger.position(), Some(wanted));
                prop_assert!(ledger.position() >= before);
                before = ledger.position();
                let open = model.values().filter(|fate| fate.is_none()).count();
                prop_assert_eq!(ledger.open(), open);
            }
        }
    }

    fn offset_after(model: &BTreeMap<u64, Option<bool>>) -> u64 {
        model.last_key_value().map_or(0, |(last, _)| last + 1)
    }
}
