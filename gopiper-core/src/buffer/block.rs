//! The messages of a batch as bytes, and back.
//!
//! ```text
//! where the payloads begin    u32, counted from this field
//! runs                        of messages with one time and one length of delimiter:
//!                             how many, that length, the time since that of the run before
//! lengths                     of the payloads
//! rarities                    of messages that have some: how many messages after the one before
//!                             (0: the end), flags, and the fields that these name
//! payloads                    each with its delimiter after it, if it had one there
//! ```
//!
//! Numbers are varints. A block does not know how many messages it has: its entry does.
use std::ops::Range;

use gopiper_abi::{Batch, Message, Outcome, Payload, Trace, Value, ValueTag, raw::Fate};

use super::varint::{Malformed, VarintReader, put, put_bytes, put_signed};
use crate::disk::value::{Stored, check_depth};

/// The flags of a message with rarities: its state, and the fields that follow, in this order.
const LACKS_DELIMITER: u8 = 1;
const CONTINUES: u8 = 2;
/// The number of the piece.
const PIECE: u8 = 4;
/// Bytes that identify it for its source: not written so far, but a block may have some.
const IDENTITY: u8 = 8;
/// How many; each with name and value.
const ATTRIBUTES: u8 = 16;
const VALUE: u8 = 32;
const TRACE: u8 = 64;
const ALL: u8 = 127;

/// The tags of values that are written without a detour; the others are written as [`Stored`] is.
const NULL: u8 = 0;
const TEXT: u8 = 1;
const BYTES: u8 = 2;
const INTEGER: u8 = 3;
const OTHER: u8 = 4;

/// Appends the bytes of messages that pass [`check`], or were read from a block.
pub(super) fn write(messages: &[Message], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    let mut time = 0i64;
    let of_run = |message: &Message| (message.time(), message.delimiter().len());
    for run in messages.chunk_by(|one, next| of_run(one) == of_run(next)) {
        let (its_time, tail) = of_run(&run[0]);
        put(bytes, run.len() as u64);
        bytes.push(tail as u8);
        put_signed(bytes, its_time.wrapping_sub(time));
        time = its_time;
    }
    messages.iter().for_each(|message| put(bytes, message.data().len() as u64));
    let mut next = 0;
    for (place, message) in (1..).zip(messages) {
        let flags = flags_of(message);
        if flags != 0 {
            put(bytes, place - next);
            next = place;
            write_rarities(message, flags, bytes);
        }
    }
    bytes.push(0);
    let payloads = (bytes.len() - start) as u32;
    bytes[start..start + 4].copy_from_slice(&payloads.to_le_bytes());
    for message in messages {
        bytes.extend_from_slice(message.data());
        bytes.extend_from_slice(message.delimiter());
    }
}

/// How many bytes of a block a message takes, apart from its attributes and the like.
pub(super) fn weight(message: &Message) -> u64 {
    (message.data().len() + message.delimiter().len()) as u64
}

/// Checks that a message can be read again.
///
/// # Errors
/// It says what cannot.
pub(super) fn check(message: &Message) -> Result<(), String> {
    for (name, value) in message.attributes().iter() {
        check_depth(value).map_err(|why| format!("attribute {name} is {why}"))?;
    }
    let value = message.value().map_or(Ok(()), check_depth);
    value.map_err(|why| format!("its value is {why}"))
}

fn flags_of(message: &Message) -> u8 {
    let mut flags = 0;
    let mut set = |flag: u8, is_set: bool| flags |= if is_set { flag } else { 0 };
    set(LACKS_DELIMITER, message.lacks_delimiter() && !message.continues());
    set(CONTINUES, message.continues());
    set(PIECE, message.piece() != 0);
    set(ATTRIBUTES, !message.attributes().is_empty());
    set(VALUE, message.value().is_some());
    set(TRACE, message.trace().is_some());
    flags
}

