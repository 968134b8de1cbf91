//! Converts JSON text to Lua tables.
use std::{collections::HashSet, fmt, mem, ops::Range};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{function::serialized::Writer, state::memory::NOT_ENOUGH};

/// Writes the deserialized value for Lua. Returns whether it is anything but null. The depth was
/// checked before.
pub(super) struct Table<'a>(pub(super) &'a mut Writer);

impl<'de> DeserializeSeed<'de> for Table<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Table<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        self.0.null();
        Ok(false)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<bool, E> {
        self.0.truth(truth);
        Ok(true)
    }

    fn visit_i64<E>(self, number: i64) -> Result<bool, E> {
        self.0.signed(number);
        Ok(true)
    }

    fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
        match i64::try_from(number) {
            Ok(number) => self.0.signed(number),
            Err(_) => self.0.uint64(number),
        }
        Ok(true)
    }

    fn visit_f64<E>(self, number: f64) -> Result<bool, E> {
        self.0.float(number);
        Ok(true)
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        self.0.string(text.as_bytes());
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let place = self.0.list();
        let mut count = 0;
        while items.next_element_seed(Table(self.0))?.is_some() {
            count += 1;
            has_room(self.0)?;
        }
        self.0.close(place, count);
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        let place = self.0.map();
        let mut keys = Keys::default();
        loop {
            let before = self.0.len();
            let Some(key) = entries.next_key_seed(Key(self.0))? else { break };
            entries.next_value_seed(Table(self.0))?;
            has_room(self.0)?;
            // Of two the first counts, as in a search for a field alone.
            if !keys.add(key, self.0) {
                self.0.back_to(before);
            }
        }
        keys.forget(self.0);
        self.0.close(place, keys.count);
        Ok(true)
    }
}

/// Writes a key for Lua. Returns its place in the written bytes.
struct Key<'a>(&'a mut Writer);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Range<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Range<usize>, E> {
        self.0.string(key.as_bytes());
        let end = self.0.len();
        Ok(end.saturating_sub(key.len())..end)
    }
}

/// Up to this many keys are compared with each other: a set of them is larger and slower.
const FEW: usize = 16;

/// The approximate memory of a key in the set beside its bytes.
const OF_KEY: usize = 64;

/// The keys of an object, each once.
#[derive(Default)]
struct Keys {
    count: usize,
    /// Their places in the written bytes.
    first: [Range<usize>; FEW],
    /// All of them, once they are more.
    all: HashSet<Vec<u8>>,
    /// The memory of `all`, which the writer counts as used.
    beside: usize,
}

impl Keys {
    /// Whether it is a new one.
    fn add(&mut self, key: Range<usize>, to: &mut Writer) -> bool {
        if self.count < FEW {
            let new = to.written(key.clone());
            if self.first[..self.count].iter().any(|known| to.written(known.clone()) == new) {
                return false;
            }
            self.first[self.count] = key;
            self.count += 1;
            return true;
        }
        if self.all.is_empty() {
            let first = mem::take(&mut self.first);
            for known in first {
                self.remember(known, to);
            }
        }
        let is_new = self.remember(key, to);
        self.count += usize::from(is_new);
        is_new
    }

    fn remember(&mut self, key: Range<usize>, to: &mut Writer) -> bool {
        let memory = OF_KEY + key.len();
        to.take_beside(memory);
        self.beside += memory;
        self.all.insert(to.written(key).to_vec())
    }

    fn forget(&mut self, to: &mut Writer) {
        to.give_back(self.beside);
    }
}

/// Nothing more is read when there is no room for it.
fn has_room<E: Error>(to: &Writer) -> Result<(), E> {
    if to.has_room() { Ok(()) } else { Err(E::custom(NOT_ENOUGH)) }
}
