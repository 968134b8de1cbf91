//! The host of gopiper components: what loads them, runs them, and keeps account of every message.
//!
//! [`loader`] turns a prebuilt `.so` into a component, or says in a few lines why not.

pub mod loader;
