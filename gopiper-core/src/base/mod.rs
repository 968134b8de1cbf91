//! What every other folder may use, and which uses none of them: time, memory, secrets, text for the log.
pub(crate) mod clock;
pub(crate) mod memory;
pub(crate) mod one_line;
pub mod secrets;
