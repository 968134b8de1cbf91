//! The host's side: how it calls a component's entries, what it offers to one, and what it keeps of
//! a batch that a component has. A component uses nothing of this.
pub mod client;
mod fork;
pub(crate) mod lent;
pub(crate) mod running;
pub mod services;
#[cfg(feature = "host")]
pub(crate) mod shared_memory;
