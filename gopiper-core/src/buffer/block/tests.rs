//! Blocks as they are written and read.
use gopiper_abi::Map;
use proptest::prelude::*;

use super::*;

fn messages() -> Batch {
    let mut full = Message::new(&b"\xff\0 bytes"[..]);
    full.set_attribute("key", vec![Value::from(1i64), Value::NULL]);
    full.set_attribute("text", "some text");
    full.set_attribute("bytes", &b"\xff"[..]);
    full.set_attribute("number", -7i64);
    full.set_attribute("nothing", Value::NULL);
    full.set_attribute("large", u64::MAX);
    full.set_attribute("map", Map::from_iter([("b", Value::time(3)), ("a", true.into())]));
    full.set_value("a value".into());
    full.set_trace(Trace { id: [1; 16], span: [2; 8], flags: 1 });
    full.set_time(i64::MAX);
    let mut last = Message::new("no delimiter");
    last.set_lacks_delimiter(true);
    last.set_time(-5);
    let mut piece = Message::new("the rest follows");
    piece.set_piece(7, true);
    let mut batch = Batch::new(8);
    batch.push(Message::new("")).unwrap();
    let lines = Payload::from("one\ntwo\n");
    batch.extend_slices(&lines, 1, 12, [0..3, 4..7].into_iter());
    for message in [full, last, piece] {
        batch.push(message).unwrap();
    }
    batch
}

/// One of them has none, one was made from another, and the last two are of another origin.
fn ids() -> Identities {
    let mut ids = Identities::default();
    for text in ["a:7", "", "a:700", "a:9.0.2", "b:0", "b:18446744073709551615"] {
        ids.push(text.parse().ok().as_ref());
    }
    ids
}

fn written(messages: &[Message], ids: &Identities) -> Payload {
    let mut bytes = Vec::new();
    write(messages, ids, &mut bytes);
    bytes.into()
}

fn assert_alike(read: &[Message], written: &[Message]) {
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(written) {
        assert_eq!(read.data(), written.data());
        assert_eq!(read.delimiter(), written.delimiter());
        assert_eq!(read.attributes(), written.attributes());
        assert_eq!(read.value(), written.value());
        assert_eq!(read.trace(), written.trace());
        assert_eq!(read.time(), written.time());
        assert_eq!(read.lacks_delimiter(), written.lacks_delimiter());
        assert_eq!((read.piece(), read.continues()), (written.piece(), written.continues()));
    }
}

#[test]
fn messages_are_read_as_they_were_written() {
    let messages = messages();
    let mut batch = Batch::new(1);
    let came = read(&written(messages.messages(), &ids()), 6, &mut batch).unwrap();
    assert_alike(batch.messages(), messages.messages());
    assert_eq!(came, ids());
    let came = read(&written(messages.messages(), &Identities::default()), 6, &mut Batch::new(1));
    assert_eq!(came, Ok(Identities::default()));
}

#[test]
fn finished_messages_can_be_left_out() {
    let (messages, mut bytes) = (messages(), Vec::new());
    let block = written(messages.messages(), &ids());
    let count = write_without((&block, 6), &[0..1, 2..4], "own/3", &mut bytes).unwrap();
    let mut batch = Batch::new(1);
    let came = read(&bytes.into(), count, &mut batch).unwrap();
    // The first of them came without.
    let left = Positions::counted("", "", 1).with_identities(came);
    let left: Vec<_> = (0..3).map(|place| left.identity(place).unwrap().to_string()).collect();
    assert_eq!(left, ["own/3:2", "b:0", "b:18446744073709551615"]);
    let messages = messages.messages();
    let expected = [messages[1].duplicate(), messages[4].duplicate(), messages[5].duplicate()];
    assert_alike(batch.messages(), &expected);
}

#[test]
fn damage_is_an_error_and_no_panic() {
    let whole = written(messages().messages(), &ids());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 1 << bit;
            let _ = read(&bytes.into(), 6, &mut Batch::new(8));
        }
        assert_eq!(read(&whole.slice(..at), 6, &mut Batch::new(8)), Err(Malformed));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        payloads in 0..220u32,
        messages in prop_oneof![0..20u32, any::<u32>()],
    ) {
        if let Some(first) = bytes.first_chunk_mut() {
            *first = payloads.to_le_bytes();
        }
        let mut batch = Batch::new(1);
        if read(&bytes.into(), messages, &mut batch).is_ok() {
            prop_assert_eq!(batch.len(), messages as usize);
        }
    }
}
