//! Tests with random attributes and messages, which depend on the seed.
use fastrand::Rng;
use gopiper_abi::{
    Map, Message, Value,
    export::from_json,
    schema::{Schema, type_of},
};
use serde_json::{Value as Json, json};

use super::{
    attributes::panic_at,
    messages::{ODD, ODD_IN_C, takes_messages},
    test::Test,
};
use crate::command::verify::{
    subject::Subject,
    trial::{Trial, description, panicked},
    verdict::{Judged, Verdict},
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "fuzz::attributes",
        advice: "return Error::attribute instead of panicking",
        in_c: "refuse the value with `gopiper_refuse`",
        run: attributes,
    },
    Test { name: "fuzz::messages", advice: ODD, in_c: ODD_IN_C, run: messages },
];

/// The longest result that is shown.
const SHOWN: usize = 200;

fn attributes(subject: &Subject) -> Judged {
    let schema = subject.schema();
    let known = Schema::new(&schema).properties().map(|(name, of)| (name, of.types()));
    let names: Vec<_> = known.chain([("verify_unknown", Vec::new())]).collect();
    let mut rng = Rng::with_seed(subject.seed);
    for _ in 0..2000 {
        let mut attributes = subject.given.attributes.clone();
        let mut changed = serde_json::Map::new();
        for _ in 0..rng.usize(1..4) {
            let (name, types) = &names[rng.usize(..names.len())];
            let mut random = json_value(&mut rng, 3);
            // Of the right type in most cases: others are refused before the component sees them.
            for _ in 0..rng.usize(..30) {
                if types.is_empty() || types.contains(&type_of(&random)) {
                    break;
                }
                random = json_value(&mut rng, 3);
            }
            attributes.insert(name, from_json(&random));
            changed.insert((*name).to_owned(), random);
        }
        if let Some(said) = panic_at(subject, attributes) {
            let changed = shown(&Json::from(changed).to_string());
            return Err(Verdict::Failed(format!("with {changed} it {said}")));
        }
    }
    Ok(())
}

fn messages(subject: &Subject) -> Judged {
    takes_messages(subject)?;
    let mut rng = Rng::with_seed(subject.seed);
    let input = (0..2000).map(move |_| message(&mut rng));
    // One at a time: so the report on each is known before the next one.
    let ran = Trial::new(subject, input).in_batches_of(1).run()?;
    match panicked(&ran.failed) {
        Some(message) => {
            let data = shown(&message.data().escape_ascii().to_string());
            // Attributes that name the outcome differ from run to run.
            let own = message.attributes().iter();
            let own: Map = own
                .filter(|(key, _)| !key.starts_with("gopiper."))
                .map(|(key, value)| (key, value.clone()))
                .collect();
            let attributes = shown(&format!("{:?}", Value::from(own)));
            let said = description(message);
            Err(Verdict::Failed(format!("with the message \"{data}\" ({attributes}) it {said}")))
        }
        None => ran.sound(),
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn message(rng: &mut Rng) -> Message {
    let mut message = match rng.u8(..4) {
        0 => Message::new(bytes(rng)),
        1 => Message::new(json_value(rng, 4).to_string()),
        // JSON, and text that is almost JSON.
        2 => {
            let mut text = json_value(rng, 4).to_string().into_bytes();
            let at = rng.usize(..text.len());
            text[at] ^= 1 << rng.u8(..8);
            Message::new(text)
        }
        _ => Message::new(text(rng)),
    };
    for _ in 0..rng.usize(..4) {
        message.set_attribute(&text(rng), gopiper_value(rng));
    }
    if rng.bool() {
        message.set_value(gopiper_value(rng));
    }
    if rng.bool() {
        message.set_time(rng.i64(..));
    }
    message
}

fn bytes(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(..300)];
    rng.fill(&mut bytes);
    bytes
}

/// Text of pieces that often cause errors, and of ordinary ones.
fn text(rng: &mut Rng) -> String {
    const PIECES: &[&str] = &[
        "a", "word", " ", "\n", "\r\n", "\0", "\t", "\"", "'", "\\", "{", "}", "[", "%", "/", "..",
        "ä", "€", "𝄞", "\u{feff}", "\u{202e}", "-1", "0", "007", "1e999", "NaN", "null", "=", ",",
    ];
    (0..rng.usize(..8)).map(|_| *rng.choice(PIECES).unwrap_or(&"")).collect()
}

fn json_value(rng: &mut Rng, depth: usize) -> Json {
    match rng.u8(..if depth == 0 { 6 } else { 8 }) {
        0 => Json::Null,
        1 => rng.bool().into(),
        2 => rng.i64(..).into(),
        3 => rng.i64(-2..100).into(),
        4 => json!(f64::from_bits(rng.u64(..))),
        5 => text(rng).into(),
        6 => (0..rng.usize(..4)).map(|_| json_value(rng, depth - 1)).collect(),
        _ => {
            let entries = (0..rng.usize(..4)).map(|_| (text(rng), json_value(rng, depth - 1)));
            Json::Object(entries.collect())
        }
    }
}

/// Also what JSON has not.
fn gopiper_value(rng: &mut Rng) -> Value {
    match rng.u8(..4) {
        0 => Value::time(rng.i64(..)),
        1 => gopiper_abi::Payload::from(bytes(rng)).into(),
        2 => Map::from_iter([(text(rng), f64::from_bits(rng.u64(..)))]).into(),
        _ => from_json(&json_value(rng, 3)),
    }
}
