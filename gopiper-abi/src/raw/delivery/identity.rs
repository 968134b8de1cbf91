//! What a message is, for ever: the same in each attempt, and after each restart.
use std::{fmt, str::FromStr};

use abi_stable::{
    StableAbi,
    std_types::{RString, RVec},
};

/// The identity of a message: where in the world it comes from. It is the same each time that its
/// source sends it, so a sink that keeps identities knows what it has written already.
///
/// A message made from another one has the identity of that one, and an ordinal. As text, an
/// identity is `ORIGIN:NUMBER`, and has `.ORDINAL` after it for each such step.
///
/// ```
/// use gopiper_abi::Identity;
///
/// let line = Identity::new("orders/3", 4096);
/// assert_eq!(line.to_string(), "orders/3:4096");
/// let part: Identity = "orders/3:4096.2".parse()?;
/// assert_eq!((part.origin(), part.number(), part.ordinals()), ("orders/3", 4096, &[2][..]));
/// # Ok::<(), gopiper_abi::NoIdentity>(())
/// ```
#[repr(C)]
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, StableAbi)]
pub struct Identity {
    origin: RString,
    number: u64,
    ordinals: RVec<u32>,
}

impl Identity {
    /// The message with this number in an input. The origin is a name that no other input has.
    pub fn new(origin: impl Into<String>, number: u64) -> Self {
        Identity { origin: origin.into().into(), number, ordinals: RVec::new() }
    }

    /// The input: a name that no other input has.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number in the input: a byte's, an offset, a sequence.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// For each step in which the message was made from another one, its place among those made
    /// from that; empty for a message as its source sent it.
    pub fn ordinals(&self) -> &[u32] {
        &self.ordinals
    }

    /// Becomes another identity, in the memory that it has.
    pub fn set(&mut self, origin: &str, number: u64, ordinals: &[u32]) {
        self.origin.clear();
        self.origin.push_str(origin);
        self.number = number;
        self.ordinals.clear();
        self.ordinals.extend_from_slice(ordinals);
    }

    pub(in crate::raw) fn derive(&mut self, ordinal: u32) {
        self.ordinals.push(ordinal);
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.number)?;
        self.ordinals.iter().try_for_each(|ordinal| write!(f, ".{ordinal}"))
    }
}

/// A text is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoIdentity;

impl fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identity: ORIGIN:NUMBER, perhaps with .ORDINAL after it")
    }
}

impl std::error::Error for NoIdentity {}

impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        let (origin, numbers) = text.rsplit_once(':').ok_or(NoIdentity)?;
        let mut numbers = numbers.split('.');
        let number = numbers.next().and_then(|number| number.parse().ok()).ok_or(NoIdentity)?;
        let ordinals = numbers.map(str::parse).collect::<Result<RVec<u32>, _>>();
        let ordinals = ordinals.map_err(|_| NoIdentity)?;
        match origin {
            "" => Err(NoIdentity),
            origin => Ok(Identity { origin: origin.into(), number, ordinals }),
        }
    }
}

/// The identities of messages, in the order of their batch. Neighbours of one origin share its
/// name, so most messages take 8 bytes.
#[repr(C)]
#[derive(Debug, Clone, Default, PartialEq, Eq, StableAbi)]
pub struct Identities {
    runs: RVec<IdentityRun>,
}

/// The identities of neighbours with one origin, or of neighbours that have none.
#[repr(C)]
#[derive(Debug, Clone, Default, PartialEq, Eq, StableAbi)]
pub struct IdentityRun {
    /// The origin; empty if they have no identities.
    pub origin: RString,
    /// How many messages these are.
    pub count: u32,
    /// The number of each; none if they have no identities.
    pub numbers: RVec<u64>,
    /// The ordinals of each, or empty if none of them has any.
    pub ordinals: RVec<RVec<u32>>,
}

impl Identities {
    /// The identity of the message at a place; `None` if it has none, or there are fewer messages.
    pub fn get(&self, place: usize) -> Option<Identity> {
        let mut identity = Identity::default();
        let place = u32::try_from(place).ok()?;
        self.read(place, &mut identity).then_some(identity)
    }

    /// The neighbours of one origin, in order.
    pub fn runs(&self) -> &[IdentityRun] {
        &self.runs
    }

    /// The next messages have these.
    pub fn push_run(&mut self, run: IdentityRun) {
        self.runs.push(run);
    }

    /// The next message has this identity, or none.
    pub fn push(&mut self, identity: Option<&Identity>) {
        let Some(Identity { origin, number, ordinals }) = identity else {
            return self.push_unknown(1);
        };
        let run = self.run_of(origin);
        if !ordinals.is_empty() || !run.ordinals.is_empty() {
            run.ordinals.resize(run.count as usize, RVec::new());
            run.ordinals.push(ordinals.clone());
        }
        run.numbers.push(*number);
        run.count += 1;
    }

    /// The next messages have none.
    pub(in crate::raw) fn push_unknown(&mut self, messages: u32) {
        self.run_of("").count += messages;
    }

    /// The next messages have these numbers of an origin.
    pub(in crate::raw) fn push_numbers(
        &mut self,
        origin: &str,
        numbers: impl ExactSizeIterator<Item = u64>,
    ) {
        let run = self.run_of(origin);
        run.count += numbers.len() as u32;
        run.numbers.extend(numbers);
        if !run.ordinals.is_empty() {
            run.ordinals.resize(run.count as usize, RVec::new());
        }
    }

    /// The run that the next message of an origin belongs to.
    fn run_of(&mut self, origin: &str) -> &mut IdentityRun {
        if self.runs.last().is_none_or(|run| run.origin != origin) {
            self.runs.push(IdentityRun { origin: origin.into(), ..IdentityRun::default() });
        }
        let last = self.runs.len() - 1;
        &mut self.runs[last]
    }

    /// Writes the identity of one message. Returns whether it has one.
    pub(in crate::raw) fn read(&self, mut index: u32, into: &mut Identity) -> bool {
        for run in &self.runs {
            if index >= run.count {
                index -= run.count;
                continue;
            }
            let index = index as usize;
            let Some(number) = run.numbers.get(index) else { return false };
            into.set(&run.origin, *number, run.ordinals.get(index).map_or(&[], |all| all));
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_was_written() {
        for text in ["a:0", "a:b:7", "a.1:2.3", "a:18446744073709551615.0.4294967295"] {
            assert_eq!(text.parse::<Identity>().unwrap().to_string(), text);
        }
        for text in ["", ":1", "a", "a:", "a:-1", "a:1.", "a:1.x", "a:1.4294967296", "a:1:"] {
            assert_eq!(text.parse::<Identity>(), Err(NoIdentity), "{text}");
        }
    }

    #[test]
    fn each_message_has_the_identity_that_it_came_with() {
        let texts = ["a:1", "a:3", "a:4.1.2", "", "", "b:7", "a:1.0", "a:9"];
        let came: Vec<Option<Identity>> = texts.iter().map(|text| text.parse().ok()).collect();
        let mut identities = Identities::default();
        came.iter().for_each(|identity| identities.push(identity.as_ref()));
        assert_eq!(identities.runs.len(), 4);
        let mut read = Identity::new("another", 0);
        for (index, expected) in (0..).zip(&came) {
            let is_there = identities.read(index, &mut read);
            assert_eq!(is_there.then(|| read.clone()), *expected);
        }
        assert!(!identities.read(8, &mut read));
    }
}
