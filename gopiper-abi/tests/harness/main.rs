//! Components as an author writes them, tested as an author tests them.
mod aggregators;
mod sources;

use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Level, Message, NoAttributes, Outcome, Postponed,
    Produced, Report, Value, attributes,
    testing::{HandledMessage, Harness, Settled},
};

/// The outcomes of `count` messages under a token, one by one, each reported once.
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
            "unlucky" => Err(Error::new("cannot look for that here")),
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
        let lines = self.postponed.host().metric("lines_total", "Lines looked at.").counter();
        lines.expect("a valid name").add(1);
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
    assert_eq!((keep.metric("lines_total"), keep.metric("other")), (4.0, 0.0));
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
fn a_panic_fails_one_message_and_the_component_is_recreated() {
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
    assert!(error.starts_with("attribute look.from: ") && error.contains("-1"), "{error}");
    let error = refused(vec![("word", 7i64.into())]);
    assert!(error.starts_with("attribute word: ") && error.contains('7'), "{error}");
    let error = refused(vec![]);
    assert!(error.contains("word"), "{error}");
    let error = refused(vec![word(), ("wrod", "b".into())]);
    assert!(error.contains("wrod"), "{error}");
    assert_eq!(
        refused(vec![("word", "".into())]),
        "attribute word: is empty: every line contains that"
    );
    assert_eq!(refused(vec![("word", "unlucky".into())]), "cannot look for that here");
    assert!(Harness::transform::<KeepFactory>([word(), ("look", look(1i64.into()))]).is_ok());
}

#[test]
fn the_schema_describes_the_attributes() {
    let schema = keep("a").factory().schema();
    for said in ["Keeps the lines that contain a word", "The word.", "\"required\":[\"word\"]"] {
        assert!(schema.contains(said), "{said} in {schema}");
    }
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
