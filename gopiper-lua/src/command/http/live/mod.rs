//! Streamed answers: messages of a component while they pass, and the ways of single messages.
mod lines;
mod named;
pub(in crate::command::http) mod tap;
pub(in crate::command::http) mod trace;
