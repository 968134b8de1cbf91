//! Converts JSON text to Lua tables.
use std::{collections::HashSet, fmt};

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
        let (mut keys, mut beside) = (HashSet::new(), 0);
        while let Some(key) = entries.next_key::<String>()? {
            let (before, of_key) = (self.0.len(), OF_KEY + key.len());
            self.0.take_beside(of_key);
            beside += of_key;
            self.0.string(key.as_bytes());
            entries.next_value_seed(Table(self.0))?;
            has_room(self.0)?;
            // Of two the first counts, as in a search for a field alone.
            if !keys.insert(key) {
                self.0.back_to(before);
            }
        }
        self.0.give_back(beside);
        self.0.close(place, keys.len());
        Ok(true)
    }
}

/// The approximate memory of a remembered key beside its bytes.
const OF_KEY: usize = 64;

/// Nothing more is read when there is no room for it.
fn has_room<E: Error>(to: &Writer) -> Result<(), E> {
    if to.has_room() { Ok(()) } else { Err(E::custom(NOT_ENOUGH)) }
}
