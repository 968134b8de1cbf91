//! The bits by which a component and its host inform each other of a call.
use abi_stable::StableAbi;

/// Bits of [`BatchHeader::call`](crate::raw::BatchHeader::call). They are open: one that this side
/// doesn't know means nothing to it.
#[allow(missing_docs, reason = "each constant says it")]
pub struct CallFlags;

impl CallFlags {
    /// The component gets the messages one by one: those before the cursor are reported.
    pub const SINGLY: u32 = 1;
    /// The component has got all that it gets one by one: what lies from the cursor on was not
    /// begun.
    pub const SETTLED: u32 = 4;
    /// The host has given the call up: no more messages are to be handed out.
    pub const GIVEN_UP: u32 = 2;
}

/// The state that a call of `handle` left behind, which the host may look at or not. Bits.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, StableAbi)]
pub struct HandleFlags(pub u32);

impl HandleFlags {
    /// Every message from the old cursor to the new one is Done.
    pub const ALL_DONE: Self = HandleFlags(0);
    /// Some are not.
    pub const NOT_ALL_DONE: Self = HandleFlags(1);
    /// Some were deferred: the batch is complete when its last hold goes.
    pub const DEFERRED: Self = HandleFlags(2);
    /// The call ended by a panic, at the message before the cursor: the component must not be
    /// called again, a new one goes on from the cursor.
    pub const PANICKED: Self = HandleFlags(4);

    /// Whether all of `other`'s bits are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for HandleFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        HandleFlags(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for HandleFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
