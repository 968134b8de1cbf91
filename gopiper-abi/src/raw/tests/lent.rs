//! Batches that a host takes back from components that don't give them back.
use std::sync::mpsc;

use super::*;
use crate::raw::{Lent, Watch};

const DELIVERED: Option<Outcome> = Some(Outcome::DELIVERED);
const FAILED: Option<Outcome> = Some(Outcome::FAILED);

fn batch(books: &Books, ledger: &Arc<Ledger>, texts: &[&str]) -> Batch {
    let mut batch = Batch::new(texts.len() as u32);
    texts.iter().for_each(|text| batch.push(Message::new(books.payload(text))).unwrap());
    batch.open_delivery(0, ledger.clone());
    batch
}

#[test]
fn what_comes_back_in_time_has_its_delivery_again() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let (mut lent, copy) = Lent::new(batch(&books, &ledger, &["done", "keep", "drop"]));
    let handling = Handling::new(copy);
    let mut kept = Vec::new();
    lend(&handling, |call| {
        call.each(|mut message, handled| match message.data() {
            b"keep" => kept.push(handled.keep(message)),
            b"drop" => handled.discard(message),
            _ => {
                message.set_data("changed");
                handled.done(message);
            }
        })
    });
    let mut back = handling.finish().unwrap();
    lent.reunite(&mut back);
    let guard = lent.guard().expect("one is kept");
    drop(lent);
    assert_eq!(texts(&back), ["changed", "", "drop"]);
    assert_eq!(ledger.outcomes(0, 3), [None; 3]);
    back.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 3), [DELIVERED, None, DELIVERED]);
    assert!(guard.is_open());
    kept.clear();
    assert!(!guard.is_open());
    assert_eq!(ledger.outcomes(0, 3), [DELIVERED, FAILED, DELIVERED]);
    assert_eq!(guard.fail(), 0);
    drop(guard);
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_call_that_is_given_up_settles_nothing_any_more() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let (mut lent, copy) = Lent::new(batch(&books, &ledger, &["a", "keep", "stuck", "rest", "r"]));
    let (stuck, is_stuck) = mpsc::channel::<()>();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let (watch, watches) = mpsc::channel::<Watch>();
    let component = std::thread::spawn(move || {
        let handling = Handling::new(copy);
        watch.send(handling.watch()).unwrap();
        let mut kept = Vec::new();
        lend(&handling, |call| {
            call.each(|mut message, handled| match message.data() {
                b"keep" => kept.push(handled.keep(message)),
                text => {
                    if text == b"stuck" {
                        stuck.send(()).unwrap();
                        goes_on.recv().unwrap();
                    }
                    message.set_data("changed");
                    handled.done(message);
                }
            })
        });
        handling.cursor()
    });
    is_stuck.recv().unwrap();
    let reported = watches.recv().unwrap().give_up();
    assert_eq!(reported.len(), 3);
    let mut back = Batch::new(5);
    for place in 0..5 {
        let instead = reported.get(place).and_then(|copy| copy.as_ref()).map(|m| m.duplicate());
        back.push(match place {
            1 => Message::vacated(),
            _ => lent.take_back(place, instead),
        })
        .unwrap();
    }
    drop(reported);
    assert_eq!(lent.guard().expect("one is kept").fail(), 1);
    drop(lent);
    assert_eq!(texts(&back), ["changed", "", "stuck", "rest", "r"]);
    back.settle(Outcome::DELIVERED);
    let before = ledger.outcomes(0, 5);
    assert_eq!(before, [DELIVERED, FAILED, DELIVERED, DELIVERED, DELIVERED]);
    go_on.send(()).unwrap();
    assert_eq!(component.join().unwrap(), 4, "the rest was not handed out");
    assert_eq!(ledger.outcomes(0, 5), before, "what comes late has no effect");
    assert_eq!(books.alive(), 0);
}

#[test]
fn what_is_reported_is_taken_out_while_the_rest_is_waited_for() {
    struct Late(mpsc::Sender<Vec<i32>>);
    impl Completion for Late {
        fn completed(&self, batch: Batch) {
            self.0.send(batch.messages().iter().map(Message::status).collect()).unwrap();
        }
    }
    let (books, ledger) = (Books::default(), Ledger::open());
    let (mut lent, copy) = Lent::new(batch(&books, &ledger, &["done", "defer", "done"]));
    let handling = Handling::new(copy);
    let mut deferred = Vec::new();
    lend(&handling, |call| {
        call.each(|message, handled| match message.data() {
            b"defer" => deferred.push((handled.defer(), message)),
            _ => handled.done(message),
        })
    });
    let mut waiting = handling.finish().unwrap_err();
    let mut back = waiting.take_reported();
    lent.reunite(&mut back);
    assert_eq!(texts(&back), ["done", "", "done"]);
    let (tell, hear) = mpsc::channel();
    waiting.await_deferred(Arc::new(Late(tell)));
    // Nobody waits any longer for the one.
    back.messages_mut()[1] = lent.take_back(1, None);
    drop(lent);
    back.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 3), [DELIVERED; 3]);
    let (late, message) = deferred.pop().unwrap();
    late.done(message);
    assert_eq!(hear.recv().unwrap(), [Message::VACATED, 0, Message::VACATED]);
    assert_eq!(ledger.outcomes(0, 3), [DELIVERED; 3]);
    assert_eq!(books.alive(), 0);
}
