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
#[cfg(test)]
mod tests;

mod identities;

use std::ops::Range;

use gopiper_abi::{
    Batch, Message, Outcome, Payload, Positions, Trace, Value, ValueTag,
    raw::{Fate, Identities, IdentityRun},
};

use self::identities::{begins, read_identities, write_identities};
use super::varint::{Malformed, VarintReader, put, put_bytes, put_signed};
use crate::disk::value::{Stored, check_depth};

/// The flags of a message with rarities: its state, and the fields that follow, in this order.
const LACKS_DELIMITER: u8 = 1;
const CONTINUES: u8 = 2;
/// The number of the piece.
const PIECE: u8 = 4;
/// From this message on: how many have identities of one origin, the origin, the number of each
/// since that of the message before, and 1 if ordinals follow: of each, how many, and those.
const IDENTITIES: u8 = 8;
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

/// Appends the bytes of messages that pass [`check`], or were read from a block, with their
/// identities.
pub(super) fn write(messages: &[Message], ids: &Identities, bytes: &mut Vec<u8>) {
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
    let (mut next, mut runs) = (0, begins(ids).peekable());
    for (place, message) in (1..).zip(messages) {
        let run = runs.next_if(|(begin, _)| *begin == place).map(|(_, run)| run);
        let flags = flags_of(message) | if run.is_some() { IDENTITIES } else { 0 };
        if flags != 0 {
            put(bytes, place - next);
            next = place;
            write_rarities(message, flags, run, bytes);
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

fn write_rarities(message: &Message, flags: u8, ids: Option<&IdentityRun>, bytes: &mut Vec<u8>) {
    bytes.push(flags);
    if flags & PIECE != 0 {
        put(bytes, message.piece().into());
    }
    if let Some(run) = ids {
        write_identities(run, bytes);
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
/// Returns their identities, as far as they came with some.
pub(super) fn read(
    block: &Payload,
    messages: u32,
    batch: &mut Batch,
) -> Result<Identities, Malformed> {
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

fn read_rarities(
    mut reader: VarintReader,
    messages: &mut [Message],
) -> Result<Identities, Malformed> {
    let (mut next, mut ids, mut identified) = (0usize, Identities::default(), 0);
    loop {
        let step = usize::try_from(reader.number()?).map_err(|_| Malformed)?;
        if step == 0 {
            return if reader.0.is_empty() { Ok(ids) } else { Err(Malformed) };
        }
        next = next.checked_add(step).ok_or(Malformed)?;
        let flags = reader.byte()?;
        if next > messages.len() || flags & !ALL != 0 {
            return Err(Malformed);
        }
        let piece = if flags & PIECE != 0 { reader.number()? } else { 0 };
        let piece = u16::try_from(piece).map_err(|_| Malformed)?;
        if flags & IDENTITIES != 0 {
            // Between two runs are messages that came without.
            let without = (next - 1).checked_sub(identified).ok_or(Malformed)?;
            let run = read_identities(&mut reader, messages.len() - (next - 1))?;
            identified = next - 1 + run.count as usize;
            if without > 0 {
                ids.push_run(IdentityRun { count: without as u32, ..IdentityRun::default() });
            }
            ids.push_run(run);
        }
        let message = &mut messages[next - 1];
        message.set_lacks_delimiter(flags & LACKS_DELIMITER != 0);
        message.set_piece(piece, flags & CONTINUES != 0);
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

/// Appends a block without the messages in these places. Returns how many it holds then. Those that
/// came without an identity get the one that they have had as messages of this block, of `origin`.
pub(super) fn write_without(
    (block, messages): (&Payload, u32),
    places: &[Range<u32>],
    origin: &str,
    bytes: &mut Vec<u8>,
) -> Result<u32, Malformed> {
    let mut batch = Batch::new(1);
    let came = read(block, messages, &mut batch)?;
    let all = Positions::counted("", "", 1).identified(origin).with_identities(came);
    let (mut place, mut left) = (0.., Identities::default());
    batch.retain(|_| {
        let place = place.next().unwrap_or_default();
        if places.iter().any(|range| range.contains(&place)) {
            return Fate::Settle(Outcome::DELIVERED);
        }
        left.push(all.identity(place).as_ref());
        Fate::Keep
    });
    write(batch.messages(), &left, bytes);
    Ok(batch.len() as u32)
}
