use super::*;

const DELIVERED: Option<Outcome> = Some(Outcome::DELIVERED);
const DROPPED: Option<Outcome> = Some(Outcome::DROPPED);
const FAILED: Option<Outcome> = Some(Outcome::FAILED);
const RETURNED: Option<Outcome> = Some(Outcome::RETURNED);

/// Messages of one block but the last, each with an attribute.
fn batch_of(count: u32, token: u64, ledger: &Arc<Ledger>) -> Batch {
    let block = Payload::from(vec![b'x'; count as usize]);
    let mut batch = Batch::new(count + 1);
    batch.extend_slices(&block, 0, 7, (0..count as usize - 1).map(|at| at..at + 1));
    batch.push(Message::new("last")).unwrap();
    for (n, message) in batch.messages_mut().iter_mut().enumerate() {
        message.set_attribute("n", n as i64);
        message.set_branch(n as u16);
    }
    batch.open_delivery(token, ledger.clone());
    batch
}

fn settle_each(mut batch: Batch, outcomes: &[Outcome]) {
    let mut outcomes = outcomes.iter();
    batch.retain(|_| Fate::Settle(*outcomes.next().unwrap()));
}

#[test]
fn a_message_ends_with_the_worst_of_its_copies_when_the_last_one_has_ended() {
    use Outcome as O;
    let ledger = Ledger::open();
    let mut copies = batch_of(4, 0, &ledger).fork(3);
    for copy in &copies {
        let seen: Vec<_> = copy.messages().iter().map(|one| (one.data(), one.branch())).collect();
        assert_eq!(seen, [(&b"x"[..], 0), (b"x", 1), (b"x", 2), (b"last", 3)]);
        assert!(
            copy.messages()
                .iter()
                .enumerate()
                .all(|(n, one)| { one.attribute("n").and_then(Value::as_i64) == Some(n as i64) })
        );
        assert_eq!(copy.messages()[0].time(), 7);
    }
    settle_each(copies.remove(1), &[O::DELIVERED, O::FAILED, O::DROPPED, O::DELIVERED]);
    settle_each(copies.remove(0), &[O::DELIVERED, O::DELIVERED, O::DROPPED, O::DELIVERED]);
    assert_eq!(ledger.outcomes(0, 4), [None; 4]);
    let mut last = copies.remove(0);
    let rest = last.split_off(2);
    settle_each(last, &[O::DELIVERED, O::DELIVERED]);
    assert_eq!(ledger.outcomes(0, 4), [DELIVERED, FAILED, None, None]);
    drop(rest);
    assert_eq!(ledger.outcomes(0, 4), [DELIVERED, FAILED, RETURNED, RETURNED]);
    assert_eq!(Arc::strong_count(&ledger), 1, "all is freed");
}

#[test]
fn messages_of_several_deliveries_and_none_go_several_ways_together() {
    let ledger = Ledger::open();
    let mut batch = batch_of(2, 1, &ledger);
    batch.grow();
    batch.grow();
    batch.append(batch_of(3, 2, &ledger)).unwrap();
    batch.push(Message::new("nothing waits for it")).unwrap();
    let mut nested = batch.fork(2);
    let first = nested.remove(0);
    nested.extend(first.fork(2));
    assert_eq!(nested.len(), 3);
    for (n, mut copy) in nested.into_iter().enumerate() {
        assert_eq!(ledger.outcomes(1, 2), [None; 2], "copy {n}");
        copy.settle(if n == 1 { Outcome::DROPPED } else { Outcome::DELIVERED });
    }
    assert_eq!(ledger.outcomes(1, 2), [DROPPED; 2]);
    assert_eq!(ledger.outcomes(2, 3), [DROPPED; 3]);
    assert_eq!(Arc::strong_count(&ledger), 1);
}

#[test]
fn copies_are_merged_and_kept_like_other_messages() {
    let ledger = Ledger::open();
    let mut copies = batch_of(3, 0, &ledger).fork(2);
    let mut all = copies.remove(0);
    all.grow();
    all.append(copies.remove(0)).unwrap();
    let mut deliveries = Deliveries::default();
    let handling = Handling::new(all);
    lend(&handling, |call| call.each(|message, handled| deliveries.add(handled.keep(message))));
    handling.finish().unwrap();
    let mut made = Batch::new(1);
    made.push(Message::new("all")).unwrap();
    made.derive_delivery(deliveries);
    assert_eq!(ledger.outcomes(0, 3), [None; 3]);
    made.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 3), [DELIVERED; 3]);
}

#[test]
fn a_fork_of_one_way_is_the_batch_and_of_none_drops_it() {
    let ledger = Ledger::open();
    let mut only = batch_of(2, 0, &ledger).fork(1);
    only.remove(0).settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 2), [DELIVERED; 2]);
    assert!(batch_of(2, 1, &ledger).fork(0).is_empty());
    assert_eq!(ledger.outcomes(1, 2), [RETURNED; 2]);
    assert_eq!(Batch::new(4).fork(3).len(), 3);
}

#[test]
fn a_duplicate_belongs_to_no_delivery() {
    let ledger = Ledger::open();
    let batch = batch_of(3, 0, &ledger);
    let copy = batch.duplicate();
    assert!(!copy.has_delivery());
    drop(batch);
    assert_eq!(copy.messages()[0].data(), b"x", "it keeps its bytes");
    assert_eq!(copy.messages()[2].attribute("n").and_then(Value::as_i64), Some(2));
}
