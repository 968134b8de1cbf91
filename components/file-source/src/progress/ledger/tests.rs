//! The offset is the end of the longest prefix that has ended.
use proptest::prelude::*;

use super::*;

fn entry(offset: u64) -> Entry {
    let metadata = std::fs::metadata("/").unwrap();
    Entry {
        fingerprint: Fingerprint::of(b"head"),
        offset,
        ..Entry::new(Path::new("/a"), Inode::from(&metadata), None)
    }
}

fn offset(ledger: &mut Ledger) -> u64 {
    ledger.entries(0)[0].offset
}

#[test]
fn ranges_finished_out_of_order_wait_for_earlier_ones() {
    let mut ledger = Ledger::default();
    let file = ledger.open(entry(3), false);
    let first = ledger.sent(file, vec![5, 7, 9]);
    let second = ledger.sent(file, vec![11]);
    ledger.settled(second, 0..1);
    ledger.settled(first, 2..3);
    assert_eq!(offset(&mut ledger), 3);
    ledger.settled(first, 0..1);
    assert_eq!(offset(&mut ledger), 5);
    assert!(!ledger.batches.is_empty());
    ledger.settled(first, 1..2);
    assert_eq!(offset(&mut ledger), 11);
    assert!(ledger.batches.is_empty());
}

#[test]
fn skipped_ranges_end_with_those_before_them() {
    let mut ledger = Ledger::default();
    let file = ledger.open(entry(0), false);
    ledger.passed(file, 4);
    assert_eq!(offset(&mut ledger), 4);
    let token = ledger.sent(file, vec![6]);
    ledger.passed(file, 10);
    assert_eq!(offset(&mut ledger), 4);
    ledger.settled(token, 0..1);
    assert_eq!(offset(&mut ledger), 10);
}

#[test]
fn overwritten_ranges_move_nothing() {
    let mut ledger = Ledger::default();
    let old = ledger.open(entry(0), false);
    let token = ledger.sent(old, vec![100]);
    ledger.forget(old);
    ledger.open(entry(0), false);
    ledger.settled(token, 0..1);
    assert_eq!(offset(&mut ledger), 0);
}

#[test]
fn a_file_that_is_gone_is_forgotten_after_a_week() {
    let mut ledger = Ledger::default();
    let file = ledger.open(entry(0), false);
    let token = ledger.sent(file, vec![8]);
    ledger.close(file, 5, false);
    ledger.settled(token, 0..1);
    assert_eq!(ledger.entries(6).len(), 1);
    ledger.saw(|known| known.inode == entry(0).inode, 7);
    assert_eq!(ledger.entries(6 + REMEMBERED).len(), 1);
    assert_eq!(ledger.entries(7 + REMEMBERED).len(), 0);
}

#[test]
fn a_file_that_comes_back_is_known_also_while_some_of_it_is_under_way() {
    let inode = entry(0).inode;
    let claim = |ledger: &mut Ledger, inode| ledger.claim(inode, Path::new("/a"), None);
    let mut ledger = Ledger::new(vec![entry(9)], "test".into());
    assert_eq!(claim(&mut ledger, inode), [entry(9)]);
    assert!(ledger.known().is_empty());
    let file = ledger.open(entry(9), false);
    let token = ledger.sent(file, vec![11, 13]);
    ledger.settled(token, 0..1);
    assert_eq!(claim(&mut ledger, inode), [], "it is open");
    ledger.close(file, 0, false);
    assert_eq!(claim(&mut ledger, inode), [entry(11)]);
    ledger.settled(token, 1..2);
    assert!(ledger.batches.is_empty() && ledger.entries(0).is_empty());
}

proptest! {
    #[test]
    fn in_any_order(
        sizes in prop::collection::vec(1u32..6, 1..6),
        order in Just((0usize..30).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut ledger = Ledger::default();
        let file = ledger.open(entry(0), false);
        let mut places = Vec::new();
        let mut end = 0;
        for size in sizes {
            let ends: Vec<u64> = (0..size).map(|_| { end += 10; end }).collect();
            let token = ledger.sent(file, ends);
            places.extend((0..size).map(|place| (token, place)));
        }
        let mut settled = vec![false; places.len()];
        for at in order.into_iter().filter(|at| *at < places.len()) {
            let (token, place) = places[at];
            ledger.settled(token, place..place + 1);
            settled[at] = true;
            let prefix = settled.iter().take_while(|settled| **settled).count();
            prop_assert_eq!(offset(&mut ledger), prefix as u64 * 10);
            let entry = &ledger.entries(0)[0];
            let beyond = |at: u64| {
                let beyond = entry.beyond.as_ref();
                beyond.is_some_and(|beyond| beyond.has(&(at * 10..at * 10 + 10)))
            };
            for (at, settled) in settled.iter().enumerate().skip(prefix) {
                prop_assert_eq!(beyond(at as u64), *settled);
            }
        }
        prop_assert!(ledger.batches.is_empty());
    }
}

#[test]
fn lines_before_the_offset_are_known_once_they_are_finished() {
    let mut ledger = Ledger::default();
    let file = ledger.open(entry(0), false);
    let token = ledger.sent(file, vec![4, 8]);
    ledger.marked(file, 4, b"abc\n", 9);
    ledger.marked(file, 8, b"def\n", 9);
    let mark = |ledger: &mut Ledger| ledger.entries(0)[0].mark.clone();
    assert_eq!(mark(&mut ledger), None);
    ledger.settled(token, 0..1);
    assert_eq!(mark(&mut ledger), Some(Mark::of(4, b"abc\n")));
    ledger.close(file, 0, true);
    ledger.settled(token, 1..2);
    assert_eq!(mark(&mut ledger), Some(Mark::of(8, b"def\n")));
    assert_eq!((ledger.entries(0)[0].unread(), ledger.entries(0)[0].ended), (1, true));
}
