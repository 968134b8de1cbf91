//! Storage on disk: the state directory, values as bytes, digests. This folder does not know what
//! is stored.
pub(crate) mod digest;
pub mod state;
pub(crate) mod value;
