//! Selects workers by an attribute: messages with the same value go to the same worker.
use std::hash::{DefaultHasher, Hash, Hasher};

use gopiper_abi::{
    Message, Value, ValueTag,
    raw::{Batch, DEFAULT_CAPACITY},
};

/// Splits a batch: the messages for each worker, in order. Messages without the attribute belong
/// together.
pub(crate) fn partition(batch: Batch, attribute: &str, workers: usize) -> Vec<(usize, Batch)> {
    take_apart(batch, |message| lane(message.attribute(attribute), workers))
}

/// Splits a batch: the messages of each lane, in order.
pub(crate) fn take_apart(
    mut batch: Batch,
    lane: impl Fn(&Message) -> usize,
) -> Vec<(usize, Batch)> {
    let mut parts: Vec<(usize, Batch)> = Vec::new();
    let mut lanes = batch.messages().iter().map(&lane);
    if let Some(first) = lanes.next()
        && lanes.all(|other| other == first)
    {
        return vec![(first, batch)];
    }
    for message in batch.messages_mut() {
        let lane = lane(message);
        let message = std::mem::replace(message, Message::vacated());
        let place = parts.iter().position(|(of, _)| *of == lane).unwrap_or_else(|| {
            parts.push((lane, Batch::new(DEFAULT_CAPACITY)));
            parts.len() - 1
        });
        let part = &mut parts[place].1;
        if let Err(message) = part.push(message) {
            part.grow();
            let full = part.push(message).is_err();
            debug_assert!(!full, "a batch that grew has room");
        }
    }
    parts
}

fn lane(value: Option<&Value>, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    if let Some(value) = value {
        value.tag().0.hash(&mut hasher);
        match value.tag() {
            ValueTag::STRING => value.as_str().hash(&mut hasher),
            ValueTag::BYTES => value.as_bytes().hash(&mut hasher),
            ValueTag::I64 | ValueTag::U64 => (value.as_i64(), value.as_u64()).hash(&mut hasher),
            // No usual key: its text will do.
            _ => format!("{value:?}").hash(&mut hasher),
        }
    }
    (hasher.finish() % lanes as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_go_to_one_lane_in_order() {
        let mut batch = Batch::new(600);
        for n in 0..600i64 {
            let mut message = Message::new(n.to_string());
            match n % 3 {
                0 => message.set_attribute("key", n % 5),
                1 => message.set_attribute("key", format!("k{}", n % 7)),
                _ => {}
            }
            batch.push(message).unwrap();
        }
        let parts = partition(batch, "key", 4);
        let mut seen = std::collections::BTreeMap::new();
        let mut count = 0;
        for (lane, part) in &parts {
            let mut last = std::collections::BTreeMap::new();
            for message in part.messages() {
                count += 1;
                let key = format!("{:?}", message.attribute("key"));
                let number: i64 = std::str::from_utf8(message.data()).unwrap().parse().unwrap();
                assert_eq!(seen.entry(key.clone()).or_insert(*lane), lane, "{key} is in two lanes");
                assert!(last.insert(key, number).is_none_or(|before| before < number));
            }
        }
        assert_eq!(count, 600);
        assert!(parts.len() > 1, "some spread");
    }
}
