//! How far the sources of a pipeline have got with their inputs, for its sinks.
use std::collections::HashMap;

use parking_lot::Mutex;

/// Of each origin of identities, the number below which its messages do not come again. Sources
/// write it when they have saved a checkpoint, and sinks read it now and then.
#[derive(Default)]
pub(crate) struct Origins(Mutex<HashMap<String, u64>>);

impl Origins {
    pub(crate) fn set_settled(&self, origin: &str, below: u64) {
        let mut origins = self.0.lock();
        match origins.get_mut(origin) {
            Some(known) => *known = below,
            None => _ = origins.insert(origin.to_owned(), below),
        }
    }

    pub(crate) fn settled_below(&self, origin: &str) -> u64 {
        self.0.lock().get(origin).copied().unwrap_or(0)
    }
}
