//! Every way out of `handle`, alone and all in one batch.
use std::{mem::ManuallyDrop, panic::panic_any, thread::JoinHandle, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::raw::fence::catch_panic_messages;

/// A component that does with each message what it is told to.
#[derive(Default)]
struct Stage {
    stash: Vec<Message>,
    forgotten: Vec<ManuallyDrop<Message>>,
    late: Vec<(Deferred, Message)>,
    kept: Vec<Kept>,
    sent: Vec<Batch>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.forgotten.drain(..).for_each(|message| drop(ManuallyDrop::into_inner(message)));
    }
}

/// What must be found in the slot afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    /// The message as the component gave it back.
    Changed,
    /// The message as it came, with this status and description.
    Came(i32, &'static str),
    /// The message as it came, with any status of a fault of the component.
    Fault,
    /// Nothing: the component has it, and the index. The outcome of the index.
    Kept(Outcome),
}

/// A way out of `handle`.
struct Way {
    name: &'static str,
    left: Left,
    take: fn(&mut Stage, Message, HandledCallback<'_>),
}

fn change(message: &mut Message) {
    message.set_data(b"changed".to_vec());
    message.set_attribute("k", "changed");
}

fn changed(mut message: Message) -> Message {
    change(&mut message);
    message
}

const NO_REPORT: Left = Left::Came(200, "no report");

fn ways() -> Vec<Way> {
    fn way(
        name: &'static str,
        left: Left,
        take: fn(&mut Stage, Message, HandledCallback<'_>),
    ) -> Way {
        Way { name, left, take }
    }
    vec![
        way("done", Left::Came(0, ""), |_, m, h| h.done(m)),
        way("changed, done", Left::Changed, |_, m, h| h.done(changed(m))),
        way("changed, done with words", Left::Changed, |_, m, h| {
            h.report(changed(m), Report::new(0, "words"));
        }),
        way("another one, done", Left::Changed, |stage, m, h| {
            stage.stash.push(m);
            h.done(changed(Message::new("other")));
        }),
        way("drop", Left::Came(300, ""), |_, m, h| h.drop(m)),
        way("changed, drop", Left::Came(300, ""), |_, m, h| h.drop(changed(m))),
        way("changed, fail", Left::Came(205, "why"), |_, m, h| {
            h.report(changed(m), Report::fail(5, "why"));
        }),
        way("only the attributes changed, fail", Left::Came(205, "why"), |_, mut m, h| {
            m.set_attribute("k", "changed");
            h.report(m, Report::fail(5, "why"));
        }),
        way("changed, retry", Left::Came(103, "later"), |_, m, h| {
            h.report(changed(m), Report::retry(3, "later"));
        }),
        way("another one, fail", Left::Came(200, "why"), |stage, m, h| {
            stage.stash.push(m);
            h.report(Message::new("other"), Report::fail(0, "why"));
        }),
        way("a part of it, fail", Left::Came(200, "why"), |stage, m, h| {
            let part = Message::new(m.payload().slice(1..));
            stage.stash.push(changed(m));
            h.report(part, Report::fail(0, "why"));
        }),
        way("a status of a slot", Left::Fault, |_, m, h| h.report(m, Report::new(i32::MIN, "?"))),
        way("another status of a slot", Left::Fault, |_, m, h| {
            h.report(changed(m), Report::new(i32::MIN + 1, "?"));
        }),
        way("negative", Left::Fault, |_, m, h| h.report(changed(m), Report::new(-7, "?"))),
        way("continue without keeping", Left::Fault, |_, m, h| h.report(m, Report::new(1, "?"))),
        way("reserved", Left::Fault, |_, m, h| h.report(changed(m), Report::new(2, "?"))),
        way("reserved to the end", Left::Fault, |_, m, h| h.report(m, Report::new(99, "?"))),
        way("both let go", NO_REPORT, |_, m, h| drop((m, h))),
        way("changed, both let go", NO_REPORT, |_, m, h| drop((changed(m), h))),
        way("both forgotten", NO_REPORT, |stage, m, h| {
            // As after `mem::forget`, only that the test can free it in the end.
            stage.forgotten.push(ManuallyDrop::new(m));
            std::mem::forget(h);
        }),
        way("stashed", NO_REPORT, |stage, m, _| stage.stash.push(m)),
        way("stashed and changed", NO_REPORT, |stage, m, _| stage.stash.push(changed(m))),
        way("panic", Left::Came(200, "panicked: boom"), |_, _, _| panic!("boom")),
        way("changed, panic", Left::Came(200, "panicked: boom"), |_, m, _h| {
            let _changed = changed(m);
            panic!("boom");
        }),
        way("stashed, panic", Left::Came(200, "panicked: boom"), |stage, m, _| {
            stage.stash.push(m);
            panic!("boom");
        }),
        way("panic without words", Left::Came(200, "panicked: (not a text)"), |_, _, _| {
            panic_any(())
        }),
        way("changed, done, panic", Left::Changed, |_, m, h| {
            h.done(changed(m));
            panic!("after the report");
        }),
        way("fail, panic", Left::Came(204, "why"), |_, m, h| {
            h.report(changed(m), Report::fail(4, "why"));
            panic!("after the report");
        }),
        way("kept, let go", Left::Kept(Outcome::FAILED), |_, m, h| drop(h.keep(m))),
        way("kept for long", Left::Kept(Outcome::FAILED), |stage, m, h| stage.kept.push(h.keep(m))),
        way("kept, panic", Left::Kept(Outcome::FAILED), |_, m, h| {
            let _kept = h.keep(m);
            panic!("boom");
        }),
        way("kept, sent", Left::Kept(Outcome::DELIVERED), |stage, m, h| {
            let (message, deliveries) = h.keep(m).split();
            assert_eq!(message.status(), 0);
            let mut batch = Batch::new(2);
            batch.push(message.duplicate()).unwrap();
            batch.push(changed(message)).unwrap();
            batch.derive_delivery(deliveries);
            stage.sent.push(batch);
        }),
        way("kept, made into nothing", Left::Kept(Outcome::DROPPED), |_, m, h| {
            Batch::new(1).derive_delivery(h.keep(m).into());
        }),
        way("deferred, done at once", Left::Changed, |_, m, h| h.defer().done(changed(m))),
        way("deferred, unchanged, done at once", Left::Came(0, ""), |_, m, h| h.defer().done(m)),
        way("deferred, fail at once", Left::Came(206, "late"), |_, m, h| {
            h.defer().report(changed(m), Report::fail(6, "late"));
        }),
        way("deferred, drop at once", Left::Came(300, ""), |_, m, h| {
            h.defer().report(changed(m), Report::DROP);
        }),
        way("deferred, a fault", Left::Fault, |_, m, h| h.defer().report(m, Report::new(1, "?"))),
        way("deferred, a status of a slot", Left::Fault, |_, m, h| {
            h.defer().report(changed(m), Report::new(i32::MIN + 1, "?"));
        }),
        way("deferred, let go", NO_REPORT, |_, m, h| drop((h.defer(), changed(m)))),
        way("deferred, panic", NO_REPORT, |_, m, h| {
            let _deferred = h.defer();
            change(&mut { m });
            panic!("boom");
        }),
        way("deferred, done, panic", Left::Changed, |_, m, h| {
            h.defer().done(changed(m));
            panic!("boom");
        }),
        way("deferred, done by a thread", Left::Changed, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || deferred.done(changed(m))));
        }),
        way("deferred, done by a slow thread", Left::Changed, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(100));
                deferred.done(changed(m));
            }));
        }),
        way("deferred, retry by a thread", Left::Came(101, "late"), |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || {
                deferred.report(changed(m), Report::retry(1, "late"));
            }));
        }),
        way("deferred, let go by a thread that panics", NO_REPORT, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || {
                let _ = fence(|| {
                    let (_deferred, _message) = (deferred, changed(m));
                    panic!("on its own thread");
                });
            }));
        }),
        way("deferred to a thread, panic", Left::Changed, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || deferred.done(changed(m))));
            panic!("boom");
        }),
        way("deferred, done after the call", Left::Changed, |stage, m, h| {
            stage.late.push((h.defer(), changed(m)));
        }),
        way("deferred to after the call, panic", Left::Changed, |stage, m, h| {
            stage.late.push((h.defer(), changed(m)));
            panic!("boom");
        }),
    ]
}

