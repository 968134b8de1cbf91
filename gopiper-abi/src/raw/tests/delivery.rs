use super::*;

fn batch_of(count: u32, token: u64, ledger: &Arc<Ledger>) -> Batch {
    let mut batch = Batch::new(count.max(1));
    for i in 0..count {
        batch.push(Message::new(i.to_string())).unwrap();
    }
    batch.open_delivery(token, ledger.clone());
    batch
}

fn kept(batch: Batch) -> Vec<Kept> {
    let mut kept = Vec::new();
    let handling = Handling::new(batch);
    lend(&handling, |call| call.each(|message, handled| kept.push(handled.keep(message))));
    handling.finish().unwrap();
    kept
}

const DELIVERED: Option<Outcome> = Some(Outcome::DELIVERED);
const FAILED: Option<Outcome> = Some(Outcome::FAILED);
const RETURNED: Option<Outcome> = Some(Outcome::RETURNED);

#[test]
fn a_dropped_batch_returns_its_messages() {
    let ledger = Ledger::open();
    drop(batch_of(3, 9, &ledger));
    assert_eq!(ledger.outcomes(9, 3), [RETURNED; 3]);
}

#[test]
fn a_batch_settles_in_runs_of_equal_outcomes() {
    #[derive(Default)]
    struct Calls(Mutex<Vec<(u32, u32, i32)>>);
    impl Settle for Calls {
        fn settled(&self, _token: u64, first: u32, count: u32, outcome: Outcome) {
            self.0.lock().unwrap().push((first, count, outcome.0));
        }
    }
    let calls = Arc::new(Calls::default());
    let mut batch = Batch::new(8);
    (0..8).for_each(|_| batch.push(Message::new("x")).unwrap());
    batch.open_delivery(0, calls.clone());
    let mut i = 0;
    batch.retain(|_| {
        i += 1;
        match i {
            1..=3 => Fate::Settle(Outcome::DELIVERED),
            4 => Fate::Settle(Outcome::DROPPED),
            5 => Fate::Keep,
            _ => Fate::Settle(Outcome::DROPPED),
        }
    });
    assert_eq!(*calls.0.lock().unwrap(), [(0, 3, 0), (3, 1, 1), (5, 3, 1)]);
    drop(batch);
    assert_eq!(calls.0.lock().unwrap().last(), Some(&(4, 1, 4)));
    // The record has released it, so all are settled.
    assert_eq!(Arc::strong_count(&calls), 1);
}

#[test]
fn messages_of_two_deliveries_settle_apart() {
    let ledger = Ledger::open();
    let mut one = batch_of(2, 1, &ledger);
    let other = batch_of(3, 2, &ledger);
    one.grow();
    one.grow();
    one.append(other).unwrap();
    one.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(1, 2), [DELIVERED; 2]);
    assert_eq!(ledger.outcomes(2, 3), [DELIVERED; 3]);
}

#[test]
fn kept_messages_that_are_dropped_have_failed() {
    let ledger = Ledger::open();
    let mut kept = kept(batch_of(3, 0, &ledger));
    drop(kept.remove(1));
    assert_eq!(ledger.outcomes(0, 3), [None, FAILED, None]);
    let (message, deliveries) = kept.remove(0).split();
    drop(message);
    assert_eq!(ledger.outcomes(0, 3), [None, FAILED, None], "the message has no say");
    drop((deliveries, kept));
    assert_eq!(ledger.outcomes(0, 3), [FAILED; 3]);
    assert_eq!(Arc::strong_count(&ledger), 1);
}

