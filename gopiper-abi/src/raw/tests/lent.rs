//! Batches that a host takes back from components that don't give them back.
use std::sync::mpsc;

use super::*;
use crate::raw::{Lent, Watch, fence::catch_panic_messages};

const DELIVERED: Option<Outcome> = Some(Outcome::DELIVERED);
const FAILED: Option<Outcome> = Some(Outcome::FAILED);

fn batch(books: &Books, ledger: &Arc<Ledger>, texts: &[&str]) -> Batch {
    let mut batch = Batch::new(texts.len() as u32);
    texts.iter().for_each(|text| batch.push(Message::new(books.payload(text))).unwrap());
    batch.open_delivery(0, ledger.clone());
    batch
}

#[test]
fn messages_given_back_in_time_have_their_delivery_again() {
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
    assert_eq!(component.join().unwrap(), 3, "the rest was not handed out");
    assert_eq!(ledger.outcomes(0, 5), before, "what comes late has no effect");
    assert_eq!(books.alive(), 0);
}

#[test]
fn reported_messages_are_taken_out_while_the_rest_is_awaited() {
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
    // Nothing waits for this one any longer.
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

/// Lends a batch on a thread that gets stuck when `component` says so, and abandons the call then.
/// Returns the statuses of the reported messages.
fn give_up_when_stuck(
    texts: &[&str],
    component: impl FnOnce(&Handling, &dyn Fn()) + Send + 'static,
) -> Vec<Option<i32>> {
    catch_panic_messages();
    let (books, ledger) = (Books::default(), Ledger::open());
    let (lent, copy) = Lent::new(batch(&books, &ledger, texts));
    let (stuck, is_stuck) = mpsc::channel::<Watch>();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let handling = Handling::new(copy);
        component(&handling, &|| {
            stuck.send(handling.watch()).unwrap();
            goes_on.recv().unwrap();
        });
    });
    let reported = is_stuck.recv().unwrap().give_up();
    go_on.send(()).unwrap();
    thread.join().unwrap();
    drop(lent);
    reported.into_iter().map(|copy| copy.map(|message| message.status())).collect()
}

fn panics_at_panic(message: Message, handled: HandledCallback<'_>) {
    match message.data() {
        b"panic" => panic!("as requested"),
        _ => handled.done(message),
    }
}

#[test]
fn messages_after_a_panic_were_not_begun() {
    let reported = give_up_when_stuck(&["done", "panic", "rest", "r"], |handling, get_stuck| {
        lend(handling, |call| {
            let flags = call.each(panics_at_panic);
            get_stuck();
            flags
        });
    });
    assert_eq!(reported, [Some(0), Some(200)]);
}

#[test]
fn messages_handed_out_before_do_not_affect_the_next_call() {
    let reported = give_up_when_stuck(&["done", "panic", "all", "a"], |handling, get_stuck| {
        lend(handling, |call| call.each(panics_at_panic));
        lend(handling, |call| {
            get_stuck();
            call.report_all(Report::DONE)
        });
    });
    assert_eq!(reported, [Some(0), Some(200), None, None]);
}

#[test]
fn all_of_a_batch_that_is_reported_at_once_is_reported() {
    let reported = give_up_when_stuck(&["a", "b"], |handling, get_stuck| {
        lend(handling, |call| {
            let flags = call.report_all(Report::DROP);
            get_stuck();
            flags
        });
    });
    assert_eq!(reported, [Some(300), Some(300)]);
}

