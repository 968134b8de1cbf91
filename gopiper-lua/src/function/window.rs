//! Messages that a function keeps, by key, and those that it makes from them.
use std::collections::HashMap;

use gopiper_abi::{Deliveries, Message, Postponed};

/// The kept messages of one worker. The messages made in a call are sent when the call has
/// succeeded.
#[derive(Default)]
pub(super) struct Window {
    groups: HashMap<Vec<u8>, Group>,
    /// The keys for which the running call has made messages, or dropped them; in that order.
    touched: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Group {
    kept: Deliveries,
    made: Vec<Message>,
    touched: bool,
}

impl Window {
    pub(super) fn keep(&mut self, key: &[u8], deliveries: Deliveries) {
        match self.groups.get_mut(key) {
            Some(group) => group.kept.add(deliveries),
            None => {
                let group = Group { kept: deliveries, ..Group::default() };
                self.groups.insert(key.to_vec(), group);
            }
        }
    }

    pub(super) fn emit(&mut self, key: &[u8], message: Message) {
        self.touch(key).made.push(message);
    }

    /// Messages kept under this key are dropped, unless something is made from them.
    pub(super) fn drop_kept(&mut self, key: &[u8]) {
        self.touch(key);
    }

    fn touch(&mut self, key: &[u8]) -> &mut Group {
        let group = self.groups.entry(key.to_vec()).or_default();
        if !std::mem::replace(&mut group.touched, true) {
            self.touched.push(key.to_vec());
        }
        group
    }

    /// The call has succeeded: its messages are sent, which settles those that were kept under
    /// their keys.
    pub(super) fn send(&mut self, postponed: &Postponed) {
        for key in self.touched.drain(..) {
            if let Some(Group { kept, made, .. }) = self.groups.remove(&key) {
                // The pipeline may be closing: then the messages have failed, and their source
                // learns of it.
                let _ = postponed.send_from(kept, made);
            }
        }
    }

    /// Returns the kept messages to their source. Returns their number.
    pub(super) fn give_back(&mut self) -> usize {
        let mut count = 0;
        for (_, group) in self.groups.drain() {
            count += group.kept.len();
            group.kept.give_back();
        }
        count
    }

    /// The call has failed: its messages are discarded, and the kept ones remain.
    pub(super) fn take_back(&mut self) {
        for key in self.touched.drain(..) {
            if let Some(group) = self.groups.get_mut(&key) {
                group.made.clear();
                group.touched = false;
                if group.kept.is_empty() {
                    self.groups.remove(&key);
                }
            }
        }
    }
}