fn write_rarities(message: &Message, flags: u8, bytes: &mut Vec<u8>) {
    bytes.push(flags);
    if flags & PIECE != 0 {
        put(bytes, message.piece().into());
    }
    if flags & ATTRIBUTES != 0 {
        let attributes = message.attributes();
        put(bytes, attributes.len() as u64);
        for (name, value) in attributes.iter() {
            put_bytes(bytes, name.as_bytes());
            write_value(value, bytes);
        }
    }
    if let Some(value) = message.value() {
        write_value(value, bytes);
    }
    if let Some(trace) = message.trace() {
        bytes.extend_from_slice(&trace.id);
        bytes.extend_from_slice(&trace.span);
        put(bytes, trace.flags);
    }
}

fn write_value(value: &Value, bytes: &mut Vec<u8>) {
    if let Some(text) = value.as_str() {
        bytes.push(TEXT);
        put_bytes(bytes, text.as_bytes());
    } else if let (Some(part), ValueTag::BYTES) = (value.as_bytes(), value.tag()) {
        bytes.push(BYTES);
        put_bytes(bytes, part);
    } else if let (Some(number), ValueTag::I64) = (value.as_i64(), value.tag()) {
        bytes.push(INTEGER);
        put_signed(bytes, number);
    } else if *value == Value::NULL {
        bytes.push(NULL);
    } else {
        bytes.push(OTHER);
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        // Nothing in it can fail, and a Vec takes it all.
        let written = rmp_serde::encode::write(bytes, &Stored::from(value));
        debug_assert!(written.is_ok(), "{written:?}");
        let length = (bytes.len() - start - 4) as u32;
        bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// Puts the messages of a block into a batch, which becomes large enough. They share its memory.
pub(super) fn read(block: &Payload, messages: u32, batch: &mut Batch) -> Result<(), Malformed> {
    let payloads = u32::from_le_bytes(VarintReader(block).array()?) as usize;
    let mut runs = VarintReader(block.get(4..payloads).ok_or(Malformed)?);
    let mut lengths = runs.clone();
    let mut left = u64::from(messages);
    while left > 0 {
        let count = Some(lengths.number()?).filter(|count| *count > 0).ok_or(Malformed)?;
        left = left.checked_sub(count).ok_or(Malformed)?;
        lengths.byte()?;
        lengths.signed()?;
    }
    // Each has a length, of a byte at least: so a wrong number of them takes no memory.
    if messages as usize > lengths.0.len() {
        return Err(Malformed);
    }
    let first = batch.len();
    while batch.room() < messages as usize {
        batch.grow();
    }
    let (mut at, mut time, mut is_good) = (payloads, 0i64, true);
    let mut left = messages as usize;
    while left > 0 {
        let (count, tail) = (runs.number()? as usize, runs.byte()?);
        time = time.wrapping_add(runs.signed()?);
        let parts = (0..count).map_while(|_| {
            let end = lengths
                .number()
                .ok()
                .and_then(|length| at.checked_add(usize::try_from(length).ok()?));
            let part = at..end?;
            at = part.end.checked_add(usize::from(tail))?;
            is_good = at <= block.len();
            is_good.then_some(part)
        });
        if batch.extend_slices(block, tail, time, parts) != count {
            return Err(Malformed);
        }
        left -= count;
    }
    if at != block.len() {
        return Err(Malformed);
    }
    read_rarities(lengths, &mut batch.messages_mut()[first..])
}

fn read_rarities(mut reader: VarintReader, messages: &mut [Message]) -> Result<(), Malformed> {
    let mut next = 0usize;
    loop {
        let step = usize::try_from(reader.number()?).map_err(|_| Malformed)?;
        if step == 0 {
            return if reader.0.is_empty() { Ok(()) } else { Err(Malformed) };
        }
        next = next.checked_add(step).ok_or(Malformed)?;
        let message = messages.get_mut(next - 1).ok_or(Malformed)?;
        let flags = reader.byte()?;
        if flags & !ALL != 0 {
            return Err(Malformed);
        }
        message.set_lacks_delimiter(flags & LACKS_DELIMITER != 0);
        let piece = if flags & PIECE != 0 { reader.number()? } else { 0 };
        let piece = u16::try_from(piece).map_err(|_| Malformed)?;
        message.set_piece(piece, flags & CONTINUES != 0);
        if flags & IDENTITY != 0 {
            reader.bytes()?;
        }
        if flags & ATTRIBUTES != 0 {
            for _ in 0..reader.number()? {
                let name = reader.text()?;
                message.set_attribute(name, read_value(&mut reader)?);
            }
        }
        if flags & VALUE != 0 {
            message.set_value(read_value(&mut reader)?.into());
        }
        if flags & TRACE != 0 {
            let (id, span, flags) = (reader.array()?, reader.array()?, reader.number()?);
            message.set_trace(Trace { id, span, flags });
        }
    }
}

fn read_value<'a>(reader: &mut VarintReader<'a>) -> Result<Stored<'a>, Malformed> {
    Ok(match reader.byte()? {
        NULL => Stored::Null,
        TEXT => Stored::String(reader.text()?),
        BYTES => Stored::Bytes(serde_bytes::Bytes::new(reader.bytes()?)),
        INTEGER => Stored::I64(reader.signed()?),
        OTHER => {
            let length = u32::from_le_bytes(reader.array()?);
            rmp_serde::from_slice(reader.take(length as usize)?).map_err(|_| Malformed)?
        }
        _ => return Err(Malformed),
    })
}

