//! Which files there are, and which is which: names may be given to others, and so may inodes.
//! Their contents are read elsewhere.
pub(crate) mod found;
pub(crate) mod identity;
pub(crate) mod order;
pub(crate) mod patterns;
pub(crate) mod watch;
