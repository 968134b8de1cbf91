//! Deliveries in every interleaving of a few threads, and with every value that a relaxed load may
//! see (loom): `cargo xtask ci --full`, or
//! `RUSTFLAGS='--cfg loom' cargo test -p gopiper-abi --lib models -- --nocapture`.
use crate::raw::delivery::{derive, open, settle};
use loom::{cell::UnsafeCell, thread};

use super::*;

fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    loom::model(move || {
        counted.fetch_add(1, SeqCst);
        model();
    });
    println!("{name}: {} interleavings", count.load(SeqCst));
}

/// The reported outcomes: the first index, how many, the outcome; and `FREED` when the delivery has
/// gone.
type Told = Arc<Mutex<Vec<(u32, u32, Outcome)>>>;

const FREED: (u32, u32, Outcome) = (0, 0, Outcome(-1));

/// The delivery holds the only one: it is freed with it.
struct Hears {
    told: Told,
    /// Read by the thread that settles, written by the thread that frees: loom sees if these may
    /// overlap.
    alive: UnsafeCell<()>,
}

// SAFETY: there is nothing in `alive`, and loom checks each use of it.
unsafe impl Send for Hears {}
// SAFETY: there is nothing in `alive`, and loom reports a write beside another access.
unsafe impl Sync for Hears {}

impl Settle for Hears {
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome) {
        assert_eq!(token, 7);
        self.alive.with(|_| ());
        self.told.lock().unwrap().push((first, count, outcome));
    }
}

impl Drop for Hears {
    fn drop(&mut self) {
        self.alive.with_mut(|_| ());
        self.told.lock().unwrap().push(FREED);
    }
}

fn hears() -> (Told, Arc<dyn Settle>) {
    let told = Told::default();
    (told.clone(), Arc::new(Hears { told, alive: UnsafeCell::new(()) }))
}

/// All reported outcomes: each once, and the end last.
fn sorted(told: &Told) -> Vec<(u32, u32, Outcome)> {
    let mut told = told.lock().unwrap().clone();
    assert_eq!(told.pop(), Some(FREED));
    told.sort();
    told
}

/// Settles each on a thread of its own.
fn settle_all<const N: usize>(indices: [(Parent, Outcome); N]) {
    let threads = indices.map(|(part, outcome)| {
        thread::spawn(move || {
            // As a whole, for it may go to another thread.
            let Parent { delivery, first, count } = { part };
            // SAFETY: each test gives each index away once, so its thread holds it.
            unsafe { settle(delivery, first, count, outcome) };
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn part(delivery: *const Delivery, first: u32, count: u32) -> Parent {
    Parent { delivery, first, count }
}

#[test]
fn every_index_is_settled_once_and_the_last_one_frees() {
    explore("three settle one delivery", || {
        let (told, hears) = hears();
        let batch = open(4, 7, None, hears);
        settle_all([
            (part(batch, 0, 1), Outcome::DELIVERED),
            (part(batch, 1, 2), Outcome::FAILED),
            (part(batch, 3, 1), Outcome::RETURNED),
        ]);
        let expected =
            [(0, 1, Outcome::DELIVERED), (1, 2, Outcome::FAILED), (3, 1, Outcome::RETURNED)];
        assert_eq!(sorted(&told), expected);
    });
}

#[test]
fn parents_end_once_with_the_worst() {
    explore("two settle what was made of two parents, one settles what was not", || {
        let (told, hears) = hears();
        let batch = open(3, 7, None, hears);
        let made = derive(vec![part(batch, 0, 1), part(batch, 2, 1)], 3);
        settle_all([
            (part(made, 0, 1), Outcome::DROPPED),
            (part(made, 1, 2), Outcome::DELIVERED),
            (part(batch, 1, 1), Outcome::FAILED),
        ]);
        let expected =
            [(0, 1, Outcome::DROPPED), (1, 1, Outcome::FAILED), (2, 1, Outcome::DROPPED)];
        assert_eq!(sorted(&told), expected);
    });
}

#[test]
fn the_worst_goes_all_the_way() {
    explore("three settle what was made of what was made", || {
        let (told, hears) = hears();
        let batch = open(1, 7, None, hears);
        let made = derive(vec![part(batch, 0, 1)], 2);
        let again = derive(vec![part(made, 1, 1)], 2);
        settle_all([
            (part(made, 0, 1), Outcome::DROPPED),
            (part(again, 0, 1), Outcome::FAILED),
            (part(again, 1, 1), Outcome::DELIVERED),
        ]);
        assert_eq!(sorted(&told), [(0, 1, Outcome::FAILED)]);
    });
}

#[test]
fn copies_end_once_with_the_worst_of_each() {
    explore("three settle two copies of two messages", || {
        let (told, hears) = hears();
        let mut batch = Batch::new(2);
        (0..2).for_each(|_| batch.push(Message::new("x")).unwrap());
        batch.open_delivery(7, hears);
        let mut copies = batch.fork(2);
        let fork = copies[0].messages()[0].delivery;
        let taken = copies.iter_mut().flat_map(|copy| copy.messages_mut());
        taken.for_each(|message| {
            message.take_delivery();
        });
        settle_all([
            (part(fork, 0, 1), Outcome::DROPPED),
            (part(fork, 1, 2), Outcome::DELIVERED),
            (part(fork, 3, 1), Outcome::FAILED),
        ]);
        assert_eq!(sorted(&told), [(0, 1, Outcome::DROPPED), (1, 1, Outcome::FAILED)]);
    });
}
