//! The messages of a batch as bytes, and back.
use std::ops::Range;

use gopiper_abi::{Batch, Message, Outcome, Payload, Trace, raw::Fate};
use serde::{Deserialize, Serialize};

use crate::disk::value::Stored;

/// The header before the payloads, which follow one another.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    lengths: Vec<u32>,
    /// The first one, and then the differences, which are usually 0: a byte each.
    times: Vec<i64>,
    /// Those that were the end of their input, without a delimiter.
    lack_delimiters: Vec<u32>,
    #[serde(borrow)]
    extras: Vec<(u32, StoredExtra<'a>)>,
    /// Those that are pieces of long lines, with their numbers, and whether more follow.
    #[serde(default)]
    pieces: Vec<(u32, u16, bool)>,
}

/// The fields that most messages lack.
#[derive(Serialize, Deserialize)]
struct StoredExtra<'a> {
    #[serde(borrow)]
    attributes: Vec<(&'a str, Stored<'a>)>,
    #[serde(borrow)]
    value: Stored<'a>,
    trace: Option<([u8; 16], [u8; 8], u64)>,
}

/// A block from [`write`] is damaged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// The bytes of messages.
pub(super) fn write(messages: &[Message]) -> Vec<u8> {
    let mut head = Head {
        lengths: messages.iter().map(|message| message.data().len() as u32).collect(),
        times: Vec::with_capacity(messages.len()),
        lack_delimiters: Vec::new(),
        extras: Vec::new(),
        pieces: Vec::new(),
    };
    let mut before = 0;
    for (place, message) in messages.iter().enumerate() {
        head.times.push(message.time().wrapping_sub(before));
        before = message.time();
        if message.piece() != 0 {
            head.pieces.push((place as u32, message.piece(), message.continues()));
        }
        if message.lacks_delimiter() && !message.continues() {
            head.lack_delimiters.push(place as u32);
        }
        if let Some(extra) = StoredExtra::of(message) {
            head.extras.push((place as u32, extra));
        }
    }
    let payloads: usize = messages.iter().map(|message| message.data().len()).sum();
    let mut bytes = Vec::with_capacity(4 + 8 * messages.len() + payloads);
    bytes.extend_from_slice(&[0; 4]);
    // Nothing in it can fail, and a Vec takes it all.
    let written = rmp_serde::encode::write(&mut bytes, &head);
    debug_assert!(written.is_ok(), "{written:?}");
    let length = bytes.len() as u32 - 4;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    messages.iter().for_each(|message| bytes.extend_from_slice(message.data()));
    bytes
}

/// How many messages are in a block.
pub(super) fn count(bytes: &[u8]) -> Result<u32, Damaged> {
    Ok(read_head(bytes)?.0.lengths.len() as u32)
}

fn read_head(bytes: &[u8]) -> Result<(Head<'_>, usize), Damaged> {
    let length = bytes.first_chunk().ok_or(Damaged)?;
    let end = 4 + u32::from_le_bytes(*length) as usize;
    let head = bytes.get(4..end).ok_or(Damaged)?;
    Ok((rmp_serde::from_slice(head).map_err(|_| Damaged)?, end))
}

/// Puts the messages of a block into a batch, which becomes large enough.
pub(super) fn read(bytes: Vec<u8>, batch: &mut Batch) -> Result<(), Damaged> {
    let payloads = Payload::from(bytes);
    let (head, mut at) = read_head(&payloads)?;
    let mut messages = Vec::with_capacity(head.lengths.len());
    let mut time = 0i64;
    if head.times.len() != head.lengths.len() {
        return Err(Damaged);
    }
    for (length, later) in head.lengths.into_iter().zip(head.times) {
        let end = at + length as usize;
        if end > payloads.len() {
            return Err(Damaged);
        }
        let mut message = Message::new(payloads.slice(at..end));
        (at, time) = (end, time.wrapping_add(later));
        message.set_time(time);
        messages.push(message);
    }
    for place in head.lack_delimiters {
        messages.get_mut(place as usize).ok_or(Damaged)?.set_lacks_delimiter(true);
    }
    for (place, number, continues) in head.pieces {
        messages.get_mut(place as usize).ok_or(Damaged)?.set_piece(number, continues);
    }
    for (place, extra) in head.extras {
        extra.put(messages.get_mut(place as usize).ok_or(Damaged)?);
    }
    while batch.room() < messages.len() {
        batch.grow();
    }
    for message in messages {
        let pushed = batch.push(message);
        debug_assert!(pushed.is_ok(), "there is room for all");
    }
    Ok(())
}

