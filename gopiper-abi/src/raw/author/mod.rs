//! The author's runtime: what turns a component in Rust into entries, and hands it messages one by
//! one. A host has it too, for components of its own.
pub(crate) mod call;
pub(crate) mod callback;
mod frame;
pub(crate) mod glue;
pub(crate) mod on_stop;
pub(crate) mod scope;
