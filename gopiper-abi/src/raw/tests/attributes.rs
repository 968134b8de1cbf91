//! Attributes: where they lie, who shares them, and when they are copied.
use std::{collections::BTreeMap, sync::mpsc, thread};

use proptest::prelude::*;

use super::*;

fn with(pairs: &[(&str, &str)]) -> Message {
    let mut message = Message::new("data");
    pairs.iter().for_each(|(name, value)| message.set_attribute(name, *value));
    message
}

fn shown(message: &Message) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    message.attributes().iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

#[test]
fn they_keep_their_order_and_their_places() {
    let mut message = with(&[("z", "1"), ("a", "2"), ("m", "3")]);
    message.set_attribute("a", "again");
    message.set_attribute("b", true);
    assert_eq!(message.remove_attribute("z").unwrap().as_str(), Some("1"));
    assert_eq!(message.remove_attribute("z"), None);
    let attributes = message.attributes();
    let names: Vec<&str> = attributes.iter().map(|(name, _)| name).collect();
    assert_eq!((names, attributes.len()), (vec!["a", "m", "b"], 3));
    assert_eq!(attributes.get("a").unwrap().as_str(), Some("again"));
    assert_eq!(format!("{attributes:?}"), r#"{"a": "again", "m": "3", "b": true}"#);
    assert_eq!(attributes.to_map().get("m"), Some(&"3".into()));
}

#[test]
fn text_of_any_length_and_bytes_come_back_as_they_were() {
    for length in [0, 1, 15, 1024, 1025, 40_000] {
        let text = "x".repeat(length);
        let mut message = with(&[("before", "b")]);
        message.set_attribute("borrowed", &text);
        message.set_attribute("owned", text.clone());
        message.set_attribute("bytes", text.as_bytes());
        message.set_attribute(&text, "as a name");
        message.set_attribute("after", "a");
        let copy = message.attributes().to_map();
        drop(message);
        assert_eq!(copy.get("borrowed").unwrap().as_str(), Some(&text[..]));
        assert_eq!(copy.get("owned").unwrap().as_str(), Some(&text[..]));
        assert_eq!(copy.get("bytes").unwrap().as_bytes(), Some(text.as_bytes()));
        assert_eq!(copy.get("bytes").unwrap().as_str(), None);
        assert_eq!(copy.get(&text).unwrap().as_str(), Some("as a name"));
        assert_eq!(copy.get("after").unwrap().as_str(), Some("a"));
    }
}

#[test]
fn a_value_taken_out_outlives_its_message() {
    let mut message = with(&[("a", "text")]);
    let taken = message.remove_attribute("a").unwrap();
    let cloned = with(&[("b", "other")]).attribute("b").unwrap().clone();
    drop(message);
    assert_eq!((taken.as_str(), cloned.as_str()), (Some("text"), Some("other")));
}

#[test]
fn another_thread_adds_to_what_it_got_and_frees_what_it_did_not_make() {
    let books = Books::default();
    let (to, from) = mpsc::channel::<Message>();
    let receiver = thread::spawn(move || {
        from.into_iter()
            .map(|mut message| {
                message.set_attribute("second", "of the receiver");
                message.set_attribute("list", vec![Value::from(1i64), "two".into()]);
                shown(&message)
            })
            .collect::<Vec<_>>()
    });
    for n in 0..2_000 {
        let mut message = with(&[("first", &n.to_string())]);
        message.set_attribute("object", books.payload("freed with the message"));
        message.set_value(vec![Value::from(books.payload("value"))].into());
        to.send(message).unwrap();
    }
    drop(to);
    let seen = receiver.join().unwrap();
    assert_eq!(seen.len(), 2_000);
    for (n, attributes) in seen.iter().enumerate() {
        assert_eq!(attributes[0], ("first".into(), n.to_string()));
        assert_eq!(attributes[2], ("second".into(), "of the receiver".into()));
    }
    assert_eq!(books.alive(), 0, "objects move with the attributes, and are freed once");
}

#[test]
fn a_message_without_any_shares_those_of_another_and_others_get_them_beside_theirs() {
    let mut of_all = with(&[("path", "/var/log/app.log"), ("kind", "log")]);
    of_all.set_trace(Trace { id: [1; 16], span: [2; 8], flags: 1 });
    let (mut plain, mut own) = (Message::new(""), with(&[("kind", "own"), ("n", "1")]));
    plain.share_attributes(&of_all);
    own.share_attributes(&of_all);
    assert_eq!((plain.extra, shown(&plain)), (of_all.extra, shown(&of_all)));
    let both = [("kind", "log"), ("n", "1"), ("path", "/var/log/app.log")];
    assert_eq!(shown(&own), both.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((plain.trace(), own.trace()), (of_all.trace(), of_all.trace()));
    let mut nothing = Message::new("");
    nothing.share_attributes(&Message::new(""));
    assert!(nothing.extra.is_null());
}

#[test]
fn a_description_and_a_trace_move_along() {
    let mut message = with(&[("a", "1")]).with_report(Report::retry(1, "the first"));
    message.set_trace(Trace { id: [1; 16], span: [2; 8], flags: 1 });
    let message = thread::spawn(move || {
        message.set_attribute("b", "2");
        message.with_report(Report::retry(1, "the second"))
    });
    let message = message.join().unwrap();
    assert_eq!((message.description(), message.trace().unwrap().flags), ("the second", 1));
    assert_eq!(message.attributes().len(), 2);
}

#[test]
fn a_thread_that_is_ending_can_still_set_one() {
    struct Last(mpsc::Sender<Message>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.send(with(&[("set by", "a destructor")])).unwrap();
        }
    }
    thread_local!(static LAST: Cell<Option<Last>> = const { Cell::new(None) });
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Made first, so dropped last: after the memory that attributes are written to.
        LAST.set(Some(Last(sender)));
        drop(with(&[("a", "1")]));
    });
    assert_eq!(
        receiver.recv().unwrap().attribute("set by").unwrap().as_str(),
        Some("a destructor")
    );
}

