use super::*;

/// The pieces that a sink would write, each with its messages, and `+` where it adds a delimiter
/// before or after it.
fn pieces(batch: Batch, delimiter: &[u8]) -> Vec<(std::ops::Range<usize>, String)> {
    let mut found = Vec::new();
    let handling = Handling::new(batch);
    lend(&handling, |call| {
        for piece in call.pieces(delimiter, &mut Ending::default()) {
            let mut text = String::from(if piece.delimiter_before { "+" } else { "" });
            text += std::str::from_utf8(piece.data).unwrap();
            text.extend(piece.add_delimiter.then_some('+'));
            found.push((piece.messages, text));
        }
        call.report_all(Report::DONE)
    });
    found
}

fn lines(text: &str, tail: u8) -> Batch {
    let block = Payload::from(text.as_bytes().to_vec());
    let mut batch = Batch::new(16);
    let mut start = 0;
    let parts = text.split_inclusive('\n').map(|line| {
        let end = start + line.trim_end_matches(['\r', '\n']).len();
        let part = start..end;
        start += line.len();
        part
    });
    let parts: Vec<_> = parts.collect();
    let count = parts.len();
    assert_eq!(batch.extend_slices(&block, tail, 0, parts.into_iter()), count);
    batch
}

fn piece(messages: std::ops::Range<usize>, text: &str) -> (std::ops::Range<usize>, String) {
    (messages, text.into())
}

#[test]
fn neighbours_with_their_delimiters_are_one_piece() {
    assert_eq!(pieces(lines("a\nbb\n\nc\n", 1), b"\n"), [piece(0..4, "a\nbb\n\nc\n")]);
    assert_eq!(pieces(lines("a\r\nb\r\n", 2), b"\r\n"), [piece(0..2, "a\r\nb\r\n")]);
    assert_eq!(pieces(Batch::new(1), b"\n"), []);
}

#[test]
fn another_delimiter_is_written_instead() {
    let expected = [piece(0..1, "a+"), piece(1..2, "b+")];
    assert_eq!(pieces(lines("a\nb\n", 1), b";"), expected);
    assert_eq!(pieces(lines("a\nb\n", 1), b"\r\n"), expected);
    assert_eq!(pieces(lines("a\r\nb\r\n", 2), b"\n"), expected);
    assert_eq!(pieces(lines("a\nb\n", 1), b""), expected);
}

#[test]
fn without_a_delimiter_neighbours_are_one_piece() {
    let block = Payload::from(b"abcdef".to_vec());
    let mut batch = Batch::new(4);
    batch.extend_slices(&block, 0, 0, [0..2, 2..4, 5..6].into_iter());
    assert_eq!(pieces(batch, b""), [piece(0..2, "abcd"), piece(2..3, "f")]);
}

#[test]
fn a_line_without_a_delimiter_gets_none_but_before_the_next_one() {
    let block = Payload::from(b"a\nb".to_vec());
    let mut batch = Batch::new(3);
    batch.extend_slices(&block, 1, 0, std::iter::once(0..1));
    let mut last = Message::new(block.slice(2..));
    last.set_lacks_delimiter(true);
    batch.push(last).unwrap();
    batch.push(Message::new("c")).unwrap();
    assert_eq!(pieces(batch, b"\n"), [piece(0..2, "a\nb"), piece(2..3, "+c+")]);
}

#[test]
fn static_memory_is_never_merged() {
    static TEXT: &[u8] = b"ab";
    let mut batch = Batch::new(2);
    batch.push(Message::new(Payload::from_static(&TEXT[..1]))).unwrap();
    batch.push(Message::new(Payload::from_static(&TEXT[1..]))).unwrap();
    assert_eq!(pieces(batch, b""), [piece(0..1, "a"), piece(1..2, "b")]);
}

#[test]
fn two_blocks_are_never_merged() {
    let mut batch = lines("a\nb\n", 1);
    batch.append(lines("c\nd\n", 1)).unwrap();
    assert_eq!(pieces(batch, b"\n"), [piece(0..2, "a\nb\n"), piece(2..4, "c\nd\n")]);
}

