//! The partitions that this member has, each with its ledger.
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use super::ledger::Ledger;

/// A partition, for as long as this member has it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// For people.
    pub(crate) name: String,
    /// In identities.
    pub(crate) origin: String,
    /// Tells apart the times for which a member has the same partition.
    term: u64,
}

#[derive(Debug)]
struct Held {
    place: Arc<Place>,
    ledger: Ledger,
    /// The group knows this position.
    committed: Option<u64>,
    /// It goes to another member: no more of its messages are sent.
    is_leaving: bool,
}

/// The partitions that this member has.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    cluster: String,
    held: BTreeMap<(String, i32), Held>,
    /// The partitions of batches under way, with how many of their messages have no outcome.
    batches: HashMap<u64, (Arc<Place>, usize)>,
    last_term: u64,
    last_token: u64,
}

impl Partitions {
    /// `cluster` begins the origins of identities.
    pub(crate) fn new(cluster: String) -> Self {
        Partitions { cluster, ..Self::default() }
    }

    /// This member gets a partition. One that it had before begins anew.
    pub(crate) fn assign(&mut self, topic: &str, partition: i32) {
        self.last_term += 1;
        let place = Arc::new(Place {
            topic: topic.to_owned(),
            partition,
            name: format!("{topic}/{partition}"),
            origin: format!("kafka/{}/{topic}/{partition}", self.cluster),
            term: self.last_term,
        });
        let ledger = Ledger::default();
        let held = Held { place, ledger, committed: None, is_leaving: false };
        self.held.insert((topic.to_owned(), partition), held);
    }

    /// The partition, if messages of it may be sent.
    pub(crate) fn place(&self, topic: &str, partition: i32) -> Option<Arc<Place>> {
        let held = self.held.get(&(topic.to_owned(), partition))?;
        (!held.is_leaving).then(|| held.place.clone())
    }

    /// Whether messages of it may be sent.
    pub(crate) fn is_held(&self, place: &Place) -> bool {
        self.of(place).is_some_and(|held| !held.is_leaving)
    }

    fn of(&self, place: &Place) -> Option<&Held> {
        let held = self.held.get(&(place.topic.clone(), place.partition))?;
        (held.place.term == place.term).then_some(held)
    }

    fn of_mut(&mut self, place: &Place) -> Option<&mut Held> {
        let held = self.held.get_mut(&(place.topic.clone(), place.partition))?;
        (held.place.term == place.term).then_some(held)
    }

    /// A batch of this partition goes out; returns its token.
    pub(crate) fn send(&mut self, place: &Arc<Place>, offsets: Vec<u64>) -> u64 {
        self.last_token += 1;
        let token = self.last_token;
        self.batches.insert(token, (place.clone(), offsets.len()));
        if let Some(held) = self.of_mut(place) {
            held.ledger.send(token, offsets);
        }
        token
    }

    /// Messages of a batch have ended.
    pub(crate) fn settle(&mut self, token: u64, places: Range<u32>, is_final: bool) {
        let Some((place, left)) = self.batches.get_mut(&token) else { return };
        *left = left.saturating_sub(places.len());
        let (place, is_over) = (place.clone(), *left == 0);
        if is_over {
            self.batches.remove(&token);
        }
        // Messages of an earlier term come again, whatever became of them.
        if let Some(held) = self.of_mut(&place) {
            held.ledger.settle(token, places, is_final);
        }
    }

    /// These go to another member.
    pub(crate) fn leave(&mut self, partitions: &[(String, i32)]) {
        for key in partitions {
            if let Some(held) = self.held.get_mut(key) {
                held.is_leaving = true;
            }
        }
    }

    /// These are gone.
    pub(crate) fn drop(&mut self, partitions: &[(String, i32)]) {
        for key in partitions {
            self.held.remove(key);
        }
    }

    /// How many messages of these have no outcome yet.
    pub(crate) fn open(&self, partitions: &[(String, i32)]) -> usize {
        partitions.iter().filter_map(|key| self.held.get(key)).map(|held| held.ledger.open()).sum()
    }

    /// The positions that the group does not know yet. With the first message, that is where the
    /// partition was begun.
    pub(crate) fn to_commit(&self) -> Vec<(Arc<Place>, u64)> {
        let positions = self.held.values().filter_map(|held| {
            let position = held.ledger.position()?;
            (held.committed.is_none_or(|it| it < position)).then(|| (held.place.clone(), position))
        });
        positions.collect()
    }

    /// The group knows this position.
    pub(crate) fn committed(&mut self, place: &Place, position: u64) {
        if let Some(held) = self.of_mut(place) {
            held.committed = held.committed.max(Some(position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> Partitions {
        let mut partitions = Partitions::new("c".into());
        partitions.assign("t", 0);
        partitions.assign("t", 1);
        partitions
    }

    fn positions(partitions: &Partitions) -> Vec<(String, u64)> {
        partitions.to_commit().into_iter().map(|(place, at)| (place.name.clone(), at)).collect()
    }

    #[test]
    fn each_partition_is_committed_by_itself() {
        let mut partitions = partitions();
        let (a, b) = (partitions.place("t", 0).unwrap(), partitions.place("t", 1).unwrap());
        assert_eq!(a.origin, "kafka/c/t/0");
        assert!(positions(&partitions).is_empty());
        let first = partitions.send(&a, vec![5, 6]);
        let second = partitions.send(&b, vec![0]);
        partitions.settle(second, 0..1, true);
        partitions.settle(first, 0..1, true);
        assert_eq!(positions(&partitions), [("t/0".to_owned(), 6), ("t/1".to_owned(), 1)]);
        partitions.committed(&b, 1);
        assert_eq!(positions(&partitions), [("t/0".to_owned(), 6)]);
    }

    #[test]
    fn outcomes_of_an_earlier_term_count_for_nothing() {
        let mut partitions = partitions();
        let key = [("t".to_owned(), 0)];
        let early = partitions.place("t", 0).unwrap();
        let token = partitions.send(&early, vec![5, 6]);
        partitions.leave(&key);
        assert!(partitions.place("t", 0).is_none() && !partitions.is_held(&early));
        assert_eq!(partitions.open(&key), 2);
        partitions.drop(&key);
        assert_eq!(partitions.open(&key), 0);
        partitions.assign("t", 0);
        partitions.settle(token, 0..2, true);
        assert!(positions(&partitions).is_empty());
        assert!(!partitions.is_held(&early));
        let now = partitions.place("t", 0).unwrap();
        let token = partitions.send(&now, vec![5]);
        assert_eq!(positions(&partitions), [("t/0".to_owned(), 5)]);
        partitions.settle(token, 0..1, true);
        assert_eq!(positions(&partitions), [("t/0".to_owned(), 6)]);
    }
}
