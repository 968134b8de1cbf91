//! The host's side: the calls of a component's entries, the services for it, and the host's part of
//! a batch that a component has. A component uses nothing of this.
pub mod client;
mod fork;
pub(crate) mod lent;
mod metric_rules;
pub(crate) mod running;
pub mod services;
#[cfg(feature = "host")]
pub(crate) mod shared_memory;
