//! The author's kit for C. A C file that defines callbacks, linked with this library, becomes a
//! component like every other: the same note, entries and checks. It is a
//! [`Factory`](gopiper_abi::Factory) like one in Rust (`factory.rs`), made of the table of
//! callbacks that the C file exports (`component.rs`); everything else here is what those callbacks
//! call.
//!
//! `include/gopiper_component.h` is generated from this crate, doc comments included: they are
//! written for readers of C.
#![allow(unsafe_code)]
#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the comments become the header's, which has no such part"
)]

pub mod attributes;
pub mod batch;
pub mod component;
mod declared;
mod factory;
pub mod host;
pub mod identity;
pub mod message;
pub mod metric;
mod text;
pub mod value;
mod worker;

/// The header promises that no panic gets out of here: that needs panics that unwind to the fences.
const _: () = assert!(cfg!(panic = "unwind"), "build it with panic = \"unwind\", the default");
