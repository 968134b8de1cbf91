//! JSON's text as a table of Lua's.
use std::{collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::function::serialized::{DEPTH, Writer};

/// Writes what it is deserialized from for Lua. Gives whether that is anything but null.
pub(super) struct Table<'a> {
    to: &'a mut Writer,
    depth: usize,
}

impl<'a> Table<'a> {
    pub(super) fn of(to: &'a mut Writer) -> Self {
        Table { to, depth: 0 }
    }

    fn inner<E: Error>(&mut self) -> Result<Table<'_>, E> {
        match self.depth > DEPTH {
            true => Err(E::custom("lists and objects lie deeper in each other than 64")),
            false => Ok(Table { to: self.to, depth: self.depth + 1 }),
        }
    }
}

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
        self.to.null();
        Ok(false)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<bool, E> {
        self.to.truth(truth);
        Ok(true)
    }

    fn visit_i64<E>(self, number: i64) -> Result<bool, E> {
        self.to.signed(number);
        Ok(true)
    }

    fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
        match i64::try_from(number) {
            Ok(number) => self.to.signed(number),
            Err(_) => self.to.uint64(number),
        }
        Ok(true)
    }

    fn visit_f64<E>(self, number: f64) -> Result<bool, E> {
        self.to.float(number);
        Ok(true)
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        self.to.string(text.as_bytes());
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<bool, A::Error> {
        let place = self.to.list();
        let mut count = 0;
        while items.next_element_seed(self.inner()?)?.is_some() {
            count += 1;
        }
        self.to.close(place, count);
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<bool, A::Error> {
        let place = self.to.map();
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let before = self.to.0.len();
            self.to.string(key.as_bytes());
            entries.next_value_seed(self.inner()?)?;
            // Of two the first counts, as for who looks for a field alone.
            if !keys.insert(key) {
                self.to.0.truncate(before);
            }
        }
        self.to.close(place, keys.len());
        Ok(true)
    }
}
