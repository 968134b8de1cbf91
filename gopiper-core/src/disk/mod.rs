//! How things are kept on disk: the state directory, values as bytes, digests. What is kept is not known here.
pub(crate) mod digest;
pub mod state;
pub(crate) mod value;
