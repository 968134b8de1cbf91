//! Names that nothing else in the world has.
use std::hash::{BuildHasher, RandomState};

/// How many hexadecimal digits such a name has: two of a billion have the same with a chance of one
/// in thirty.
pub(crate) const DIGITS: usize = 16;

/// A name that nothing else has: the system's random bytes, as hexadecimal digits.
pub(crate) fn random_name() -> String {
    // The standard library's only way to them. Each of these is keyed anew.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