/// Appends the block without the messages in these places. Returns how many it holds then.
pub(super) fn write_without(
    block: &Payload,
    messages: u32,
    places: &[Range<u32>],
    bytes: &mut Vec<u8>,
) -> Result<u32, Malformed> {
    let mut batch = Batch::new(1);
    read(block, messages, &mut batch)?;
    let mut all = 0..;
    batch.retain(|_| {
        let is_named = all.next().is_some_and(|at| places.iter().any(|range| range.contains(&at)));
        if is_named { Fate::Settle(Outcome::DELIVERED) } else { Fate::Keep }
    });
    write(batch.messages(), bytes);
    Ok(batch.len() as u32)
}

#[cfg(test)]
mod tests {
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

    fn written(messages: &[Message]) -> Payload {
        let mut bytes = Vec::new();
        write(messages, &mut bytes);
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
        read(&written(messages.messages()), 6, &mut batch).unwrap();
        assert_alike(batch.messages(), messages.messages());
    }

    #[test]
    fn finished_messages_can_be_left_out() {
        let (messages, mut bytes) = (messages(), Vec::new());
        let block = written(messages.messages());
        let count = write_without(&block, 6, &[0..1, 2..4], &mut bytes).unwrap();
        let mut batch = Batch::new(1);
        read(&bytes.into(), count, &mut batch).unwrap();
        let messages = messages.messages();
        let expected = [messages[1].duplicate(), messages[4].duplicate(), messages[5].duplicate()];
        assert_alike(batch.messages(), &expected);
    }

    #[test]
    fn an_identity_may_follow_in_a_later_version() {
        let mut bytes = written(&[Message::new("text")]).to_vec();
        let payloads = bytes.len() - "text".len();
        assert_eq!(bytes[payloads - 1], 0, "the end of the rarities");
        bytes.splice(payloads - 1..payloads, [1, IDENTITY, 3, b'a', b'b', b'c', 0]);
        bytes[..4].copy_from_slice(&(payloads as u32 + 6).to_le_bytes());
        let mut batch = Batch::new(1);
        read(&bytes.into(), 1, &mut batch).unwrap();
        assert_eq!(batch.messages()[0].data(), b"text");
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = written(messages().messages());
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
}