/// A call may be abandoned at any moment: a message that is being handed out or reported just then,
/// on any thread, is never taken for reported, nor read while it is written.
#[test]
fn a_call_may_be_given_up_at_any_moment() {
    let rounds = if cfg!(miri) { 20 } else { 3000 };
    let texts: Vec<_> = ["silent", "done", "fail", "defer", "keep"].repeat(6);
    let (books, ledger) = (Books::default(), Ledger::open());
    let (late, reports) = mpsc::channel::<(Deferred, Message)>();
    let reporter = std::thread::spawn(move || {
        for (n, (deferred, message)) in reports.into_iter().enumerate() {
            match n % 2 {
                0 => deferred.done(message),
                _ => deferred.fail(message, "said late"),
            }
        }
    });
    for round in 0..rounds {
        let (lent, copy) = Lent::new(batch(&books, &ledger, &texts));
        let (watch, watches) = mpsc::channel::<Watch>();
        let (begin, begins) = mpsc::channel::<()>();
        let late = late.clone();
        let component = std::thread::spawn(move || {
            let handling = Handling::new(copy);
            let mut kept = Vec::new();
            watch.send(handling.watch()).unwrap();
            lend(&handling, |call| {
                begins.recv().unwrap();
                call.each(|mut message, handled| match message.data() {
                    b"silent" => drop((message, handled)),
                    b"fail" => handled.fail(message, "said"),
                    b"keep" => kept.push(handled.keep(message)),
                    text => {
                        let is_late = text == b"defer";
                        message.set_data("changed");
                        match is_late {
                            true => late.send((handled.defer(), message)).unwrap(),
                            false => handled.done(message),
                        }
                    }
                })
            });
            // Its changes to the batch from here on must wait for the thread that abandons it.
            begins.recv().unwrap();
        });
        let watch = watches.recv().unwrap();
        begin.send(()).unwrap();
        (0..round % 300).for_each(|_| std::hint::spin_loop());
        for copy in watch.give_up().into_iter().flatten() {
            let said = match copy.data() {
                b"changed" => (0, ""),
                b"silent" => (200, "no report"),
                b"fail" => (200, "said"),
                b"defer" => (200, "said late"),
                data => {
                    assert!(data.is_empty(), "in round {round}");
                    (1, "")
                }
            };
            assert_eq!((copy.status(), copy.description()), said, "in round {round}");
        }
        drop(watch);
        begin.send(()).unwrap();
        component.join().unwrap();
        drop(lent);
    }
    drop(late);
    reporter.join().unwrap();
    assert_eq!(books.alive(), 0);
}

#[test]
fn a_sent_result_of_a_kept_message_no_longer_belongs_to_its_component() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let (mut lent, copy) = Lent::new(batch(&books, &ledger, &["a", "b", "c", "kept"]));
    let handling = Handling::new(copy);
    let mut kept = Vec::new();
    lend(&handling, |call| call.each(|message, handled| kept.push(handled.keep(message))));
    lent.reunite(&mut handling.finish().unwrap());
    let guard = lent.guard().expect("they are kept");
    drop(lent);
    let left = kept.pop();
    let mut deliveries = Deliveries::default();
    kept.into_iter().for_each(|kept| deliveries.add(kept));
    let mut made = Batch::new(1);
    made.push(Message::new(books.payload("made"))).unwrap();
    made.derive_delivery(deliveries);
    assert_eq!(guard.fail(), 1, "one is left");
    made.settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 4), [DELIVERED, DELIVERED, DELIVERED, FAILED]);
    drop((left, guard));
    assert_eq!(Arc::strong_count(&ledger), 1);
    assert_eq!(books.alive(), 0);
}

#[test]
fn an_awaited_batch_is_empty_once_it_is_completed() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let handling = Handling::new(batch(&books, &ledger, &["done", "defer"]));
    let mut deferred = Vec::new();
    lend(&handling, |call| {
        call.each(|message, handled| match message.data() {
            b"defer" => deferred.push((handled.defer(), message)),
            _ => handled.done(message),
        })
    });
    let mut waiting = handling.finish().unwrap_err();
    let (one, other) = (waiting.awaited(), waiting.awaited());
    assert_eq!(texts(&waiting.take_reported()), ["done", ""]);
    let completed = Arc::new(Completed::default());
    waiting.await_deferred(completed.clone());
    assert_eq!(texts(&one.take_reported().unwrap()), ["", ""]);
    let (late, message) = deferred.pop().unwrap();
    late.done(message);
    assert_eq!(texts(&completed.wait()), ["", "defer"]);
    assert!(one.take_reported().is_none() && other.take_reported().is_none());
    assert_eq!(books.alive(), 0);
}
