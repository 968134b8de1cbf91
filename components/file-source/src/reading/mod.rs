//! A file that is being read: its bytes, decompressed if need be, and the lines in them.
pub(crate) mod input;
pub(crate) mod reader;
pub(crate) mod tail;