#[test]
fn neighbours_are_merged_in_either_order() {
    let ledger = Ledger::open();
    let mut all = Deliveries::default();
    for (token, backwards) in [(0, false), (1, true)] {
        let mut kept = kept(batch_of(100, token, &ledger));
        if backwards {
            kept.reverse();
        }
        kept.into_iter().for_each(|kept| all.add(kept));
    }
    assert_eq!(all.len(), 200);
    let parents = all.into_parents();
    let ranges: Vec<_> = parents.iter().map(|parent| (parent.first, parent.count)).collect();
    assert_eq!(ranges, [(0, 100), (0, 100)]);
    // SAFETY: `into_parents` took the indices out just before, and nothing else holds them.
    drop(unsafe { Deliveries::from_parents(parents) });
    assert_eq!(ledger.outcomes(0, 100), [FAILED; 100]);
    assert_eq!(ledger.outcomes(1, 100), [FAILED; 100]);
}

#[test]
fn messages_without_a_delivery_are_counted_and_take_no_room() {
    let mut batch = Batch::new(50);
    (0..50).for_each(|_| batch.push(Message::new("x")).unwrap());
    let mut all = Deliveries::default();
    kept(batch).into_iter().for_each(|kept| all.add(kept));
    assert_eq!((all.len(), all.into_parents().len()), (50, 1));
}

#[test]
fn the_worst_outcome_of_the_children_settles_the_parents() {
    let ledger = Ledger::open();
    let mut parents = Deliveries::default();
    kept(batch_of(4, 0, &ledger)).into_iter().for_each(|kept| parents.add(kept));
    let mut made = Batch::new(3);
    (0..3).for_each(|_| made.push(Message::new("made")).unwrap());
    made.derive_delivery(parents);
    let rest = made.split_off(1);
    made.settle(Outcome::DROPPED);
    assert_eq!(ledger.outcomes(0, 4), [None; 4], "two are on their way");
    let mut i = 0;
    { rest }.retain(|_| {
        i += 1;
        Fate::Settle([Outcome::DEAD_LETTERED, Outcome::DELIVERED][i - 1])
    });
    assert_eq!(ledger.outcomes(0, 4), [Some(Outcome::DEAD_LETTERED); 4]);
}

#[test]
fn results_of_results_settle_all_parents() {
    let ledger = Ledger::open();
    let mut batch = batch_of(2, 0, &ledger);
    for depth in 0..50 {
        let mut parents = Deliveries::default();
        kept(batch).into_iter().for_each(|kept| parents.add(kept));
        batch = Batch::new(3);
        (0..1 + depth % 3).for_each(|_| batch.push(Message::new("made")).unwrap());
        batch.derive_delivery(parents);
    }
    batch.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 2), [DELIVERED; 2]);
    assert_eq!(Arc::strong_count(&ledger), 1);
}

#[test]
fn kept_messages_without_a_result_are_settled_as_dropped() {
    let ledger = Ledger::open();
    let mut parents = Deliveries::default();
    kept(batch_of(2, 0, &ledger)).into_iter().for_each(|kept| parents.add(kept));
    Batch::new(1).derive_delivery(parents);
    assert_eq!(ledger.outcomes(0, 2), [Some(Outcome::DROPPED); 2]);
}

#[test]
fn without_parents_nothing_is_derived() {
    let mut batch = Batch::new(1);
    batch.push(Message::new("x")).unwrap();
    batch.derive_delivery(Deliveries::default());
    assert!(!batch.has_delivery());
    Batch::new(1).open_delivery(0, Ledger::open());
}

#[test]
fn threads_may_settle_parts_at_the_same_time() {
    let ledger = Ledger::open();
    let mut batch = batch_of(64, 0, &ledger);
    let mut parents = Deliveries::default();
    let rest = batch.split_off(32);
    kept(rest).into_iter().for_each(|kept| parents.add(kept));
    let mut made = Batch::new(32);
    (0..32).for_each(|_| made.push(Message::new("made")).unwrap());
    made.derive_delivery(parents);
    std::thread::scope(|scope| {
        for mut whole in [batch, made] {
            while !whole.is_empty() {
                let mut part = whole.split_off(whole.len() - 8);
                scope.spawn(move || part.settle(Outcome::DELIVERED));
            }
        }
    });
    assert_eq!(ledger.outcomes(0, 64), [DELIVERED; 64]);
    assert_eq!(Arc::strong_count(&ledger), 1);
}
