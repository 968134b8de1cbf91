//! The origin of messages, for people: logs and dead letters name it.
use std::{fmt, ptr};

use abi_stable::{
    StableAbi,
    std_types::{RStr, RString, RVec},
};

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
}

impl Positions {
    /// Messages that follow each other, the first with this number. Costs nothing for each message.
    pub fn counted(of: impl Into<String>, unit: &'static str, first: u64) -> Self {
        Positions { of: of.into().into(), unit: unit.into(), first, numbers: RVec::new() }
    }

    /// Messages with a number each, in the order of the batch.
    pub fn listed(of: impl Into<String>, unit: &'static str, numbers: Vec<u64>) -> Self {
        Positions { of: of.into().into(), unit: unit.into(), first: 0, numbers: numbers.into() }
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
        let number = match self.numbers.is_empty() {
            true => Some(self.first.saturating_add(index.into())),
            false => self.numbers.get(index as usize).copied(),
        };
        match number {
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
