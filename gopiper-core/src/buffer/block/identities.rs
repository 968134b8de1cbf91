//! The identities of messages, a run of one origin at a time.
use abi_stable::std_types::RVec;
use gopiper_abi::raw::{Identities, IdentityRun};

use crate::buffer::varint::{Malformed, VarintReader, put, put_bytes, put_signed};

/// The place of the first message of each run that has identities, from 1 on.
pub(super) fn begins(ids: &Identities) -> impl Iterator<Item = (u64, &IdentityRun)> {
    let mut next = 1;
    let places = ids.runs().iter().map(move |run| {
        let begin = next;
        next += u64::from(run.count);
        (begin, run)
    });
    places.filter(|(_, run)| run.count > 0 && !run.origin.is_empty())
}

pub(super) fn write_identities(run: &IdentityRun, bytes: &mut Vec<u8>) {
    put(bytes, run.count.into());
    put_bytes(bytes, run.origin.as_bytes());
    let mut before = 0;
    for number in &run.numbers {
        put_signed(bytes, number.wrapping_sub(before) as i64);
        before = *number;
    }
    bytes.push(u8::from(!run.ordinals.is_empty()));
    for ordinals in &run.ordinals {
        put(bytes, ordinals.len() as u64);
        ordinals.iter().for_each(|ordinal| put(bytes, (*ordinal).into()));
    }
}

/// Reads the identities of one origin, of `most` messages at most: each takes a byte at least, so a
/// wrong number takes no memory.
pub(super) fn read_identities(
    reader: &mut VarintReader,
    most: usize,
) -> Result<IdentityRun, Malformed> {
    let count = reader.number()?;
    if count == 0 || count > most.min(reader.0.len()) as u64 {
        return Err(Malformed);
    }
    let origin = Some(reader.text()?).filter(|origin| !origin.is_empty()).ok_or(Malformed)?;
    let mut run = IdentityRun { origin: origin.into(), count: count as u32, ..Default::default() };
    let mut before = 0u64;
    for _ in 0..count {
        before = before.wrapping_add(reader.signed()? as u64);
        run.numbers.push(before);
    }
    if reader.byte()? != 0 {
        for _ in 0..count {
            let ordinals = (0..reader.number()?)
                .map(|_| u32::try_from(reader.number()?).map_err(|_| Malformed));
            run.ordinals.push(ordinals.collect::<Result<RVec<u32>, _>>()?);
        }
    }
    Ok(run)
}
