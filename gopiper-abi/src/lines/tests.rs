//! Lines from blocks of every size, put together again.
use std::{cell::RefCell, collections::VecDeque};

use proptest::prelude::*;

use super::{Bom, Format, Lines, SendLines, TooLong};
use crate::{
    Ending, Error, Factory, Message, NoAttributes, Postponed, Produced, Source, testing::Harness,
};

thread_local! {
    /// How the next reader cuts.
    static FORMAT: RefCell<Option<(Format, u64)>> = const { RefCell::new(None) };
    /// The results of `read`, in order.
    static READS: RefCell<VecDeque<Vec<u8>>> = const { RefCell::new(VecDeque::new()) };
    /// The ends of the messages that were sent, and the place up to which all of the input is
    /// finished.
    static ENDS: RefCell<(Vec<u64>, u64)> = const { RefCell::new((Vec::new(), 0)) };
}

/// Acts as a source.
struct Reader(Lines, Postponed);

struct ReaderFactory;

impl Factory for ReaderFactory {
    type Component = Reader;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(ReaderFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Reader, Error> {
        let (format, position) = FORMAT.take().expect("a format");
        Ok(Reader(Lines::tracked(format, postponed.clone(), position), postponed))
    }
}

impl Source for Reader {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let Reader(lines, postponed) = self;
        let send: SendLines<'_> = &mut |batch, ends| {
            assert_eq!(batch.len(), ends.len());
            ENDS.with_borrow_mut(|all| all.0.extend(ends));
            Ok(postponed.send_batch(batch)?)
        };
        let Some(mut read) = READS.with_borrow_mut(VecDeque::pop_front) else {
            lines.end(1, send)?;
            ENDS.with_borrow_mut(|all| all.1 = lines.boundary());
            return Ok(Produced::FINISHED);
        };
        let room = lines.room();
        assert!(!room.is_empty());
        let rest = read.split_off(read.len().min(room.len()));
        room[..read.len()].copy_from_slice(&read);
        if !rest.is_empty() {
            READS.with_borrow_mut(|reads| reads.push_front(rest));
        }
        lines.filled(read.len(), 1, send)?;
        Ok(Produced::MORE)
    }
}

fn format(delimiter: &str, max_length: usize, too_long: TooLong, block_size: usize) -> Format {
    Format::new(delimiter, max_length, too_long, block_size).unwrap()
}

fn usual() -> Format {
    format("\n", 1 << 20, TooLong::Split, 1 << 10)
}

/// The messages that these reads give, of an input from `position` on.
fn messages_from(position: u64, reads: &[&[u8]], format: Format) -> Vec<Message> {
    READS.set(reads.iter().filter(|read| !read.is_empty()).map(|read| read.to_vec()).collect());
    FORMAT.set(Some((format, position)));
    ENDS.take();
    let mut reader = Harness::source::<ReaderFactory>([]).unwrap();
    while reader.produce(100).unwrap() == Produced::MORE {}
    reader.sent_messages()
}

fn messages(reads: &[&[u8]], format: Format) -> Vec<Message> {
    messages_from(0, reads, format)
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(message.data()).into_owned()).collect()
}

/// The bytes as a sink with that delimiter writes them.
fn written(messages: &[Message], delimiter: &[u8]) -> Vec<u8> {
    let (mut bytes, mut ending) = (Vec::new(), Ending::Whole);
    for message in messages {
        if ending.is_apart_from(message) {
            bytes.extend_from_slice(delimiter);
        }
        // A piece that ends like a delimiter is still followed by the rest.
        ending = match message.continues() {
            true => Ending::Piece(message.piece()),
            false => Ending::of(message, delimiter),
        };
        bytes.extend_from_slice(message.data());
        if !message.lacks_delimiter() {
            bytes.extend_from_slice(delimiter);
        }
    }
    bytes
}

