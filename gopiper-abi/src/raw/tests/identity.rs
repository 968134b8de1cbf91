//! What a message is, whichever way it goes.
use std::thread;

use super::*;
use crate::raw::Lent;

/// Lines of one block, which begin at 10, 12, 14 …
fn run(ledger: &Arc<Ledger>, messages: u32) -> Batch {
    let block = Payload::from("a\n".repeat(messages as usize));
    let mut batch = Batch::new(messages);
    batch.extend_slices(&block, 1, 7, (0..messages as usize).map(|at| 2 * at..2 * at + 1));
    let starts = (0..messages).map(|at| 10 + 2 * u64::from(at)).collect();
    let positions = Positions::listed("a.log", "byte", starts).identified("a");
    batch.open_delivery_at(0, Some(Box::new(positions)), ledger.clone());
    batch
}

fn ids(batch: &mut Batch) -> Vec<String> {
    let id = |message: &mut Message| {
        let mut id = Identity::default();
        if message.write_id(&mut id) { id.to_string() } else { String::new() }
    };
    batch.messages_mut().iter_mut().map(id).collect()
}

#[test]
fn a_component_reads_it_in_each_way_that_it_gets_a_message() {
    let ledger = Ledger::open();
    for is_run in [true, false] {
        let mut batch = run(&ledger, 4);
        if !is_run {
            batch.messages_mut();
        }
        let handling = Handling::new(batch);
        let (mut seen, mut all, mut deferred) = (Vec::new(), Vec::new(), None);
        lend(&handling, |call| {
            let texts = |ids: Identities| {
                let all = Positions::counted("", "", 0).with_identities(ids);
                (0..).map_while(|at| all.identity(at)).map(|id| id.to_string()).collect::<Vec<_>>()
            };
            all.push(texts(call.ids(0..4)));
            all.push(texts(call.ids(2..3)));
            call.each(|message, handled| {
                seen.extend(handled.id().map(|id| id.to_string()));
                match seen.len() {
                    2 => {
                        let kept = handled.keep(message);
                        seen.extend(kept.id().map(|id| id.to_string()));
                    }
                    4 => deferred = Some((handled.defer(), message)),
                    _ => handled.done(message),
                }
            })
        });
        let (deferred, message) = deferred.unwrap();
        assert_eq!(deferred.id(), Some(Identity::new("a", 14)));
        deferred.done(message);
        assert_eq!(all, [vec!["a:10", "a:12", "a:14", "a:16"], vec!["a:14"]]);
        assert_eq!(seen, ["a:10", "a:12", "a:12", "a:14", "a:16"], "run: {is_run}");
    }
}

#[test]
fn what_is_made_of_a_message_has_its_identity_and_an_ordinal() {
    let ledger = Ledger::open();
    let mut parents = Vec::new();
    lend(&Handling::new(run(&ledger, 3)), |call| {
        call.each(|message, handled| parents.push(handled.keep(message).split().1))
    });
    let made = |of: Deliveries, count: u32| {
        let mut batch = Batch::new(count);
        (0..count).for_each(|_| batch.push(Message::new("made")).unwrap());
        batch.derive_delivery(of);
        batch
    };
    let mut of_one = made(parents.remove(0), 3);
    assert_eq!(ids(&mut of_one), ["a:10.0", "a:10.1", "a:10.2"]);
    assert_eq!(ids(&mut of_one.split_off(2)), ["a:10.2"]);
    // What is made of several is none of them.
    let mut of_two = parents.remove(0);
    of_two.add(parents.remove(0));
    assert_eq!(ids(&mut made(of_two, 1)), [""]);
    // A copy for each way; two ways may meet again.
    let mut copies = of_one.fork(2);
    assert_eq!(ids(&mut copies[1]), ["a:10.0.1", "a:10.1.1"]);
    assert_eq!(ids(&mut copies[0]), ["a:10.0.0", "a:10.1.0"]);
}

#[test]
fn messages_without_a_source_that_says_so_have_none() {
    let ledger = Ledger::open();
    let mut batch = Batch::new(2);
    batch.push(Message::new("a")).unwrap();
    assert_eq!(ids(&mut batch), [""]);
    batch.open_delivery(0, ledger.clone());
    assert_eq!(ids(&mut batch), [""]);
    let mut located = Batch::new(2);
    located.push(Message::new("a")).unwrap();
    let positions = Positions::counted("standard input", "message", 1);
    located.open_delivery_at(1, Some(Box::new(positions)), ledger);
    assert_eq!(ids(&mut located), [""]);
}

#[test]
fn a_lent_message_has_it_until_the_host_takes_it_back() {
    let ledger = Ledger::open();
    let (mut lent, copy) = Lent::new(run(&ledger, 2));
    let handling = Handling::new(copy);
    let mut kept = Vec::new();
    lend(&handling, |call| call.each(|message, handled| kept.push(handled.keep(message))));
    let id = |kept: &Kept| kept.id().map(|id| id.to_string());
    assert_eq!(kept.iter().map(id).collect::<Vec<_>>(), [Some("a:10".into()), Some("a:12".into())]);
    // Readers on one side, a host that takes back on the other.
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while let Some(found) = id(&kept[0]) {
                assert_eq!(found, "a:10");
            }
        });
        let message = lent.take_back(0, None);
        drop(message);
        reader.join().unwrap();
    });
    assert_eq!(id(&kept[0]), None);
    assert_eq!(id(&kept[1]).as_deref(), Some("a:12"));
}
