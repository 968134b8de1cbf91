//! A batch that is a run does the same as its messages would do one by one.
use proptest::{collection::vec, prelude::*};

use super::*;

/// Lines of one block, with a delivery.
fn lines(count: u32, books: &Books, ledger: &Arc<Ledger>, token: u64) -> Batch {
    let text: String = (0..count).map(|n| format!("{token}.{n}\n")).collect();
    let block = books.payload(&text);
    let mut batch = Batch::new(count.max(1));
    let mut start = 0;
    let parts = text.split_inclusive('\n').map(|line| {
        let part = start..start + line.len() - 1;
        start += line.len();
        part
    });
    assert_eq!(batch.extend_slices(&block, 1, 5, parts), count as usize);
    batch.open_delivery(token, ledger.clone());
    batch
}

#[test]
fn a_run_is_settled_at_once() {
    #[derive(Default)]
    struct Calls(Mutex<Vec<(u32, u32, Outcome)>>);
    impl Settle for Calls {
        fn settled(&self, _token: u64, first: u32, count: u32, outcome: Outcome) {
            self.0.lock().unwrap().push((first, count, outcome));
        }
    }
    let (books, calls) = (Books::default(), Arc::new(Calls::default()));
    let mut batch = lines(5, &books, &Ledger::open(), 0);
    batch.settle(Outcome::DROPPED);
    let mut batch = Batch::new(5);
    batch.extend_slices(&books.payload("a\nb\nc\n"), 1, 0, [0..1, 2..3, 4..5].into_iter());
    batch.open_delivery(0, calls.clone());
    assert!(batch.is_run());
    let mut rest = batch.split_off(1);
    assert!(batch.is_run() && rest.is_run());
    rest.settle(Outcome::DELIVERED);
    drop(batch);
    let expected = [(1, 2, Outcome::DELIVERED), (0, 1, Outcome::RETURNED)];
    assert_eq!(*calls.0.lock().unwrap(), expected);
    assert_eq!((books.alive(), Arc::strong_count(&calls)), (0, 1));
}

#[test]
fn a_run_that_is_split_where_a_part_has_no_bytes_ends() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut batch = Batch::new(3);
    batch.extend_slices(&books.payload("ab"), 0, 0, [0..0, 0..1, 1..2].into_iter());
    batch.open_delivery(7, ledger.clone());
    assert!(batch.is_run());
    let mut rest = batch.split_off(1);
    assert!(!batch.is_run() && !rest.is_run());
    rest.settle(Outcome::DELIVERED);
    batch.settle(Outcome::DROPPED);
    drop((batch, rest));
    let expected = [Outcome::DROPPED, Outcome::DELIVERED, Outcome::DELIVERED];
    assert_eq!(ledger.outcomes(7, 3), expected.map(Some));
    assert_eq!(books.alive(), 0);
}

#[test]
fn parts_that_are_not_neighbours_or_end_differently_are_not_a_run() {
    let books = Books::default();
    let is_run = |text: &str, tail: u8, parts: &[std::ops::Range<usize>]| {
        let mut batch = Batch::new(4);
        batch.extend_slices(&books.payload(text), tail, 0, parts.iter().cloned());
        batch.is_run()
    };
    assert!(is_run("a\nb\n", 1, &[0..1, 2..3]));
    assert!(is_run("a\r\nb\r\n", 2, &[0..1, 3..4]));
    assert!(is_run("ab", 0, &[0..1, 1..2]));
    assert!(!is_run("a\nb\nc\n", 1, &[0..1, 4..5]), "one is left out");
    assert!(!is_run("a\nb\n", 1, &[2..3, 0..1]), "backwards");
    assert!(!is_run("a\nb\nc\n", 1, &[4..5, 0..1]), "backwards, and one is left out");
    assert!(!is_run("a\nb;", 1, &[0..1, 2..3]), "two delimiters");
    assert!(!is_run("a\nb\n", 1, &[]), "none");
    let mut batch = Batch::new(4);
    let fixed = Payload::from_static(b"a\nb\n");
    batch.extend_slices(&fixed, 1, 0, [0..1, 2..3].into_iter());
    assert!(!batch.is_run(), "static memory may be two statics");
    let block = books.payload("a\nb\n");
    let mut batch = Batch::new(4);
    batch.push(Message::new("first")).unwrap();
    batch.extend_slices(&block, 1, 0, [0..1, 2..3].into_iter());
    assert!(!batch.is_run());
    let mut batch = Batch::new(4);
    batch.extend_slices(&block, 1, 0, std::iter::once(0..1));
    batch.push(Message::new("last")).unwrap();
    assert!(!batch.is_run());
}

/// The way in which a component handles a message of the batch.
#[derive(Debug, Clone, Copy)]
enum Act {
    Done,
    Change,
    Mark,
    Describe,
    Drop,
    Fail,
    KeepAndDrop,
    KeepAndSend,
    Defer,
    Forget,
    Panic,
    DoneAndPanic,
}

