//! Models of the core's own synchronization, in every interleaving of a few threads, and with every
//! value that a relaxed load may see (loom): `cargo xtask ci --full`, or
//! `RUSTFLAGS='--cfg loom' cargo test -p gopiper-core --lib models -- --nocapture`.
//!
//! A thread that waits forever fails its model.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use loom::thread;

use crate::channel::{
    credit::{Credit, Load, Ticket},
    sequencer::Sequencer,
    sync::Mutex,
};

fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    explore_up_to(None, name, model);
}

/// With so many switches away from a thread that could have gone on: three threads have too many
/// interleavings. Switches of a thread that waits don't count.
fn explore_up_to(switches: Option<usize>, name: &str, model: impl Fn() + Send + Sync + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches;
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    println!("{name}: {} interleavings", count.load(Relaxed));
}

/// Room for two messages and ten bytes, and the holders of parts of it.
struct Room {
    credit: Credit,
    holders: AtomicUsize,
    /// Holders who need the whole.
    alone: AtomicUsize,
}

const SMALL: (usize, usize) = (1, 4);
const WHOLE: (usize, usize) = (1, 1000);

impl Room {
    fn new() -> Arc<Self> {
        let credit = Credit::new(2, 10);
        Arc::new(Room { credit, holders: AtomicUsize::new(0), alone: AtomicUsize::new(0) })
    }

    fn hold(&self, load: (usize, usize), ticket: Ticket) {
        let whole = usize::from(load == WHOLE);
        let holders = self.holders.fetch_add(1, Relaxed) + 1;
        let alone = self.alone.fetch_add(whole, Relaxed) + whole;
        assert!(holders <= if alone > 0 { 1 } else { 2 }, "{holders} at once, {alone} alone");
        self.alone.fetch_sub(whole, Relaxed);
        self.holders.fetch_sub(1, Relaxed);
        self.credit.give(ticket);
    }

    fn take(&self, (messages, bytes): (usize, usize)) {
        let ticket = self.credit.take(Load::new(messages, bytes));
        self.hold((messages, bytes), ticket);
    }

    fn try_take(&self, (messages, bytes): (usize, usize)) {
        if let Some(ticket) = self.credit.try_take(Load::new(messages, bytes)) {
            self.hold((messages, bytes), ticket);
        }
    }
}

/// Runs each on a thread of its own, and the last one on this.
fn together<const N: usize>(room: &Arc<Room>, steps: [fn(&Room); N]) {
    let (last, others) = steps.split_last().unwrap();
    let others: Vec<_> = others
        .iter()
        .map(|step| {
            let (room, step) = (room.clone(), *step);
            thread::spawn(move || step(&room))
        })
        .collect();
    last(room);
    others.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(room.credit.used().messages(), 0);
    assert!(room.credit.try_take(Load::new(2, 10)).is_some(), "nothing is claimed any more");
}

#[test]
fn room_for_two_is_shared_by_three() {
    explore_up_to(Some(5), "three small ones", || {
        together(&Room::new(), [|room| room.take(SMALL); 3]);
    });
}

#[test]
fn a_claim_for_the_whole_gets_it_alone() {
    explore_up_to(Some(5), "two that need the whole, one small", || {
        together(
            &Room::new(),
            [|room| room.take(WHOLE), |room| room.take(WHOLE), |room| room.take(SMALL)],
        );
    });
    explore("one that needs the whole, small ones come and go", || {
        together(
            &Room::new(),
            [
                |room| room.take(WHOLE),
                |room| {
                    room.take(SMALL);
                    room.take(SMALL);
                },
            ],
        );
    });
}

#[test]
fn trying_does_not_hold_up_other_senders() {
    explore_up_to(Some(5), "two that wait, one that tries", || {
        together(
            &Room::new(),
            [|room| room.take(WHOLE), |room| room.take(SMALL), |room| room.try_take(SMALL)],
        );
    });
}

#[test]
fn a_waiter_is_woken_by_the_last_return() {
    explore("room is given back by two others", || {
        let room = Room::new();
        let tickets = [(); 2].map(|()| room.credit.try_take(Load::new(1, 5)).unwrap());
        let givers = tickets.map(|ticket| {
            let room = room.clone();
            thread::spawn(move || room.credit.give(ticket))
        });
        room.take(WHOLE);
        givers.into_iter().for_each(|giver| giver.join().unwrap());
        assert_eq!(room.credit.used().messages(), 0);
    });
}

#[test]
fn messages_leave_a_stage_in_order_and_one_by_one() {
    explore("three workers, four items", || {
        let sequencer = Arc::new(Sequencer::new());
        let (out, sending) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let put = {
            let (sequencer, out) = (sequencer.clone(), out.clone());
            move |sequence: u64| {
                sequencer.put(sequence, sequence, |item| {
                    assert_eq!(sending.fetch_add(1, Relaxed), 0, "two send at once");
                    out.lock().push(item);
                    sending.fetch_sub(1, Relaxed);
                });
            }
        };
        let others = [[2, 3].as_slice(), &[1]].map(|sequences| {
            let put = put.clone();
            thread::spawn(move || sequences.iter().for_each(|sequence| put(*sequence)))
        });
        put(0);
        others.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(*out.lock(), [0, 1, 2, 3], "none is left");
    });
}

#[test]
fn a_worker_that_must_wait_to_send_holds_up_no_other() {
    explore("the room is given by a worker that comes behind", || {
        let (sequencer, credit) = (Arc::new(Sequencer::new()), Arc::new(Credit::new(1, 1)));
        let sent = Arc::new(AtomicUsize::new(0));
        let put = {
            let (sequencer, credit, sent) = (sequencer.clone(), credit.clone(), sent.clone());
            move |sequence: u64| {
                sequencer.put(sequence, (), |()| {
                    credit.give(credit.take(Load::new(1, 1)));
                    sent.fetch_add(1, Relaxed);
                });
            }
        };
        let taken = credit.try_take(Load::new(1, 1)).unwrap();
        let behind = {
            let put = put.clone();
            thread::spawn(move || {
                put(1);
                credit.give(taken);
            })
        };
        put(0);
        behind.join().unwrap();
        assert_eq!(sent.load(Relaxed), 2);
    });
}
