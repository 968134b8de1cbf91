//! Lines out of blocks of every size, put together again.
use std::{cell::RefCell, collections::VecDeque};

use gopiper_abi::{Error, Factory, Message, Postponed, Produced, Source, Value, testing::Harness};
use proptest::prelude::*;

use super::Lines;
use crate::Attributes;

thread_local! {
    /// What `read` gives, one after the other.
    static READS: RefCell<VecDeque<Vec<u8>>> = const { RefCell::new(VecDeque::new()) };
}

/// Stands in for standard input.
struct Reader(Lines);

struct ReaderFactory(Attributes);

impl Factory for ReaderFactory {
    type Component = Reader;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(ReaderFactory(attributes))
    }

    fn create(&self, postponed: Postponed) -> Result<Reader, Error> {
        Ok(Reader(Lines::new(&self.0, postponed)))
    }
}

impl Source for Reader {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let Some(mut read) = READS.with_borrow_mut(VecDeque::pop_front) else {
            self.0.end(1)?;
            return Ok(Produced::FINISHED);
        };
        let room = self.0.room();
        assert!(!room.is_empty());
        let rest = read.split_off(read.len().min(room.len()));
        room[..read.len()].copy_from_slice(&read);
        if !rest.is_empty() {
            READS.with_borrow_mut(|reads| reads.push_front(rest));
        }
        self.0.filled(read.len(), 1)?;
        Ok(Produced::MORE)
    }
}

/// The messages that come of these reads.
fn messages(reads: &[&[u8]], attributes: &[(&'static str, Value)]) -> Vec<Message> {
    READS.set(reads.iter().filter(|read| !read.is_empty()).map(|read| read.to_vec()).collect());
    let mut reader = Harness::source::<ReaderFactory>(attributes.iter().cloned()).unwrap();
    while reader.produce(100).unwrap() == Produced::MORE {}
    reader.sent_messages()
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(message.data()).into_owned()).collect()
}

/// The bytes as a sink with that delimiter writes them.
fn written(messages: &[Message], delimiter: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(message.data());
        if !message.lacks_delimiter() {
            bytes.extend_from_slice(delimiter);
        }
    }
    bytes
}

#[test]
fn a_line_may_come_in_parts() {
    let found = messages(&[b"ab", b"c\nd", b"\n", b"e"], &[]);
    assert_eq!(texts(&found), ["abc", "d", "e"]);
    assert_eq!(
        found.iter().map(Message::lacks_delimiter).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert!(found.iter().all(|message| message.time() == 1));
}

#[test]
fn a_delimiter_may_come_in_parts() {
    let attributes = [("delimiter", "--".into()), ("block_size", 4i64.into())];
    assert_eq!(texts(&messages(&[b"a-", b"-b-c", b"--", b"-"], &attributes)), ["a", "b-c", "-"]);
}

#[test]
fn what_is_too_long_is_split_failed_or_dropped() {
    let limited = |too_long: &str| {
        let attributes = [("max_length", 3i64.into()), ("too_long", too_long.into())];
        messages(&[b"abc\nabcd\nabcdefgh", b"ij\nx\nabcd"], &attributes)
    };
    assert_eq!(
        texts(&limited("split")),
        ["abc", "abc", "d", "abc", "def", "ghi", "j", "x", "abc", "d"]
    );
    let failed = limited("fail");
    assert_eq!(texts(&failed), ["abc", "abc", "abc", "x", "abc"]);
    let statuses: Vec<_> = failed.iter().map(Message::status).collect();
    assert_eq!(statuses, [0, 213, 213, 0, 213]);
    assert!(failed[1].description().contains("longer than 3 bytes"));
    let statuses: Vec<_> = limited("drop").iter().map(Message::status).collect();
    assert_eq!(statuses, [0, 300, 300, 0, 300]);
}

fn limits() -> impl Strategy<Value = (usize, i64, i64)> {
    (0usize..3, 1i64..40, 1i64..20)
}

proptest! {
    #[test]
    fn what_is_split_is_the_input_again(
        input in prop::collection::vec(prop_oneof![Just(b'-'), Just(b'\n'), any::<u8>()], 0..400),
        cuts in prop::collection::vec(0usize..400, 0..20),
        (delimiter, block_size, max_length) in limits(),
    ) {
        let delimiter = ["\n", "--", "-\n-"][delimiter];
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let reads: Vec<_> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();

        let attributes = [
            ("delimiter", delimiter.into()),
            ("block_size", block_size.into()),
            ("max_length", max_length.into()),
        ];
        let found = messages(&reads, &attributes);
        prop_assert_eq!(written(&found, delimiter.as_bytes()), input.clone());
        prop_assert!(found.iter().all(|message| message.data().len() <= max_length as usize));

        // With room enough, the messages are the lines.
        let found = messages(&reads, &attributes[..2]);
        // (Each byte as a letter of its own, so that text can be split as bytes are.)
        let letters = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let (text, delimiter) = (letters(&input), letters(delimiter.as_bytes()));
        let lines: Vec<_> = text.split_terminator(&delimiter).collect();
        let found: Vec<_> = found.iter().map(|message| letters(message.data())).collect();
        prop_assert_eq!(found, lines);
    }
}