fn act() -> impl Strategy<Value = Act> {
    use Act::*;
    prop_oneof![
        20 => Just(Done),
        1 => prop::sample::select(&[
            Change, Mark, Describe, Drop, Fail, KeepAndDrop, KeepAndSend, Defer, Forget, Panic,
            DoneAndPanic,
        ][..]),
    ]
}

fn handled(batch: Batch, acts: &[Act], sent: &mut Vec<Batch>) -> Batch {
    let completed = Arc::new(Completed::default());
    let handling = Handling::new(batch);
    let (mut place, mut deferred) = (0, Vec::new());
    while !handling.is_through() {
        lend(&handling, |call| {
            call.each(|mut message, handled| {
                let act = acts[place % acts.len()];
                place += 1;
                match act {
                    Act::Done => handled.done(message),
                    Act::Change => {
                        message.set_data("changed");
                        handled.done(message);
                    }
                    Act::Mark => {
                        message.set_attribute("mark", 1i64);
                        handled.done(message);
                    }
                    Act::Describe => handled.report(message, Report::new(0, "well")),
                    Act::Drop => handled.discard(message),
                    Act::Fail => handled.fail(message, "no"),
                    Act::KeepAndDrop => drop(handled.keep(message)),
                    Act::KeepAndSend => {
                        let (message, kept) = handled.keep(message).split();
                        let mut made = Batch::new(1);
                        made.push(message).unwrap();
                        made.derive_delivery(kept);
                        sent.push(made);
                    }
                    Act::Defer => deferred.push((handled.defer(), message)),
                    Act::Forget => drop((message, handled)),
                    Act::Panic => panic!("at a message"),
                    Act::DoneAndPanic => {
                        handled.done(message);
                        panic!("after a message");
                    }
                }
            })
        });
    }
    let batch = match handling.finish() {
        Ok(batch) => batch,
        Err(waiting) => {
            waiting.await_deferred(completed.clone());
            deferred.drain(..).for_each(|(late, message)| late.done(message));
            completed.wait()
        }
    };
    assert!(deferred.is_empty());
    batch
}

#[derive(Debug, Clone)]
enum Step {
    Handle(Vec<Act>),
    /// Two bits give the report of a message.
    ReportEach(u32),
    /// As code that knows the raw interface does: two bits give the outcome of a message.
    Raw(u32),
    Split(prop::sample::Index),
    /// With a batch that is a run as well, before it or after it.
    Append(u32, bool),
    Grow,
    Fork,
    Lend,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec(act(), 1..12).prop_map(Step::Handle),
        1 => prop_oneof![Just(u32::MAX), any::<u32>()].prop_map(Step::ReportEach),
        1 => any::<u32>().prop_map(Step::Raw),
        1 => any::<prop::sample::Index>().prop_map(Step::Split),
        1 => (0u32..4, any::<bool>()).prop_map(|(count, before)| Step::Append(count, before)),
        1 => Just(Step::Grow),
        1 => Just(Step::Fork),
        1 => Just(Step::Lend),
    ]
}

/// Handles the slots of a batch by themselves.
fn handled_raw(batch: Batch, bits: u32) -> Batch {
    let handling = Handling::new(batch);
    lend(&handling, |mut call| {
        let header = call.header();
        // SAFETY: the first `len` slots hold messages, which are the call's.
        let slots =
            unsafe { std::slice::from_raw_parts_mut((*header).messages, (*header).len as usize) };
        for (place, slot) in slots.iter_mut().enumerate() {
            match bits >> (place % 16 * 2) & 3 {
                0 => slot.set_data("changed"),
                1 => slot.set_status(300),
                2 => drop(Kept::of_slot(slot)),
                _ => {}
            }
        }
        call.reported()
    });
    handling.finish().unwrap()
}

/// Removes the messages that do not go on.
fn settle_reported(batch: &mut Batch) {
    if batch.is_without_reports() {
        return;
    }
    batch.retain(|message| match message.status() {
        0 => Fate::Keep,
        300.. => Fate::Settle(Outcome::DROPPED),
        1 => Fate::Settle(Outcome::DELIVERED),
        _ => Fate::Settle(Outcome::FAILED),
    });
}

/// All that can be seen of it.
type Seen = (Vec<Vec<(std::ops::Range<usize>, String)>>, Vec<Option<Outcome>>);

