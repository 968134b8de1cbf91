//! What a function keeps, by key, and the messages that it makes of it.
use std::collections::HashMap;

use gopiper_abi::{Deliveries, Message, Postponed};

/// What one worker keeps. What a call makes of it is sent when the call has ended well.
#[derive(Default)]
pub(super) struct Window {
    groups: HashMap<Vec<u8>, Group>,
    /// The keys of which the running call has made something, or nothing on purpose; in that order.
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

    /// If nothing is made of what is kept under this key, it was dropped.
    pub(super) fn let_go(&mut self, key: &[u8]) {
        self.touch(key);
    }

    fn touch(&mut self, key: &[u8]) -> &mut Group {
        let group = self.groups.entry(key.to_vec()).or_default();
        if !std::mem::replace(&mut group.touched, true) {
            self.touched.push(key.to_vec());
        }
        group
    }

    /// The call has ended well: what it made goes on, which settles what was kept under its key.
    pub(super) fn send(&mut self, postponed: &Postponed) {
        for key in self.touched.drain(..) {
            if let Some(Group { kept, made, .. }) = self.groups.remove(&key) {
                // The pipeline may be closing: then it has failed, and its source knows.
                let _ = postponed.send_from(kept, made);
            }
        }
    }

    /// Nothing will be made of what is kept any more. Returns how many messages that are.
    pub(super) fn give_back(&mut self) -> usize {
        let mut count = 0;
        for (_, group) in self.groups.drain() {
            count += group.kept.len();
            group.kept.give_back();
        }
        count
    }

    /// The call has failed: it has made nothing, and what is kept stays.
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
