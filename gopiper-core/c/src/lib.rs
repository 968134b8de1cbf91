//! Pipelines in C: loads components, runs them, and counts. Everything is done by `gopiper-core`;
//! this makes its names, texts and errors C's.
//!
//! `include/gopiper.h` is generated from this crate, doc comments included: they are written for
//! readers of C.
#![allow(unsafe_code)]
#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the comments become the header's, which has no such part"
)]

pub mod log;
mod options;
pub mod pipeline;
mod text;
