//! The number of messages under way is bounded, whatever a stage does: the source is held back.
//!
//! Messages are counted where their memory is freed, so nothing here depends on how fast it goes.
mod common;

use std::{
    sync::{
        Arc, Barrier, Condvar, Mutex,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
    time::Duration,
};

use common::{load, run, with_workers};
use gopiper_abi::{
    Component, Error, HandledCallback, Message, PayloadMut, Postponed, Produced, Report, Source,
    own, raw::client::FactoryHandle,
};
use gopiper_core::{ComponentOptions, ComponentSpec, RetryPolicy, Summary};

/// How many messages are in memory.
#[derive(Default)]
struct Gauge {
    made: AtomicUsize,
    live: AtomicUsize,
    most: AtomicUsize,
}

struct Counted {
    bytes: Vec<u8>,
    gauge: Arc<Gauge>,
}

impl AsMut<[u8]> for Counted {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.live.fetch_sub(1, SeqCst);
    }
}

impl Gauge {
    fn message(self: &Arc<Self>, bytes: usize) -> Message {
        let live = self.live.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(live, SeqCst);
        self.made.fetch_add(1, SeqCst);
        // Zeroed by the kernel when it is touched, which it is not.
        let counted = Counted { bytes: vec![0; bytes], gauge: self.clone() };
        Message::new(PayloadMut::from_owner(counted, None).freeze())
    }
}

fn spec(factory: FactoryHandle) -> ComponentSpec {
    ComponentSpec { factory, options: ComponentOptions::default() }
}

fn with_room(mut spec: ComponentSpec, messages: usize, bytes: usize) -> ComponentSpec {
    (spec.options.channel_size, spec.options.channel_bytes) = (Some(messages), Some(bytes));
    spec
}

/// Creates that many messages of that many bytes, one by one.
struct Maker {
    left: usize,
    bytes: usize,
    gauge: Arc<Gauge>,
    postponed: Postponed,
}

impl Source for Maker {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        if self.left == 0 {
            return Ok(Produced::FINISHED);
        }
        self.left -= 1;
        self.postponed.send(self.gauge.message(self.bytes))?;
        Ok(Produced::MORE)
    }
}

fn maker(messages: usize, bytes: usize, gauge: &Arc<Gauge>) -> ComponentSpec {
    let gauge = gauge.clone();
    spec(own::source("maker", move |postponed| {
        Ok(Maker { left: messages, bytes, gauge: gauge.clone(), postponed })
    }))
}

/// Shut until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn is_open(&self) -> bool {
        *self.open.lock().unwrap()
    }

    fn wait(&self) {
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// Blocks while the gate is shut.
struct Still(Arc<Gate>);

impl Component for Still {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.wait();
        handled.done(message);
    }
}

fn still(gate: &Arc<Gate>) -> ComponentSpec {
    let gate = gate.clone();
    spec(own::transform("still", move |_| Ok(Still(gate.clone()))))
}

fn null() -> ComponentSpec {
    load("null", [])
}

fn all_delivered(summary: &Summary, messages: usize) {
    assert!(summary.is_success(), "{summary:?}");
    assert_eq!(summary.outcomes.delivered, messages as u64);
}

const MB: usize = 1 << 20;

/// 16 MB each. With 8 MB of room a message travels alone; with 40 MB there are two.
#[test]
fn memory_is_bounded_by_the_rooms() {
    for (room, messages_in_room) in [(8 * MB, 1), (40 * MB, 2)] {
        let gauge = Arc::new(Gauge::default());
        let stage = |spec| with_room(spec, 1000, room);
        let (summary, _) = run(vec![
            maker(100, 16 * MB, &gauge),
            stage(load("pass", [])),
            stage(with_workers(load("pass", []), 3)),
            stage(null()),
        ]);
        all_delivered(&summary, 100);
        assert_eq!(gauge.live.load(SeqCst), 0);
        // Three rooms full, and one message in the source's hands that waits for room.
        let (most, bound) = (gauge.most.load(SeqCst), 3 * messages_in_room + 1);
        assert!(most <= bound, "{most} messages of 16 MB, not {bound}");
    }
}

/// Opens the gate when `made` messages were created, and no more followed for a while.
fn open_when_held_back(
    gate: &Arc<Gate>,
    gauge: &Arc<Gauge>,
    made: usize,
) -> thread::JoinHandle<usize> {
    let (gate, gauge) = (gate.clone(), gauge.clone());
    thread::spawn(move || {
        while gauge.made.load(SeqCst) < made {
            thread::yield_now();
        }
        // Time for a source that is not held back to show it; a slow one is only not caught.
        thread::sleep(Duration::from_millis(5));
        let made = gauge.made.load(SeqCst);
        gate.open();
        made
    })
}

