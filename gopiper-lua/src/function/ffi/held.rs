//! Counts and limits the bytes that a function holds outside of its Lua state for one message.
use gopiper_abi::{Message, Value, ValueTag};

use crate::state::memory;

/// Smaller requests are not checked for available memory.
const SMALL: usize = 64 << 10;
/// The approximate memory of a value beside its bytes.
const OF_VALUE: usize = 64;

/// The native memory that the function holds for one message, or for one flush.
pub(super) struct Held {
    most: usize,
    /// Held by the messages that it has made.
    pub(super) made: usize,
    /// Held by the message's attributes and value that it has set: an upper bound.
    values: usize,
    /// Whether these have changed since it has made a message: then the next one has its own.
    has_changed: bool,
    /// The size of the block that payloads are cut from; 0 if it is already counted in `made`.
    pub(super) block: usize,
}

impl Held {
    pub(super) fn new() -> Self {
        Held { most: memory::most(), made: 0, values: 0, has_changed: false, block: 0 }
    }

    /// Nothing is held yet.
    pub(super) fn begin(&mut self) {
        (self.made, self.values, self.has_changed) = (0, 0, false);
    }

    /// How many bytes more it may hold.
    pub(super) fn rest(&self) -> usize {
        self.most.saturating_sub(self.made).saturating_sub(self.values)
    }

    pub(super) fn has_room(&self, len: usize) -> bool {
        len <= self.rest() && (len <= SMALL || memory::is_there(len))
    }

    /// A message that was made refers to its block, and to the attributes as they were.
    pub(super) fn add(&mut self, message: &Message) {
        self.made += 2 * size_of::<Message>() + std::mem::take(&mut self.block);
        if std::mem::take(&mut self.has_changed) {
            self.made += weight_of_all(message);
        }
    }

    /// Whether there is room to set a value of about this size in the message.
    pub(super) fn may_set(&mut self, message: &Message, len: usize) -> bool {
        if !self.has_room(len) {
            // Values that were replaced since are not held any more.
            self.values = weight_of_all(message);
            if !self.has_room(len) {
                return false;
            }
        }
        self.values += len;
        self.has_changed = true;
        true
    }
}

fn weight_of_all(message: &Message) -> usize {
    weight_of_fields(message.attributes().iter()) + message.value().map_or(0, weight)
}

fn weight_of_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> usize {
    fields.map(|(key, value)| OF_VALUE + key.len() + weight(value)).sum()
}

fn weight(value: &Value) -> usize {
    let bytes = match value.tag() {
        ValueTag::STRING => value.as_str().map_or(0, str::len),
        ValueTag::BYTES => value.as_bytes().map_or(0, |bytes| bytes.len()),
        ValueTag::LIST => value.as_list().unwrap_or_default().iter().map(weight).sum(),
        ValueTag::MAP => value.as_map().map_or(0, |map| weight_of_fields(map.iter())),
        _ => 0,
    };
    OF_VALUE + bytes
}