/// Messages of every kind: of shared blocks that interleave, of their own, of none; with and without
/// an extra, shared or not.
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
        // A report of an attempt before: it is not to be taken for one of this time.
        message.with_report(Report::retry(9, ""))
    }
}

/// Runs the ways over messages of these kinds, as a host does, and checks what is left of each.
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
        let flags = handling.lend(|raw| {
            // SAFETY: the batch is lent to this call.
            unsafe { BatchCall::new(raw) }.each(|message, handled| {
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

/// Deferred messages are reported on other threads while the call, and the host behind it, go on.
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
        handling.lend(|raw| {
            // SAFETY: the batch is lent to this call.
            unsafe { BatchCall::new(raw) }
                .each(|message, handled| sender.send((handled.defer(), message)).unwrap())
        });
        let batch = match handling.finish() {
            Ok(batch) => batch,
            // Nobody waits for it: whoever reports last drops it.
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
fn a_batch_that_nobody_finishes_goes_with_its_last_report() {
    let mut given = Given::new();
    let mut batch = Batch::new(2);
    (0..2).for_each(|kind| batch.push(given.message(kind)).unwrap());
    batch.open_delivery(0, given.ledger.clone());
    let handling = Handling::new(batch);
    let mut late = Vec::new();
    handling.lend(|raw| {
        // SAFETY: the batch is lent to this call.
        unsafe { BatchCall::new(raw) }
            .each(|message, handled| late.push((handled.defer(), message)))
    });
    drop(handling);
    assert_eq!(given.ledger.outcomes(0, 2), [None; 2]);
    for (deferred, message) in late {
        deferred.done(message);
    }
    assert_eq!(given.ledger.outcomes(0, 2), [Some(Outcome::RETURNED); 2]);
}

/// After a panic the next component sees what is left, and nothing of what may still be deferred.
#[test]
fn after_a_panic_the_rest_is_left() {
    catch_panic_messages();
    let mut batch = Batch::new(3);
    ["a", "b", "c"].iter().for_each(|text| batch.push(Message::new(*text)).unwrap());
    let handling = Handling::new(batch);
    let flags = handling.lend(|raw| {
        // SAFETY: the batch is lent to this call.
        unsafe { BatchCall::new(raw) }.each(|message, handled| match message.data() {
            b"a" => handled.done(message),
            _ => panic!("at b"),
        })
    });
    assert!(flags.contains(HandleFlags::PANICKED | HandleFlags::NOT_ALL_DONE));
    handling.lend(|raw| {
        // SAFETY: as above.
        let call = unsafe { BatchCall::new(raw) };
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