/// One operation on one of several messages.
#[derive(Debug, Clone)]
enum Step {
    Set(usize, u8, String),
    SetObject(usize, u8, String),
    Remove(usize, u8),
    Duplicate(usize),
    Share(usize, usize),
    Describe(usize, String),
    Drop(usize),
    /// The rest is done by another thread.
    Cross,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (at, name) = (0..8usize, 0..6u8);
    let text = prop_oneof![4 => "[a-z]{0,20}", 1 => "[a-z]{1000,1100}"];
    prop::collection::vec(
        prop_oneof![
            6 => (at.clone(), name.clone(), text.clone()).prop_map(|(m, n, t)| Step::Set(m, n, t)),
            2 => (at.clone(), name.clone(), text.clone())
                .prop_map(|(m, n, t)| Step::SetObject(m, n, t)),
            2 => (at.clone(), name).prop_map(|(m, n)| Step::Remove(m, n)),
            2 => at.clone().prop_map(Step::Duplicate),
            1 => (at.clone(), at.clone()).prop_map(|(m, of)| Step::Share(m, of)),
            1 => (at.clone(), text).prop_map(|(m, t)| Step::Describe(m, t)),
            2 => at.prop_map(Step::Drop),
            2 => Just(Step::Cross),
        ],
        1..60,
    )
}

/// A message, its attributes as a model, and its description.
type Modelled = (Message, BTreeMap<String, String>, String);

fn text_of(value: &Value) -> String {
    match (value.as_str(), value.as_list()) {
        (Some(text), _) => text.into(),
        (_, Some([one])) => format!("[{}]", one.as_str().unwrap_or_default()),
        _ => panic!("{value:?}"),
    }
}

fn run(steps: &[Step], mut messages: Vec<Modelled>) {
    for (done, step) in steps.iter().enumerate() {
        let count = messages.len();
        match step {
            Step::Cross => {
                let rest = &steps[done + 1..];
                return thread::scope(|scope| {
                    scope.spawn(move || run(rest, messages)).join().unwrap();
                });
            }
            Step::Set(at, name, text) => {
                let (message, model, _) = &mut messages[at % count];
                message.set_attribute(&name.to_string(), text);
                model.insert(name.to_string(), text.clone());
            }
            Step::SetObject(at, name, text) => {
                let (message, model, _) = &mut messages[at % count];
                message.set_attribute(&name.to_string(), vec![Value::from(&text[..])]);
                model.insert(name.to_string(), format!("[{text}]"));
            }
            Step::Remove(at, name) => {
                let (message, model, _) = &mut messages[at % count];
                let removed = message.remove_attribute(&name.to_string());
                let expected = model.remove(&name.to_string());
                assert_eq!(removed.as_ref().map(text_of), expected);
            }
            Step::Duplicate(at) => {
                let (message, model, description) = &messages[at % count];
                messages.push((message.duplicate(), model.clone(), description.clone()));
            }
            Step::Share(at, of) => {
                let (message, model, description) = &messages[of % count];
                let (of, model, description) =
                    (message.duplicate(), model.clone(), description.clone());
                let (message, own, its) = &mut messages[at % count];
                if message.extra.is_null() {
                    *its = description;
                }
                message.share_attributes(&of);
                own.extend(model);
            }
            Step::Describe(at, text) => {
                let (message, _, description) = &mut messages[at % count];
                message.set_report(Report::retry(0, text.clone()));
                *description = text.clone();
            }
            Step::Drop(at) if count > 1 => _ = messages.swap_remove(at % count),
            Step::Drop(_) => {}
        }
        for (message, model, description) in &messages {
            let found: BTreeMap<_, _> = message
                .attributes()
                .iter()
                .map(|(name, value)| (name.to_owned(), text_of(value)))
                .collect();
            assert_eq!((&found, message.description()), (model, &description[..]));
        }
    }
}

proptest! {
    #[test]
    fn each_message_keeps_its_own_attributes_through_any_changes(steps in steps()) {
        run(&steps, vec![(Message::new("first"), BTreeMap::new(), String::new())]);
    }
}
