//! Basics for all other folders, without use of any of them: time, memory, secrets, text for the
//! log.
pub mod at_work;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod memory;
pub(crate) mod one_line;
pub(crate) mod plural;
pub(crate) mod random;
pub mod secrets;
pub(crate) mod time_spent;
