//! The actions of the components of the graphs: random, and the same in each run.
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread,
    time::Duration,
};

use gopiper_abi::{Component, HandledCallback, Message, Postponed, Report};

/// The action of a stage on a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Act {
    Done,
    Drop,
    Fail,
    Retry,
    Split,
}

pub(crate) fn random(salt: usize, text: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    (salt, text).hash(&mut hasher);
    hasher.finish() as usize
}

pub(crate) fn act(salt: usize, text: &str) -> Act {
    match random(salt, text) % 16 {
        0 => Act::Drop,
        1 => Act::Fail,
        2 => Act::Retry,
        3 => Act::Split,
        _ => Act::Done,
    }
}

/// Acts on messages, and adds its name to each: so the text shows the way of the message.
pub(crate) struct Actor {
    pub(crate) salt: usize,
    pub(crate) acts: bool,
    pub(crate) limited: bool,
    pub(crate) postponed: Postponed,
}

pub(crate) const LIMIT: Duration = Duration::from_millis(20);

pub(crate) fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.data()).into_owned()
}

impl Component for Actor {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let (salt, text) = (self.salt, text(&message));
        if self.limited && random(salt, &text) % 50 == 1 {
            thread::sleep(3 * LIMIT);
        }
        match if self.acts { act(salt, &text) } else { Act::Done } {
            Act::Drop => return handled.discard(message),
            Act::Fail => return handled.fail(message, "as it is written"),
            Act::Retry if message.attempts() == 0 => {
                return handled.report(message, Report::retry(0, "not yet"));
            }
            Act::Split => {
                let (_, settles) = handled.keep(message).split();
                let parts = ["a", "b"].map(|part| Message::new(format!("{text}/{salt}{part}")));
                return drop(self.postponed.send_from(settles, parts));
            }
            Act::Done | Act::Retry => message.set_data(format!("{text}/{salt}")),
        }
        handled.done(message);
    }
}

/// Chooses one of the branches for a message at random.
pub(crate) struct Router(pub(crate) usize, pub(crate) usize);

impl Component for Router {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let branch = random(self.0, &text(&message)) % self.1;
        message.set_branch(branch as u16);
        handled.done(message);
    }
}