#[test]
fn a_blocked_stage_holds_the_source_back() {
    // Bounded by messages, and by bytes.
    for (bytes, still_room, pass_room) in
        [(10, (4, MB), (2, MB)), (16 * MB, (100, 70 * MB), (100, 40 * MB))]
    {
        let (gate, gauge) = (Arc::new(Gate::default()), Arc::new(Gauge::default()));
        // Four in the one room, two in the other, one in the source's hands.
        let opened = open_when_held_back(&gate, &gauge, 7);
        let (summary, _) = run(vec![
            maker(50, bytes, &gauge),
            with_room(load("pass", []), pass_room.0, pass_room.1),
            with_room(still(&gate), still_room.0, still_room.1),
            null(),
        ]);
        assert_eq!(opened.join().unwrap(), 7);
        all_delivered(&summary, 50);
        assert_eq!((gauge.made.load(SeqCst), gauge.live.load(SeqCst)), (50, 0));
    }
}

/// Wants every message again until the gate is open.
struct Again {
    gate: Arc<Gate>,
    attempts: Arc<AtomicUsize>,
}

impl Component for Again {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.attempts.fetch_add(1, Relaxed);
        match self.gate.is_open() {
            true => handled.done(message),
            false => handled.report(message, Report::retry(0, "not yet")),
        }
    }
}

#[test]
fn messages_waiting_for_a_retry_hold_the_source_back() {
    for ordered in [true, false] {
        let (gate, gauge) = (Arc::new(Gate::default()), Arc::new(Gauge::default()));
        let attempts = Arc::new(AtomicUsize::new(0));
        let component = {
            let (gate, attempts) = (gate.clone(), attempts.clone());
            own::transform("again", move |_| {
                Ok(Again { gate: gate.clone(), attempts: attempts.clone() })
            })
        };
        let mut again = with_room(spec(component), 4, MB);
        again.options.ordered = Some(ordered);
        let backoff = Duration::from_micros(100);
        again.options.retry =
            RetryPolicy { max_attempts: u16::MAX, initial_backoff: backoff, max_backoff: backoff };
        let opened = {
            let (gate, gauge) = (gate.clone(), gauge.clone());
            thread::spawn(move || {
                // Until each of the four has had several.
                while gauge.made.load(SeqCst) < 5 || attempts.load(Relaxed) < 40 {
                    thread::yield_now();
                }
                let made = gauge.made.load(SeqCst);
                gate.open();
                made
            })
        };
        let (summary, _) = run(vec![maker(30, 10, &gauge), again, null()]);
        assert_eq!(opened.join().unwrap(), 5, "ordered: {ordered}");
        all_delivered(&summary, 30);
        assert_eq!(gauge.live.load(SeqCst), 0);
    }
}

/// Runs `f` once, as a source.
struct Once<F>(Option<F>, Postponed);

impl<F: FnOnce(&Postponed) + Send + 'static> Source for Once<F> {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        if let Some(f) = self.0.take() {
            f(&self.1);
        }
        Ok(Produced::FINISHED)
    }
}

fn once<F: FnOnce(&Postponed) + Send + 'static>(f: F) -> ComponentSpec {
    let f = Mutex::new(Some(f));
    spec(own::source("once", move |postponed| Ok(Once(f.lock().unwrap().take(), postponed))))
}

#[test]
fn trying_to_send_takes_the_room_there_is_and_never_waits() {
    // The race for the last room is short: it runs so often that one sender loses it.
    for _ in 0..100 {
        let (gate, gauge) = (Arc::new(Gate::default()), Arc::new(Gauge::default()));
        let (opens, made) = (gate.clone(), gauge.clone());
        let source = once(move |postponed| {
            let (sent, start) = (AtomicUsize::new(0), Barrier::new(4));
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let messages = [(); 3].map(|()| made.message(10));
                        start.wait();
                        for message in messages {
                            sent.fetch_add(
                                usize::from(postponed.try_send(message).is_ok()),
                                SeqCst,
                            );
                        }
                    });
                }
            });
            // Had one of them waited, this would never be reached.
            assert_eq!(sent.load(SeqCst), 2);
            opens.open();
        });
        let (summary, _) = run(vec![source, with_room(still(&gate), 2, MB), null()]);
        all_delivered(&summary, 2);
        assert_eq!((gauge.made.load(SeqCst), gauge.live.load(SeqCst)), (12, 0));
    }
}
