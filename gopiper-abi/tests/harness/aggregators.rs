//! Components that keep messages, in the harness.
use gopiper_abi::{
    Component, Deliveries, Error, Factory, HandledCallback, Message, NoAttributes, Outcome,
    Postponed, testing::Harness,
};

use crate::{outcomes, statuses};

/// Joins messages: three, or those that came within a hundred nanoseconds.
struct Join {
    kept: Vec<u8>,
    settles: Deliveries,
    count: usize,
    postponed: Postponed,
}

struct JoinFactory;

impl Factory for JoinFactory {
    type Component = Join;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(JoinFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Join, Error> {
        Ok(Join { kept: Vec::new(), settles: Deliveries::default(), count: 0, postponed })
    }
}

impl Join {
    fn flush(&mut self) -> Result<(), Error> {
        self.count = 0;
        let settles = std::mem::take(&mut self.settles);
        let joined = match std::mem::take(&mut self.kept) {
            none if none.is_empty() => None,
            joined => Some(Message::new(joined)),
        };
        Ok(self.postponed.send_from(settles, joined)?)
    }
}

impl Component for Join {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if message.data() == b"panic" {
            panic!("with {} kept", self.count);
        }
        let (message, settles) = handled.keep(message).split();
        self.settles.add(settles);
        self.kept.extend_from_slice(message.data());
        self.count += 1;
        match self.count {
            1 => self.postponed.host().wake_at(self.postponed.host().monotonic() + 100),
            3 => self.flush().expect("the test takes all"),
            _ => {}
        }
    }

    fn timer(&mut self, _now: i64) -> Result<(), Error> {
        self.flush()
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.flush()
    }
}

const DELIVERED: Option<Outcome> = Some(Outcome::DELIVERED);

#[test]
fn an_aggregator_sends_by_count_and_settles_its_parents() {
    let mut join = Harness::transform::<JoinFactory>([]).unwrap();
    let handled = join.handle(["a", "b", "c", "d"]);
    assert_eq!(statuses(&handled), [1, 1, 1, 1]);
    assert_eq!(outcomes(&join.settled(), 0, 4), [None; 4], "on their way, or kept");
    assert_eq!(join.sent(), [b"abc"]);
    assert_eq!(outcomes(&join.settled(), 0, 4), [DELIVERED, DELIVERED, DELIVERED, None]);
    join.handle(["e", "f"]);
    assert_eq!(join.sent(), [b"def"]);
    let settled = join.settled();
    assert_eq!(outcomes(&settled, 0, 4), [None, None, None, DELIVERED]);
    assert_eq!(outcomes(&settled, 1, 2), [DELIVERED; 2]);
}

#[test]
fn an_aggregator_sends_by_time() {
    let mut join = Harness::transform::<JoinFactory>([]).unwrap();
    join.handle(["a", "b"]);
    join.advance(99).unwrap();
    assert_eq!(join.sent(), Vec::<Vec<u8>>::new());
    join.advance(1).unwrap();
    assert_eq!(join.sent(), [b"ab"]);
    assert_eq!(outcomes(&join.settled(), 0, 2), [DELIVERED; 2]);
    join.advance(1000).unwrap();
    assert_eq!(join.sent(), Vec::<Vec<u8>>::new(), "no component asked for that moment");
}

#[test]
fn an_aggregator_sends_the_rest_at_the_end() {
    let mut join = Harness::transform::<JoinFactory>([]).unwrap();
    join.handle(["a"]);
    join.end().unwrap();
    assert_eq!(join.sent(), [b"a"]);
    assert_eq!(outcomes(&join.settled(), 0, 1), [DELIVERED]);
}

#[test]
fn an_aggregator_that_has_nothing_to_say_settles_as_dropped() {
    let mut join = Harness::transform::<JoinFactory>([]).unwrap();
    join.handle(["", ""]);
    join.end().unwrap();
    assert_eq!(join.sent(), Vec::<Vec<u8>>::new());
    assert_eq!(outcomes(&join.settled(), 0, 2), [Some(Outcome::DROPPED); 2]);
}

#[test]
fn messages_kept_by_an_aggregator_that_panics_have_failed() {
    let mut join = Harness::transform::<JoinFactory>([]).unwrap();
    let handled = join.handle(["a", "b", "panic", "c", "d", "e"]);
    assert_eq!(statuses(&handled), [1, 1, 200, 1, 1, 1]);
    assert!(handled[2].description.contains("with 2 kept"), "{}", handled[2].description);
    assert_eq!(join.sent(), [b"cde"]);
    let failed = Some(Outcome::FAILED);
    let expected = [failed, failed, failed, DELIVERED, DELIVERED, DELIVERED];
    assert_eq!(outcomes(&join.settled(), 0, 6), expected);
}
