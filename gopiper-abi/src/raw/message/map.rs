//! Keys with values that keep their order.
use abi_stable::{
    StableAbi,
    std_types::{RString, RVec},
};

use crate::raw::Value;

/// A key with its value.
#[repr(C)]
#[derive(Debug, Clone, PartialEq, StableAbi)]
pub struct Entry {
    /// The key.
    pub key: RString,
    /// Its value.
    pub value: Value,
}

/// Keys with values, in the order in which they were first set.
///
/// ```
/// use gopiper_abi::Map;
/// let mut map = Map::default();
/// map.insert("host", "a.example");
/// map.insert("status", 200i64);
/// assert_eq!(map.get("status").and_then(|v| v.as_i64()), Some(200));
/// assert_eq!(map.iter().next().unwrap().0, "host");
/// ```
#[repr(C)]
#[derive(Debug, Clone, Default, PartialEq, StableAbi)]
pub struct Map {
    entries: RVec<Entry>,
}

impl Map {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.key.as_str() == key).map(|entry| &entry.value)
    }

    /// Sets a key; its place stays if it had one.
    pub fn insert(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.entries.iter_mut().find(|entry| entry.key.as_str() == key) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { key: key.into(), value }),
        }
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.entries.iter().position(|entry| entry.key.as_str() == key)?;
        Some(self.entries.remove(place).value)
    }

    /// The keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), &entry.value))
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: AsRef<str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Map::default();
        for (key, value) in pairs {
            map.insert(key.as_ref(), value);
        }
        map
    }
}
