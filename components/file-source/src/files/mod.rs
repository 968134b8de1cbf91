//! Which files there are, and which is which: names may be given to others, and so may inodes. What
//! is in them is read elsewhere.
pub(crate) mod found;
pub(crate) mod identity;
pub(crate) mod order;
pub(crate) mod patterns;
pub(crate) mod watch;
