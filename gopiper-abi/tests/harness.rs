//! Components as an author writes them, tested as an author tests them.
use std::ops::Range;

use gopiper_abi::{
    Component, Deliveries, Error, Factory, HandledCallback, Level, Message, NoAttributes, Outcome,
    Postponed, Produced, Report, Source, Value, attributes,
    testing::{HandledMessage, Harness, Settled},
};

/// The outcomes of `count` messages under a token, one by one, each told once.
fn outcomes(settled: &[Settled], token: u64, count: u32) -> Vec<Option<Outcome>> {
    let mut outcomes = vec![None; count as usize];
    for settled in settled.iter().filter(|settled| settled.token == token) {
        for index in settled.first..settled.first + settled.count {
            let before = outcomes[index as usize].replace(settled.outcome);
            assert_eq!(before, None, "message {index} is settled once");
        }
    }
    outcomes
}

fn statuses(handled: &[HandledMessage]) -> Vec<i32> {
    handled.iter().map(|handled| handled.status).collect()
}

attributes! {
    /// Keeps the lines that contain a word, and says where.
    pub struct KeepAttributes {
        /// The word.
        pub word: String,
        /// How it looks.
        #[serde(default)]
        pub look: Option<Look>,
    }
}

attributes! {
    /// How to look.
    pub struct Look {
        /// From which byte on.
        pub from: usize,
    }
}

struct Keep {
    word: String,
    from: usize,
    seen: u64,
    postponed: Postponed,
}

struct KeepFactory(KeepAttributes);

impl Factory for KeepFactory {
    type Component = Keep;
    type Attributes = KeepAttributes;

    fn new(attributes: KeepAttributes) -> Result<Self, Error> {
        match attributes.word.as_str() {
            "" => Err(Error::attribute("word", "is empty: every line contains that")),
            _ => Ok(KeepFactory(attributes)),
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self.0.word.as_str() {
            "unlucky" => Err(Error::new("can't look for that here")),
            _ => Ok(()),
        }
    }

    fn create(&self, postponed: Postponed) -> Result<Keep, Error> {
        let from = self.0.look.as_ref().map_or(0, |look| look.from);
        Ok(Keep { word: self.0.word.clone(), from, seen: 0, postponed })
    }
}

impl Component for Keep {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        self.seen += 1;
        self.postponed.host().counter("lines_total", "Lines looked at").add(1);
        let text = String::from_utf8_lossy(message.data()).into_owned();
        assert_ne!(text, "panic", "after {} lines", self.seen - 1);
        match text.get(self.from..).and_then(|text| text.find(&self.word)) {
            Some(place) => {
                log::info!("found at {place}");
                message.set_attribute("place", place as u64);
                message.set_data(text.to_uppercase());
                handled.done(message);
            }
            None if text.is_empty() => {
                tracing::warn!(line = self.seen, "an empty line");
                handled.report(message, Report::fail(4, "empty"));
            }
            None => handled.discard(message),
        }
    }
}

fn keep(word: &str) -> Harness {
    Harness::transform::<KeepFactory>([("word", word.into())]).unwrap()
}

#[test]
fn a_transform_changes_drops_and_fails() {
    let mut keep = keep("b");
    let handled = keep.handle(["abc", "xyz", "", "b"]);
    assert_eq!(statuses(&handled), [0, 300, 204, 0]);
    assert_eq!((handled[2].description.as_str(), &handled[2].data[..]), ("empty", &b""[..]));
    let sent = keep.sent_messages();
    let data: Vec<&[u8]> = sent.iter().map(Message::data).collect();
    assert_eq!(data, [b"ABC".as_slice(), b"B"]);
    assert_eq!(sent[0].attribute("place").and_then(Value::as_u64), Some(1));
    let expected = [Outcome::DELIVERED, Outcome::DROPPED, Outcome::FAILED, Outcome::DELIVERED];
    assert_eq!(outcomes(&keep.settled(), 0, 4), expected.map(Some));
    assert_eq!(keep.sent(), Vec::<Vec<u8>>::new());
    assert_eq!((keep.metric("lines_total"), keep.metric("other")), (4, 0));
}

#[test]
fn a_transform_takes_more_than_one_batch_holds() {
    let mut keep = keep("1");
    let lines: Vec<String> = (0..2000).map(|i| i.to_string()).collect();
    let handled = keep.handle(lines.iter().map(String::as_str));
    assert_eq!(handled.len(), 2000);
    assert_eq!(keep.sent().len(), lines.iter().filter(|line| line.contains('1')).count());
    assert!(outcomes(&keep.settled(), 0, 2000).iter().all(Option::is_some));
}

#[test]
fn a_panic_fails_one_message_and_the_component_is_made_anew() {
    let mut keep = keep("a");
    let handled = keep.handle(["a1", "a2", "panic", "a3", "panic"]);
    assert_eq!(statuses(&handled), [0, 0, 200, 0, 200]);
    assert!(handled[2].description.contains("after 2 lines"), "{}", handled[2].description);
    assert!(handled[4].description.contains("after 1 lines"), "{}", handled[4].description);
    assert_eq!(handled[2].data, b"panic");
    assert_eq!(keep.sent(), [b"A1", b"A2", b"A3"]);
}

#[test]
fn log_and_tracing_reach_the_host_of_the_call() {
    let (mut one, mut other) = (keep("a"), keep("b"));
    one.handle(["xa", ""]);
    other.handle(["xxb"]);
    let logged = one.logged();
    assert_eq!(logged[0], (Level::INFO, "found at 1".into()));
    assert_eq!((logged.len(), logged[1].0), (2, Level::WARN));
    assert!(logged[1].1.contains("an empty line") && logged[1].1.contains('2'), "{logged:?}");
    assert_eq!(other.logged(), [(Level::INFO, "found at 2".into())]);
    assert_eq!(one.logged(), []);
}

