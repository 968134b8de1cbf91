//! Finds and identifies files: their names and inodes may be given to others.
//! Their contents are read elsewhere.
pub(crate) mod found;
pub(crate) mod identity;
pub(crate) mod order;
pub(crate) mod patterns;
pub(crate) mod watch;
