//! Storage on disk: the state directory, values as bytes, digests. This folder does not know the
//! meaning of the values.
pub(crate) mod digest;
pub mod state;
pub(crate) mod value;
