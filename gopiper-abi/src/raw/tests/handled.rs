//! Every way out of `handle`, alone and all in one batch.
use proptest::{collection::vec, prelude::*};

use super::{
    ways::{Left, Stage, Way, changed, ways},
    *,
};
use crate::raw::fence::catch_panic_messages;

/// Messages of every kind: of shared blocks that interleave, of their own, of none; with and
/// without an extra, shared or not.
struct Given {
    books: Books,
    ledger: Arc<Ledger>,
    blocks: Vec<Payload>,
    shared: Message,
    /// Some of the duplicates are held beyond the call.
    held: Vec<Message>,
}

const KINDS: u32 = 12;

impl Given {
    fn new() -> Self {
        catch_panic_messages();
        let books = Books::default();
        let blocks = vec![books.payload("came, first block"), books.payload("came, second block")];
        let mut shared = Message::new(books.payload("came, shared"));
        shared.set_attribute("k", "came");
        shared.set_attribute("bytes", books.payload("in an attribute"));
        let (ledger, held) = (Ledger::open(), Vec::new());
        Given { books, ledger, blocks, shared, held }
    }

    fn message(&mut self, kind: u32) -> Message {
        let kind = kind % KINDS;
        let mut message = match kind % 4 {
            0 => Message::new(self.blocks[0].slice(..)),
            1 => Message::new(self.blocks[1].slice(..6)),
            2 => Message::new(self.books.payload("came, alone")),
            _ => Message::new("came, forever"),
        };
        match kind / 4 {
            0 => {}
            1 => message.set_attribute("k", "came"),
            _ => {
                message = self.shared.duplicate();
                if kind % 2 == 1 {
                    self.held.push(message.duplicate());
                }
            }
        }
        // A report of an earlier attempt: it must not count for this one.
        message.with_report(Report::retry(9, ""))
    }
}

/// Runs the ways over messages of these kinds, as a host does, and checks the rest of each.
fn run(ways: &[&Way], kinds: &[u32]) {
    let mut given = Given::new();
    let mut batch = Batch::new(ways.len() as u32);
    for kind in kinds {
        let message = given.message(*kind);
        batch.push(message).unwrap();
    }
    batch.open_delivery(3, given.ledger.clone());
    let came: Vec<(Vec<u8>, Option<Value>)> = batch
        .messages()
        .iter()
        .map(|message| (message.data().to_vec(), message.attribute("k").cloned()))
        .collect();

    let mut stage = Stage::default();
    let handling = Handling::new(batch);
    let mut at = 0;
    while !handling.is_through() {
        let flags = lend(&handling, |call| {
            call.each(|message, handled| {
                at += 1;
                (ways[at - 1].take)(&mut stage, message, handled);
            })
        });
        assert_eq!(handling.cursor() as usize, at);
        assert!(handling.is_through() || flags.contains(HandleFlags::PANICKED));
    }
    let all_done = handling.all_done();
    let mut batch = match handling.finish() {
        Ok(batch) => batch,
        Err(deferred) => {
            let completed = Arc::new(Completed::default());
            deferred.await_deferred(completed.clone());
            stage.late.drain(..).for_each(|(deferred, message)| deferred.done(message));
            completed.wait()
        }
    };
    stage.threads.drain(..).for_each(|thread| thread.join().unwrap());

    let statuses: Vec<i32> = batch.messages().iter().map(Message::status).collect();
    assert!(!all_done || statuses.iter().all(|status| *status == 0), "{statuses:?}");
    for ((message, way), (data, attribute)) in batch.messages().iter().zip(ways).zip(&came) {
        let name = way.name;
        let found = (message.data(), message.attribute("k"));
        match way.left {
            Left::Changed => {
                assert_eq!(found, (&b"changed"[..], Some(&"changed".into())), "{name}");
                assert_eq!(message.status(), 0, "{name}");
            }
            Left::Came(status, description) => {
                assert_eq!(found, (&data[..], attribute.as_ref()), "{name}");
                assert_eq!(message.status(), status, "{name}");
                let said = message.description();
                assert!(said.starts_with(description), "{name}: {said}");
            }
            Left::Fault => {
                assert_eq!(found, (&data[..], attribute.as_ref()), "{name}");
                assert!((2..=99).contains(&message.status()), "{name}: {}", message.status());
            }
            Left::Kept(_) => {
                assert_eq!((message.status(), message.delivery.is_null()), (1, true), "{name}");
            }
        }
    }
    batch.retain(|message| match message.status() {
        0 => Fate::Settle(Outcome::DELIVERED),
        300.. => Fate::Settle(Outcome::DROPPED),
        _ => Fate::Settle(Outcome::FAILED),
    });
    drop(batch);
    stage.sent.drain(..).for_each(|mut batch| batch.settle(Outcome::DELIVERED));
    drop(stage);

    let outcomes = given.ledger.outcomes(3, ways.len() as u32);
    for (outcome, way) in outcomes.iter().zip(ways) {
        let expected = match way.left {
            Left::Changed | Left::Came(0, _) => Outcome::DELIVERED,
            Left::Came(300.., _) => Outcome::DROPPED,
            Left::Came(..) | Left::Fault => Outcome::FAILED,
            Left::Kept(outcome) => outcome,
        };
        assert_eq!(*outcome, Some(expected), "{}", way.name);
    }
    assert_eq!(Arc::strong_count(&given.ledger), 1, "the delivery has gone");
    let Given { books, blocks, shared, held, .. } = given;
    for message in held.iter().chain([&shared]) {
        assert_eq!(message.attribute("k").unwrap().as_str(), Some("came"), "what is shared stays");
    }
    drop((shared, held));
    assert_eq!(books.alive(), 2, "only the blocks are left");
    drop(blocks);
    assert_eq!(books.alive(), 0);
}

