//! Sources in the harness.
use std::ops::Range;

use gopiper_abi::{
    Error, Factory, Message, NoAttributes, Outcome, Postponed, Produced, Source, testing::Harness,
};

/// Counts down from three, in batches of two; logs the outcomes that it receives.
struct Countdown {
    left: u64,
    token: u64,
    postponed: Postponed,
}

struct CountdownFactory;

impl Factory for CountdownFactory {
    type Component = Countdown;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(CountdownFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Countdown, Error> {
        Ok(Countdown { left: 3, token: 0, postponed })
    }
}

impl Source for Countdown {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        for _ in 0..credit.min(2) {
            if self.left == 0 {
                break;
            }
            let mut block = self.postponed.host().payload(1);
            block[0] = b'0' + self.left as u8;
            batch.push(Message::new(block.freeze())).expect("there is room for two");
            self.left -= 1;
        }
        match batch.is_empty() {
            true => Ok(Produced::FINISHED),
            false => {
                self.token += 1;
                self.postponed.send_tracked(batch, self.token)?;
                Ok(Produced::MORE)
            }
        }
    }

    fn settled(&mut self, token: u64, indices: Range<u32>, outcome: Outcome) {
        log::info!("{token}: {indices:?} {outcome:?}");
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        match self.left {
            0 => Ok(()),
            left => Err(Error::new(format!("{left} left"))),
        }
    }
}

#[test]
fn a_source_produces_and_learns_the_outcomes() {
    let mut source = Harness::source::<CountdownFactory>([]).unwrap();
    assert_eq!(source.produce(10).unwrap(), Produced::MORE);
    assert_eq!(source.end().unwrap_err().to_string(), "1 left");
    assert_eq!(source.produce(10).unwrap(), Produced::MORE);
    assert_eq!(source.produce(10).unwrap(), Produced::FINISHED);
    source.tell_settled();
    assert_eq!(source.logged(), [], "nothing has ended yet");
    assert_eq!(source.sent(), [b"3", b"2", b"1"]);
    source.tell_settled();
    let said: Vec<String> = source.logged().into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["1: 0..2 DELIVERED", "2: 0..1 DELIVERED"]);
    source.end().unwrap();
}

#[test]
fn a_source_learns_any_outcome() {
    let mut source = Harness::source::<CountdownFactory>([]).unwrap();
    for outcome in [Outcome::FAILED, Outcome::RETURNED] {
        source.produce(1).unwrap();
        assert_eq!(source.sent_as(outcome).len(), 1);
        source.tell_settled();
    }
    let said: Vec<String> = source.logged().into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["1: 0..1 FAILED", "2: 0..1 RETURNED"]);
}

/// Ticks every hundred nanoseconds, four times; logs how much it may send.
struct Ticks {
    next: i64,
    postponed: Postponed,
}

struct TicksFactory;

impl Factory for TicksFactory {
    type Component = Ticks;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(TicksFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Ticks, Error> {
        Ok(Ticks { next: 100, postponed })
    }
}

impl Source for Ticks {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        assert!(credit > 0);
        if self.postponed.host().monotonic() < self.next {
            return Ok(Produced::waiting_until(self.next));
        }
        if self.next > 400 {
            return Ok(Produced::FINISHED);
        }
        self.postponed.send(Message::new(self.next.to_string()))?;
        self.next += 100;
        Ok(if self.next == 200 { Produced::WAITING } else { Produced::MORE })
    }
}

#[test]
fn the_clock_drives_a_source() {
    let mut ticks = Harness::source::<TicksFactory>([]).unwrap();
    ticks.advance(50).unwrap();
    assert_eq!(ticks.produce(1).unwrap(), Produced::waiting_until(100));
    ticks.advance(49).unwrap();
    assert_eq!(ticks.sent(), Vec::<Vec<u8>>::new());
    ticks.advance(1).unwrap();
    assert_eq!(ticks.sent(), [b"100"]);
    ticks.advance(1000).unwrap();
    assert_eq!(ticks.sent(), Vec::<Vec<u8>>::new(), "it waits until it is woken");
    assert_eq!(ticks.produce(1).unwrap(), Produced::MORE);
    assert_eq!(ticks.sent(), [b"200"]);
    assert_eq!(format!("{ticks:?}"), "Harness { kind: SOURCE, .. }");
}
