//! The origin of messages, for people: logs and dead letters name it.
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
        let number = match self.numbers.is_empty() {
            true => Some(self.first.saturating_add(index.into())),
            false => self.numbers.get(index as usize).copied(),
        };
        match number {
            Some(number) => format!("{}, {} {number}", self.of, self.unit),
            None => self.of.to_string(),
        }
    }
}