/// Does the steps with lines that are a run at first, or are none. Returns the view of a sink.
fn seen(count: u32, steps: &[Step], is_run: bool) -> Seen {
    let (books, ledger, mut tokens) = (Books::default(), Ledger::open(), 1);
    let of_lines = |count: u32, token: u64| {
        let mut batch = lines(count, &books, &ledger, token);
        if !is_run {
            batch.end_run();
        }
        batch
    };
    let mut batch = of_lines(count, 0);
    let mut ready = Vec::new();
    for step in steps {
        match step {
            Step::Handle(acts) => {
                batch = handled(batch, acts, &mut ready);
                settle_reported(&mut batch);
            }
            Step::ReportEach(bits) => {
                let handling = Handling::new(batch);
                lend(&handling, |call| {
                    call.report_each(|place, _| match bits >> (place % 16 * 2) & 3 {
                        0 => Report::DROP,
                        1 => Report::new(0, "well"),
                        2 => Report::retry(0, "later"),
                        _ => Report::DONE,
                    })
                });
                batch = handling.finish().unwrap();
                settle_reported(&mut batch);
            }
            Step::Raw(bits) => {
                batch = handled_raw(batch, *bits);
                settle_reported(&mut batch);
            }
            Step::Split(at) => {
                let rest = batch.split_off(at.index(batch.len() + 1));
                ready.push(std::mem::replace(&mut batch, rest));
            }
            Step::Append(count, before) => {
                let mut other = of_lines(*count, tokens);
                tokens += 1;
                if *before {
                    std::mem::swap(&mut batch, &mut other);
                }
                while batch.room() < other.len() {
                    batch.grow();
                }
                batch.append(other).unwrap();
            }
            Step::Grow => batch.grow(),
            Step::Fork => {
                ready.append(&mut batch.fork(2));
                batch = ready.pop().unwrap();
            }
            Step::Lend => {
                let (mut lent, mut copy) = Lent::new(batch);
                lent.reunite(&mut copy);
                batch = copy;
            }
        }
        assert!(batch.messages().iter().all(|message| message.status() == 0));
    }
    ready.push(batch);
    let mut pieces = Vec::new();
    for batch in ready {
        let bytes: usize = batch.messages().iter().map(|message| message.data().len()).sum();
        let handling = Handling::new(batch);
        let mut of_batch = Vec::new();
        lend(&handling, |call| {
            assert_eq!(call.bytes(), bytes);
            let len = call.messages().len();
            for places in [0..len, len / 3..len - len / 4] {
                for delimiter in [&b"\n"[..], b"\r\n"] {
                    let mut ending = Ending::default();
                    for piece in call.pieces_of(places.clone(), delimiter, &mut ending) {
                        let Piece { messages, data, .. } = piece;
                        of_batch.push((messages, String::from_utf8(data.into()).unwrap()));
                    }
                }
            }
            call.report_all(Report::DONE)
        });
        pieces.push(of_batch);
        handling.finish().unwrap().settle(Outcome::DELIVERED);
    }
    assert_eq!((books.alive(), Arc::strong_count(&ledger)), (0, 1));
    let of_token = |token| match token {
        0 => ledger.outcomes(0, count),
        token => ledger.outcomes(token, 3),
    };
    (pieces, (0..tokens).flat_map(of_token).collect())
}

#[test]
fn messages_that_pass_unchanged_stay_a_run() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let batch = handled(lines(9, &books, &ledger, 0), &[Act::Done], &mut Vec::new());
    assert!(batch.is_run());
    for act in [Act::Change, Act::Mark, Act::Drop, Act::KeepAndDrop, Act::Defer, Act::Panic] {
        let batch = lines(3, &books, &ledger, 1);
        assert!(!handled(batch, &[Act::Done, act, Act::Done], &mut Vec::new()).is_run(), "{act:?}");
        ledger.0.lock().unwrap().retain(|(token, _), _| *token == 0);
    }
    drop(batch);
    assert_eq!(books.alive(), 0);
}

/// A watch looks at the slots, which a run does not write to.
#[test]
fn a_watch_ends_a_run() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let handling = Handling::new(lines(4, &books, &ledger, 0));
    let watch = handling.watch();
    let mut reported = Vec::new();
    lend(&handling, |call| {
        call.each(|message, handled| {
            if message.data() == b"0.2" {
                reported = watch.give_up();
            }
            handled.done(message);
        })
    });
    let is_reported: Vec<_> = reported.drain(..).map(|copy| copy.is_some()).collect();
    assert_eq!(is_reported, [true, true, false], "the third one was out");
    drop(watch);
    handling.finish().unwrap().settle(Outcome::DELIVERED);
    assert_eq!(ledger.outcomes(0, 4), [Some(Outcome::DELIVERED); 4]);
    assert_eq!(books.alive(), 0);
}

#[test]
#[should_panic = "a run is watched from before it is lent"]
fn a_run_that_a_component_has_cannot_be_watched() {
    let handling = Handling::new(lines(4, &Books::default(), &Ledger::open(), 0));
    lend(&handling, |call| {
        drop(handling.watch());
        call.report_all(Report::DONE)
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 512 }, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn a_run_behaves_as_its_messages_one_by_one(count in 1u32..40, steps in vec(step(), 0..6)) {
        let (as_run, one_by_one) = (seen(count, &steps, true), seen(count, &steps, false));
        prop_assert!(as_run.1.iter().take(count as usize).all(Option::is_some));
        prop_assert_eq!(as_run, one_by_one);
    }
}
