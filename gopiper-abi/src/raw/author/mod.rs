//! The author's runtime: it turns a component in Rust into entries, and hands it messages one by
//! one. It knows the host only by its vtable, and uses nothing of `host/`. A host has this runtime,
//! too, for components of its own.
pub(crate) mod call;
pub(crate) mod callback;
pub(crate) mod counted_allocator;
mod frame;
pub(crate) mod glue;
pub(crate) mod new_metric;
pub(crate) mod on_stop;
pub(crate) mod scope;