/// Two allocations may be neighbours in memory: one slice over both would still be wrong.
#[test]
fn two_owners_side_by_side_are_never_merged() {
    let memory: *mut [u8] = Box::into_raw(Box::new(*b"abcd"));
    // SAFETY: the memory was leaked just before; it is freed below, when nothing refers to it any
    // more.
    let both: &'static mut [u8] = unsafe { &mut *memory };
    let (front, back) = both.split_at_mut(2);
    let mut batch = Batch::new(2);
    batch.push(Message::new(PayloadMut::from_owner(front, None).freeze())).unwrap();
    batch.push(Message::new(PayloadMut::from_owner(back, None).freeze())).unwrap();
    assert_eq!(pieces(batch, b""), [piece(0..1, "ab"), piece(1..2, "cd")]);
    // SAFETY: both owners have gone with the batch, and `memory` came from the box.
    drop(unsafe { Box::from_raw(memory) });
}

#[test]
fn a_message_that_was_removed_between_parts_the_piece() {
    let mut batch = lines("a\nb\nc\nd\n", 1);
    batch.retain(|message| match message.data() {
        b"b" => Fate::Settle(Outcome::DROPPED),
        _ => Fate::Keep,
    });
    assert_eq!(pieces(batch, b"\n"), [piece(0..1, "a\n"), piece(1..3, "c\nd\n")]);
}

#[test]
fn pieces_of_some_messages_hold_no_others() {
    let handling = Handling::new(lines("a\nb\nc\nd\n", 1));
    lend(&handling, |call| {
        let mut ending = Ending::Open;
        let some: Vec<_> = call.pieces_of(1..3, b"\n", &mut ending).collect();
        let expected =
            Piece { messages: 1..3, data: b"b\nc\n", delimiter_before: true, add_delimiter: false };
        assert_eq!(some, [expected]);
        assert_eq!(ending, Ending::Whole);
        assert_eq!(call.pieces_of(2..2, b"\n", &mut ending).count(), 0);
        call.report_all(Report::DONE)
    });
}

#[test]
fn a_message_that_was_changed_between_parts_the_piece() {
    let handling = Handling::new(lines("a\nb\nc\n", 1));
    lend(&handling, |call| {
        call.each(|mut message, handled| {
            if message.data() == b"b" {
                let shorter = message.payload().slice(..0);
                message.set_data(shorter);
            }
            handled.done(message);
        })
    });
    let batch = handling.finish().unwrap();
    assert_eq!(pieces(batch, b"\n"), [piece(0..2, "a\n+"), piece(2..3, "c\n")]);
}

/// The output of a sink for these messages: each is a text, the number of the piece, and whether
/// the rest follows.
fn written(messages: &[(&str, u16, bool)]) -> String {
    let mut batch = Batch::new(messages.len() as u32);
    for (text, piece, continues) in messages {
        let mut message = Message::new(text.to_string());
        message.set_piece(*piece, *continues);
        batch.push(message).unwrap();
    }
    pieces(batch, b"\n").into_iter().map(|(_, text)| text).collect()
}

#[test]
fn the_pieces_of_a_line_are_put_together_and_no_others() {
    assert_eq!(
        written(&[("a", 4, true), ("b", 5, true), ("c", 6, false), ("d", 0, false)]),
        "abc+d+"
    );
    assert_eq!(written(&[("a", u16::MAX, true), ("b", 1, false)]), "ab+");
    // The one between was dropped, or all that followed; another input's came between.
    assert_eq!(written(&[("a", 4, true), ("c", 6, false)]), "a+c+");
    assert_eq!(written(&[("a", 4, true), ("d", 0, false)]), "a+d+");
    assert_eq!(written(&[("a", 4, true), ("x", 9, true), ("b", 5, false)]), "a+x+b+");
    // A function that does not know about pieces has made it longer.
    assert_eq!(written(&[("a\n", 4, true), ("d", 0, false)]), "a\nd+");
}