#[test]
fn each_way_out_with_each_kind_of_message() {
    for way in &ways() {
        for kind in 0..KINDS {
            run(&[way], &[kind]);
        }
    }
}

#[test]
fn each_way_out_beside_those_that_are_done() {
    let ways = ways();
    for way in &ways {
        run(&[&ways[0], way, &ways[1], way, &ways[0]], &[0, 0, 0, 4, 8]);
        run(&[way, way, way], &[0, 1, 0]);
    }
}

#[test]
fn all_ways_out_of_one_batch() {
    let ways = ways();
    let (forwards, backwards): (Vec<&Way>, Vec<&Way>) =
        (ways.iter().collect(), ways.iter().rev().collect());
    let all: Vec<&Way> = forwards.iter().chain(&backwards).copied().collect();
    for offset in 0..KINDS {
        let kinds: Vec<u32> = (0..all.len() as u32).map(|i| i / 3 + offset).collect();
        run(&all, &kinds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 200 }, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn any_ways_out_of_any_batch(chosen in vec((any::<prop::sample::Index>(), 0..KINDS), 1..40)) {
        let ways = ways();
        let (chosen, kinds): (Vec<&Way>, Vec<u32>) =
            chosen.iter().map(|(way, kind)| (way.get(&ways), *kind)).unzip();
        run(&chosen, &kinds);
    }
}

/// Deferred messages are reported on other threads while the call and the host continue.
#[test]
fn late_reports_race_with_the_end_of_the_call() {
    let rounds = if cfg!(miri) { 3 } else { 300 };
    let ways = ways();
    let by_thread: Vec<&Way> = ways.iter().filter(|way| way.name.contains("thread")).collect();
    let (sender, receiver) = std::sync::mpsc::channel::<(Deferred, Message)>();
    let reporter = std::thread::spawn(move || {
        receiver.into_iter().for_each(|(deferred, message)| deferred.done(changed(message)));
    });
    for round in 0..rounds {
        let mut given = Given::new();
        let mut batch = Batch::new(64);
        (0..64).for_each(|kind| batch.push(given.message(kind)).unwrap());
        batch.open_delivery(0, given.ledger.clone());
        let handling = Handling::new(batch);
        lend(&handling, |call| {
            call.each(|message, handled| sender.send((handled.defer(), message)).unwrap())
        });
        let batch = match handling.finish() {
            Ok(batch) => batch,
            // Nothing waits for it: the thread that reports last drops it.
            Err(deferred) if round % 3 == 0 => {
                drop(deferred);
                while Arc::strong_count(&given.ledger) > 1 {
                    std::thread::yield_now();
                }
                assert_eq!(given.ledger.outcomes(0, 64), [Some(Outcome::RETURNED); 64]);
                continue;
            }
            Err(deferred) => {
                let completed = Arc::new(Completed::default());
                deferred.await_deferred(completed.clone());
                completed.wait()
            }
        };
        assert!(batch.messages().iter().all(|m| m.status() == 0 && m.data() == b"changed"));
        drop(batch);
        assert_eq!(given.ledger.outcomes(0, 64), [Some(Outcome::RETURNED); 64]);
    }
    drop(sender);
    reporter.join().unwrap();
    run(&by_thread, &vec![0; by_thread.len()]);
}

#[test]
fn an_unfinished_batch_ends_with_its_last_report() {
    let mut given = Given::new();
    let mut batch = Batch::new(2);
    (0..2).for_each(|kind| batch.push(given.message(kind)).unwrap());
    batch.open_delivery(0, given.ledger.clone());
    let handling = Handling::new(batch);
    let mut late = Vec::new();
    lend(&handling, |call| call.each(|message, handled| late.push((handled.defer(), message))));
    drop(handling);
    assert_eq!(given.ledger.outcomes(0, 2), [None; 2]);
    for (deferred, message) in late {
        deferred.done(message);
    }
    assert_eq!(given.ledger.outcomes(0, 2), [Some(Outcome::RETURNED); 2]);
}

/// After a panic the next component sees the remaining messages, and none that may still be
/// deferred.
#[test]
fn after_a_panic_the_rest_is_left() {
    catch_panic_messages();
    let mut batch = Batch::new(3);
    ["a", "b", "c"].iter().for_each(|text| batch.push(Message::new(*text)).unwrap());
    let handling = Handling::new(batch);
    let flags = lend(&handling, |call| {
        call.each(|message, handled| match message.data() {
            b"a" => handled.done(message),
            _ => panic!("at b"),
        })
    });
    assert!(flags.contains(HandleFlags::PANICKED | HandleFlags::NOT_ALL_DONE));
    lend(&handling, |call| {
        let seen: Vec<&[u8]> = call.messages().iter().map(Message::data).collect();
        assert_eq!(seen, [b"c"]);
        call.report_each(|place, message| {
            assert_eq!((place, message.data()), (0, &b"c"[..]));
            Report::DROP
        })
    });
    let batch = handling.finish().unwrap();
    let statuses: Vec<i32> = batch.messages().iter().map(Message::status).collect();
    assert_eq!(statuses, [0, 200, 300]);
}

#[test]
fn a_batch_is_lent_to_one_component_at_a_time() {
    let mut batch = Batch::new(1);
    batch.push(Message::new("x")).unwrap();
    let handling = Handling::new(batch);
    handling.lend(|_| {
        assert!(fence(|| handling.lend(|_| HandleFlags::ALL_DONE)).is_err());
        HandleFlags::ALL_DONE
    });
    assert!(fence(|| handling.lend(|_| HandleFlags::ALL_DONE)).is_ok());
}
