//! The origin of messages, for people: logs and dead letters name it.
use std::{fmt, ptr};

use abi_stable::{
    StableAbi,
    std_types::{RStr, RString, RVec},
};

use crate::raw::{Identities, Identity};

/// The positions of a batch's messages in their source's input. A source passes them with the
/// batch; the log names the position when a message fails ("/var/log/app.log, byte 1234").
///
/// ```
/// use gopiper_abi::Positions;
///
/// let counted = Positions::counted("standard input", "message", 7);
/// assert_eq!(counted.of_message(2), "standard input, message 9");
/// let listed = Positions::listed("orders/3", "offset", vec![4, 8]);
/// assert_eq!(listed.of_message(1), "orders/3, offset 8");
/// ```
#[repr(C)]
#[derive(Debug, Clone, PartialEq, Eq, StableAbi)]
pub struct Positions {
    /// The source's input: a path, a topic with its partition.
    of: RString,
    /// The unit of the numbers: `byte`, `offset`, `message`. Code is never unloaded, so a static
    /// text stays.
    unit: RStr<'static>,
    /// The number of the first message, if `numbers` is empty: the others count on from there.
    first: u64,
    /// The number of each message.
    numbers: RVec<u64>,
    /// What the numbers belong to, if they identify messages; else empty.
    origin: RString,
    /// The identities that the messages came with; they go before the numbers.
    came: Identities,
}

impl Positions {
    /// Messages that follow each other, the first with this number. Costs nothing for each message.
    pub fn counted(of: impl Into<String>, unit: &'static str, first: u64) -> Self {
        Self::new(of.into(), unit, first, RVec::new())
    }

    /// Messages with a number each, in the order of the batch.
    pub fn listed(of: impl Into<String>, unit: &'static str, numbers: Vec<u64>) -> Self {
        Self::new(of.into(), unit, 0, numbers.into())
    }

    fn new(of: String, unit: &'static str, first: u64, numbers: RVec<u64>) -> Self {
        let (origin, came) = (RString::new(), Identities::default());
        Positions { of: of.into(), unit: unit.into(), first, numbers, origin, came }
    }

    /// The numbers identify the messages: each time that the source sends a message, it has this
    /// origin and the same number, and no other message in the world has both. The name of a file
    /// does not do: another file may get it. [`Host::origin`](crate::Host::origin) gives a source a
    /// name of its own to begin with.
    ///
    /// ```
    /// use gopiper_abi::{Identity, Positions};
    ///
    /// let positions = Positions::listed("orders/3", "offset", vec![4, 8]);
    /// let positions = positions.identified("kafka/orders/3");
    /// assert_eq!(positions.identity(1), Some(Identity::new("kafka/orders/3", 8)));
    /// ```
    pub fn identified(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into().into();
        self
    }

    /// The messages came with identities, and keep them: for what stores messages and sends them
    /// again. Those that came with none have the one that the numbers give them.
    pub fn with_identities(mut self, came: Identities) -> Self {
        self.came = came;
        self
    }

    /// The identity of one message of the batch, if it has one.
    pub fn identity(&self, index: u32) -> Option<Identity> {
        let mut identity = Identity::default();
        self.identity_of(index, &mut identity).then_some(identity)
    }

    /// Writes the identity of one message; returns whether it has one.
    pub(in crate::raw) fn identity_of(&self, index: u32, into: &mut Identity) -> bool {
        if self.came.read(index, into) {
            return true;
        }
        match self.number(index) {
            Some(number) if !self.origin.is_empty() => {
                into.set(&self.origin, number, &[]);
                true
            }
            _ => false,
        }
    }

    /// Adds the identities of `count` messages from one on.
    pub(in crate::raw) fn identities_of(&self, first: u32, count: u32, into: &mut Identities) {
        if self.came.runs().is_empty() {
            if self.origin.is_empty() {
                return into.push_unknown(count);
            }
            let places = first as usize..(first + count) as usize;
            match self.numbers.get(places) {
                Some(numbers) => return into.push_numbers(&self.origin, numbers.iter().copied()),
                None if self.numbers.is_empty() => {
                    let number = |index: u32| self.first.saturating_add(index.into());
                    return into.push_numbers(&self.origin, (first..first + count).map(number));
                }
                None => {}
            }
        }
        let mut identity = Identity::default();
        for index in first..first + count {
            let is_known = self.identity_of(index, &mut identity);
            into.push(is_known.then_some(&identity));
        }
    }

    fn number(&self, index: u32) -> Option<u64> {
        match self.numbers.is_empty() {
            true => Some(self.first.saturating_add(index.into())),
            false => self.numbers.get(index as usize).copied(),
        }
    }

    /// The position of one message of the batch, in words.
    pub fn of_message(&self, index: u32) -> String {
        let mut words = String::new();
        // A String takes everything.
        let _ = self.write_of(index, &mut words);
        words
    }

    /// Writes the position of one message; takes no memory.
    pub(in crate::raw) fn write_of(&self, index: u32, to: &mut dyn fmt::Write) -> fmt::Result {
        match self.number(index) {
            Some(number) => write!(to, "{}, {} {number}", self.of, self.unit),
            None => to.write_str(&self.of),
        }
    }
}

/// The position of one message, among those of its batch.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct MessagePosition {
    /// The positions of a batch; null if its source gives none.
    pub positions: *const Positions,
    /// The message's index in that batch.
    pub index: u32,
}

impl MessagePosition {
    pub(in crate::raw) const UNKNOWN: Self = MessagePosition { positions: ptr::null(), index: 0 };
}