#[test]
fn an_attribute_that_is_wrong_is_named_with_its_value() {
    let refused = |attributes: Vec<(&'static str, Value)>| {
        Harness::transform::<KeepFactory>(attributes).unwrap_err().to_string()
    };
    let look = |from: Value| Value::from(gopiper_abi::Map::from_iter([("from", from)]));
    let word = || ("word", Value::from("a"));
    let error = refused(vec![word(), ("look", look((-1i64).into()))]);
    assert!(error.starts_with("look.from: ") && error.contains("-1"), "{error}");
    let error = refused(vec![("word", 7i64.into())]);
    assert!(error.starts_with("word: ") && error.contains('7'), "{error}");
    let error = refused(vec![]);
    assert!(error.contains("word"), "{error}");
    let error = refused(vec![word(), ("wrod", "b".into())]);
    assert!(error.contains("wrod"), "{error}");
    assert_eq!(refused(vec![("word", "".into())]), "word: is empty: every line contains that");
    assert_eq!(refused(vec![("word", "unlucky".into())]), "can't look for that here");
    assert!(Harness::transform::<KeepFactory>([word(), ("look", look(1i64.into()))]).is_ok());
}

#[test]
fn the_schema_says_what_the_attributes_are() {
    let schema = keep("a").factory().schema();
    for said in ["Keeps the lines that contain a word", "The word.", "\"required\":[\"word\"]"] {
        assert!(schema.contains(said), "{said} in {schema}");
    }
}

/// Counts down from three, in batches of two; tells what it hears by the log.
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
fn a_source_produces_and_hears_what_became_of_it() {
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
fn a_source_hears_of_any_outcome() {
    let mut source = Harness::source::<CountdownFactory>([]).unwrap();
    for outcome in [Outcome::FAILED, Outcome::RETURNED] {
        source.produce(1).unwrap();
        assert_eq!(source.sent_as(outcome).len(), 1);
        source.tell_settled();
    }
    let said: Vec<String> = source.logged().into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["1: 0..1 FAILED", "2: 0..1 RETURNED"]);
}

/// Ticks every hundred nanoseconds, four times; tells how much it may send.
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

#[test]
fn numbers_are_shown_by_their_names() {
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        Outcome::DEAD_LETTERED,
        Outcome(17),
        Level::INFO,
        Produced::waiting_until(7),
        Produced::WAITING,
        Produced::FINISHED,
    );
    assert_eq!(shown, "DEAD_LETTERED 17 INFO waiting_until(7) WAITING FINISHED");
    let handled =
        HandledMessage { status: 0, description: String::new(), data: b"a\n\xff".to_vec() };
    let shown = format!("{handled:?}");
    assert_eq!(shown, r#"HandledMessage { status: 0, description: "", data: "a\n\xff" }"#);
}

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
    assert_eq!(join.sent(), Vec::<Vec<u8>>::new(), "nobody asked for that moment");
}

#[test]
fn an_aggregator_sends_what_is_left_at_the_end() {
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
fn what_an_aggregator_kept_when_it_panicked_has_failed() {
    let mut join = Harness::transform::<JoinFactory>([]).unwrap();
    let handled = join.handle(["a", "b", "panic", "c", "d", "e"]);
    assert_eq!(statuses(&handled), [1, 1, 200, 1, 1, 1]);
    assert!(handled[2].description.contains("with 2 kept"), "{}", handled[2].description);
    assert_eq!(join.sent(), [b"cde"]);
    let failed = Some(Outcome::FAILED);
    let expected = [failed, failed, failed, DELIVERED, DELIVERED, DELIVERED];
    assert_eq!(outcomes(&join.settled(), 0, 6), expected);
}

/// Reports from threads of its own, in the order that the messages' numbers say.
struct Late(Option<std::sync::mpsc::Sender<(Message, gopiper_abi::Deferred)>>);

struct LateFactory;

impl Factory for LateFactory {
    type Component = Late;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(LateFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Late, Error> {
        let (sender, receiver) = std::sync::mpsc::channel::<(Message, gopiper_abi::Deferred)>();
        let host = postponed.host().clone();
        std::thread::spawn(move || {
            for (mut message, deferred) in receiver {
                host.scope(|| log::info!("one"));
                match message.data() {
                    b"fail" => deferred.report(message, Report::fail(1, "late")),
                    b"drop" => deferred.discard(message),
                    b"give up" => deferred.fail(message, "given up"),
                    b"forget" => drop(deferred),
                    data => {
                        let louder = [data, b"!"].concat();
                        message.set_data(louder);
                        deferred.done(message);
                    }
                }
            }
        });
        Ok(Late(Some(sender)))
    }
}

impl Component for Late {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let sender = self.0.as_ref().expect("it has one");
        sender.send((message, handled.defer())).expect("the thread lives");
    }
}

#[test]
fn late_reports_are_waited_for() {
    let mut late = Harness::transform::<LateFactory>([]).unwrap();
    let handled = late.handle(["a", "fail", "forget", "drop", "give up", "b"]);
    assert_eq!(statuses(&handled), [0, 201, 200, 300, 200, 0]);
    let said: Vec<&str> = handled.iter().map(|handled| handled.description.as_str()).collect();
    assert_eq!(said, ["", "late", "no report", "", "given up", ""]);
    assert_eq!(late.sent(), [b"a!", b"b!"]);
    assert_eq!(late.logged().len(), 6);
}
