//! The attributes of a component in C, and those of its messages.
use gopiper_abi::{Map, Message, Payload, Value, ValueTag};

use crate::{
    EVERYTHING,
    common::{Probe, c::component_of, run},
    everything, factory, one, spec,
};

#[test]
fn its_attributes_are_checked_as_all_are() {
    let file = component_of(EVERYTHING);
    let refused = |attributes: Map| {
        let errors = factory(&file).configure(attributes).expect_err("refused");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(refused(Map::default()), "attribute text: is required: A text.");
    let mut wrong = Map::from_iter([("text", Value::from(7i64)), ("sined", 1i64.into())]);
    wrong.insert("flag", "yes");
    wrong.insert("unsigned", -1i64);
    let said = refused(wrong);
    for part in [
        "attribute text: must be a string (it is 7)",
        "attribute sined: does not exist; did you mean 'signed'?",
        "attribute flag: must be true or false (it is \"yes\")",
        "attribute unsigned: must be a whole number, 0 or more (it is -1)",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let text = |text: &str| Map::from_iter([("text", text)]);
    assert_eq!(refused(text("wrong")), "attribute text: 'wrong' is wrong: give another one");
    assert_eq!(refused(text("silent")), "failed without a message");
    let mut unchecked = factory(&file);
    unchecked.configure(text("unchecked")).expect("configured");
    assert_eq!(unchecked.check().expect_err("refused")[0].message, "it would not work");

    let schema: serde_json::Value = serde_json::from_str(&unchecked.schema()).expect("JSON");
    assert_eq!(schema["description"], "Does what its message says.");
    assert_eq!(schema["required"], serde_json::json!(["text"]));
    let signed = &schema["properties"]["signed"];
    assert_eq!((&signed["type"], &signed["default"]), (&"integer".into(), &(-7).into()));
    assert_eq!(signed["description"], "An integer. It may be negative.");

    // It receives given attributes and defaults.
    let probe = Probe::new(["configured"]);
    run(vec![probe.source(1), everything(), probe.sink()]);
    assert_eq!(probe.output(), ["it -7 18446744073709551615 0.5 1 0 1"]);
    let given = spec(
        &file,
        [
            ("text", "é".into()),
            ("signed", i64::MIN.into()),
            ("unsigned", 3u64.into()),
            ("number", 7i64.into()),
            ("flag", false.into()),
            ("optional", "".into()),
        ],
    );
    let probe = Probe::new(["configured"]);
    run(vec![probe.source(1), given, probe.sink()]);
    assert_eq!(probe.output(), ["é -9223372036854775808 3 7 0 1 1"]);
}

#[test]
fn attributes_of_every_kind_go_to_and_fro() {
    let (probe, _) = one("set");
    assert_eq!(probe.output(), ["set"]);
    probe.with_output(|messages| {
        let message = &messages[0];
        let attribute = |key| message.attribute(key).unwrap_or_else(|| panic!("{key}"));
        assert_eq!(attribute("text").as_str(), Some("é"));
        assert_eq!(attribute("bytes").as_bytes(), Some(&[0, 255][..]));
        assert_eq!(
            (attribute("int64").tag(), attribute("int64").as_i64()),
            (ValueTag::I64, Some(i64::MIN))
        );
        assert_eq!(
            (attribute("uint64").tag(), attribute("uint64").as_u64()),
            (ValueTag::U64, Some(u64::MAX))
        );
        assert_eq!(attribute("number").as_f64(), Some(0.25));
        assert_eq!(attribute("boolean").as_bool(), Some(true));
        assert_eq!(attribute("time").as_time(), Some(86400));
        assert_eq!(attribute("null").tag(), ValueTag::NULL);
        assert_eq!(message.attributes().len(), 8, "{message:?}");
        assert_eq!(message.time(), 42);
    });

    let mut message = Message::new("get");
    message.set_attribute("text", "ü");
    message.set_attribute("int64", -3i64);
    message.set_attribute("uint64", u64::MAX);
    message.set_attribute("number", 1.5);
    message.set_attribute("boolean", true);
    message.set_attribute("time", Value::time(7));
    message.set_attribute("bytes", Payload::from_static(b"\0\0\0"));
    message.set_attribute("list", Value::from(vec![Value::NULL]));
    message.set_time(99);
    let (probe, _) = one(message);
    assert_eq!(probe.output(), ["ü -3 18446744073709551615 1.5 1 7 3 8 0 1 8 99"]);
    probe.with_output(|messages| {
        assert_eq!(messages[0].attribute("list").map(Value::tag), Some(ValueTag::LIST));
    });
}