/// The block without the messages in these places, and how many it holds then.
pub(super) fn without(bytes: Vec<u8>, places: &[Range<u32>]) -> Result<(Vec<u8>, u64), Damaged> {
    let mut batch = Batch::new(1);
    read(bytes, &mut batch)?;
    let mut all = 0..;
    batch.retain(|_| {
        let is_named = all.next().is_some_and(|at| places.iter().any(|range| range.contains(&at)));
        if is_named { Fate::Settle(Outcome::DELIVERED) } else { Fate::Keep }
    });
    Ok((write(batch.messages()), batch.len() as u64))
}

impl<'a> StoredExtra<'a> {
    fn of(message: &'a Message) -> Option<Self> {
        let (attributes, value, trace) = (message.attributes(), message.value(), message.trace());
        if attributes.is_empty() && value.is_none() && trace.is_none() {
            return None;
        }
        Some(StoredExtra {
            attributes: attributes.iter().map(|(key, value)| (key, value.into())).collect(),
            value: value.map_or(Stored::Null, Stored::from),
            trace: trace.map(|trace| (trace.id, trace.span, trace.flags)),
        })
    }

    fn put(self, message: &mut Message) {
        for (key, value) in self.attributes {
            message.set_attribute(key, value);
        }
        if self.value != Stored::Null {
            message.set_value(self.value.into());
        }
        if let Some((id, span, flags)) = self.trace {
            message.set_trace(Trace { id, span, flags });
        }
    }
}

#[cfg(test)]
mod tests {
    use gopiper_abi::Value;

    use super::*;

    fn messages() -> Vec<Message> {
        let mut full = Message::new(&b"\xff\0 bytes"[..]);
        full.set_attribute("key", vec![Value::from(1i64), Value::NULL]);
        full.set_value("a value".into());
        full.set_trace(Trace { id: [1; 16], span: [2; 8], flags: 1 });
        full.set_time(i64::MAX);
        let mut last = Message::new("no delimiter");
        last.set_lacks_delimiter(true);
        last.set_time(-5);
        let mut piece = Message::new("the rest follows");
        piece.set_piece(7, true);
        vec![Message::new(""), full, last, piece]
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        let bytes = write(&messages());
        assert_eq!(count(&bytes), Ok(4));
        let mut batch = Batch::new(1);
        read(bytes, &mut batch).unwrap();
        assert_eq!(batch.len(), 4);
        for (read, written) in batch.messages().iter().zip(&messages()) {
            assert_eq!(read.data(), written.data());
            assert_eq!(read.attributes(), written.attributes());
            assert_eq!(read.value(), written.value());
            assert_eq!(read.trace(), written.trace());
            assert_eq!(read.time(), written.time());
            assert_eq!(read.lacks_delimiter(), written.lacks_delimiter());
            assert_eq!((read.piece(), read.continues()), (written.piece(), written.continues()));
        }
    }

    #[test]
    fn finished_messages_can_be_left_out() {
        let (bytes, count) = without(write(&messages()), &[0..1, 2..3]).unwrap();
        let mut batch = Batch::new(1);
        read(bytes, &mut batch).unwrap();
        assert_eq!((batch.len(), count), (2, 2));
        assert_eq!(batch.messages()[0].attribute("key"), messages()[1].attribute("key"));
        assert_eq!(batch.messages()[1].data(), b"the rest follows");
        assert!(batch.messages()[1].continues());
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = write(&messages());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let _ = read(bytes, &mut Batch::new(8));
            }
            assert_eq!(read(whole[..at].to_vec(), &mut Batch::new(8)), Err(Damaged));
        }
    }
}