#[test]
fn a_line_may_come_in_parts() {
    let found = messages(&[b"ab", b"c\nd", b"\n", b"e"], usual());
    assert_eq!(texts(&found), ["abc", "d", "e"]);
    assert_eq!(
        found.iter().map(Message::lacks_delimiter).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert!(found.iter().all(|message| message.time() == 1));
}

#[test]
fn a_delimiter_may_come_in_parts() {
    let format = format("--", 100, TooLong::Split, 4);
    assert_eq!(texts(&messages(&[b"a-", b"-b-c", b"--", b"-"], format)), ["a", "b-c", "-"]);
}

#[test]
fn long_lines_are_split_failed_or_dropped() {
    let limited = |too_long| {
        let format = format("\n", 3, too_long, 100);
        messages(&[b"abc\nabcd\nabcdefgh", b"ij\nx\nabcd"], format)
    };
    assert_eq!(
        texts(&limited(TooLong::Split)),
        ["abc", "abc", "d", "abc", "def", "ghi", "j", "x", "abc", "d"]
    );
    let failed = limited(TooLong::Fail);
    assert_eq!(texts(&failed), ["abc", "abc", "abc", "x", "abc"]);
    let statuses: Vec<_> = failed.iter().map(Message::status).collect();
    assert_eq!(statuses, [0, 213, 213, 0, 213]);
    assert!(failed[1].description().contains("longer than max_length (3 bytes)"));
    let statuses: Vec<_> = limited(TooLong::Drop).iter().map(Message::status).collect();
    assert_eq!(statuses, [0, 300, 300, 0, 300]);
}

#[test]
fn a_line_that_is_skipped_has_not_ended() {
    let format = format("\n", 3, TooLong::Fail, 100);
    messages_from(10, &[b"a\nabcdef", b"gh\nx\n", b"abcd"], format);
    // The first long line was reported before its end was known: only later lines are after it.
    assert_eq!(ENDS.take(), (vec![12, 12, 23, 23], 27));
}

#[test]
fn a_mark_at_the_beginning_is_kept_or_left_out() {
    let mark = "\u{feff}".as_bytes();
    let strip = |format: Format| format.with_bom(Bom::Strip);
    assert_eq!(texts(&messages(&[mark, b"a\nb"], usual())), ["\u{feff}a", "b"]);
    assert_eq!(texts(&messages(&[mark, b"a\n", mark, b"b\n"], strip(usual()))), ["a", "\u{feff}b"]);
    assert_eq!(
        texts(&messages(&[&mark[..1], &mark[1..2], &mark[2..], b"a"], strip(usual()))),
        ["a"]
    );
    assert_eq!(texts(&messages(&[mark, b"\nb\n"], strip(usual()))), ["", "b"]);
    assert_eq!(texts(&messages(&[mark], strip(usual()))), [""; 0]);
    assert_eq!(texts(&messages(&[&mark[..2]], strip(usual()))).len(), 1, "a part of one is none");
    assert_eq!(texts(&messages_from(1, &[mark], strip(usual()))), ["\u{feff}"], "no beginning");
    ENDS.take();
    let cut = format("\n", 4, TooLong::Split, 100);
    assert_eq!(texts(&messages(&[mark, b"abcdef\n"], strip(cut))), ["abcd", "ef"]);
    assert_eq!(ENDS.take(), (vec![7, 10], 10));
}

/// An input, where it is cut into reads, and how its lines are cut.
fn inputs() -> impl Strategy<Value = (Vec<u8>, Vec<usize>, &'static str, usize, usize)> {
    let byte = prop_oneof![Just(b'-'), Just(b'\n'), any::<u8>()];
    let input = (prop::collection::vec(byte, 0..400), prop::collection::vec(0usize..400, 0..20));
    let format = (0usize..3, 1usize..40, 1usize..20);
    (input, format).prop_map(|((input, mut cuts), (delimiter, block_size, max_length))| {
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(input.len()));
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        (input, cuts, ["\n", "--", "-\n-"][delimiter], block_size, max_length)
    })
}

fn reads<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect()
}

/// Miri is slow, and has no files to remember failures in.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    match cfg!(miri) {
        true => ProptestConfig { cases: 8, failure_persistence: None, ..config },
        false => config,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn split_lines_are_the_input_again(
        (input, cuts, delimiter, block_size, max_length) in inputs(),
    ) {
        let reads = reads(&input, &cuts);
        let limited = format(delimiter, max_length, TooLong::Split, block_size);
        let found = messages(&reads, limited);
        prop_assert_eq!(written(&found, delimiter.as_bytes()), input.clone());
        prop_assert!(found.iter().all(|message| message.data().len() <= max_length));

        // With room enough, the messages are the lines.
        let found = messages(&reads, format(delimiter, 1 << 20, TooLong::Split, block_size));
        // (Each byte as a letter of its own, so that text can be split as bytes are.)
        let letters = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let (text, delimiter) = (letters(&input), letters(delimiter.as_bytes()));
        let lines: Vec<_> = text.split_terminator(&delimiter).collect();
        let found: Vec<_> = found.iter().map(|message| letters(message.data())).collect();
        prop_assert_eq!(found, lines);
    }

    #[test]
    fn a_reader_that_begins_where_a_message_ends_gets_the_rest(
        (input, cuts, delimiter, block_size, max_length) in inputs(),
        too_long in prop_oneof![Just(TooLong::Split), Just(TooLong::Fail), Just(TooLong::Drop)],
        place in any::<prop::sample::Index>(),
    ) {
        let format = format(delimiter, max_length, too_long, block_size);
        let seen = |messages: &[Message]| -> Vec<_> {
            let seen = messages.iter().map(|message| (message.data().to_vec(), message.status()));
            seen.collect()
        };
        let all = seen(&messages(&reads(&input, &cuts), format.clone()));
        let (ends, boundary) = ENDS.take();
        prop_assert_eq!(boundary, input.len() as u64, "all of it has gone through");
        prop_assert_eq!(ends.len(), all.len());
        prop_assume!(!ends.is_empty());
        let place = place.index(ends.len());
        let rest = &input[ends[place] as usize..];
        let again = seen(&messages_from(ends[place], &[rest], format));
        if again != all[place + 1..] {
            prop_assert!(all[place].1 != 0, "only what is too long may come again");
            prop_assert_eq!(&again[..], &all[place..]);
        }
    }
}
