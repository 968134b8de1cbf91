//! The interface between gopiper components and their host, and the author's kit.
//!
//! gopiper runs message processing pipelines whose parts (sources, transforms, sinks) are prebuilt
//! shared libraries. To ship one you need this crate, any rustc from 1.85 on, and nothing else of
//! gopiper. This is a whole component, 'keep the lines that contain a word':
//!
//! ```no_run
//! use gopiper_abi::{
//!     Component, Error, Factory, HandledCallback, Message, Postponed, attributes,
//!     export_component,
//! };
//! use memchr::memmem::Finder;
//!
//! attributes! {
//!     /// Keeps the lines that contain a word.
//!     pub struct Attributes {
//!         /// The word to look for.
//!         pub word: String,
//!     }
//! }
//!
//! pub struct KeepFactory(Attributes);
//!
//! impl Factory for KeepFactory {
//!     type Component = Keep;
//!     type Attributes = Attributes;
//!
//!     fn new(attributes: Attributes) -> Result<Self, Error> {
//!         if attributes.word.is_empty() {
//!             return Err(Error::attribute("word", "is empty: every line contains that"));
//!         }
//!         Ok(KeepFactory(attributes))
//!     }
//!
//!     fn create(&self, _postponed: Postponed) -> Result<Keep, Error> {
//!         Ok(Keep(Finder::new(&self.0.word).into_owned()))
//!     }
//! }
//!
//! pub struct Keep(Finder<'static>);
//!
//! impl Component for Keep {
//!     fn handle(&mut self, message: Message, handled: HandledCallback) {
//!         match self.0.find(message.data()) {
//!             Some(_) => handled.done(message),
//!             None => handled.discard(message),
//!         }
//!     }
//! }
//!
//! export_component!(transform: KeepFactory);
//! # fn main() {}
//! ```
//!
//! Its `Cargo.toml` says `crate-type = ["cdylib"]` and depends on `gopiper-abi` (and on `memchr`,
//! here). A pipeline's Lua file names the resulting file:
//! `gopiper.loadComponent('keep_component.so', { word = ' 404 ' })`. Test it without loading it
//! with [`testing::Harness`].
//!
//! A panic in `handle` fails that one message. `log` and `tracing` go to the host's log (from
//! threads of your own, within [`Host::scope`]). [`raw`] contains the parts that only a host needs.
#![warn(missing_docs)]

// The code that `attributes!` generates names this crate as its authors do.
#[cfg(test)]
extern crate self as gopiper_abi;

mod attributes;
mod component;
mod error;
#[doc(hidden)]
pub mod export;
pub mod lines;
mod logging;
#[doc(hidden)]
pub mod nearest;
pub mod own;
mod postponed;
pub mod raw;
pub mod testing;

#[doc(hidden)]
pub use attributes::schema;
pub use attributes::{DeclaredAttributes, NoAttributes, file_path::FilePath};
pub use component::{BatchComponent, Component, Factory, Source};
pub use error::Error;
pub use postponed::{Postponed, Unsent};
#[doc(inline)]
pub use raw::{
    AttributeValue, Batch, BatchCall, Counter, Deferred, Deliveries, Ending, Gauge, HandleFlags,
    HandledCallback, Histogram, Host, Identities, Identity, Kept, Kind, Level, Map, Message, Need,
    NewMetric, NoIdentity, Outcome, Parallel, Payload, PayloadMut, Piece, Positions, Produced,
    Report, SendStatus, Trace, Value, ValueTag,
};

#[doc(hidden)]
pub use {schemars, serde};

/// The code that the documentation shows compiles.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/authors/README.md")]
    struct Authors;
    #[doc = include_str!("../../docs/authors/attributes.md")]
    struct Attributes;
    #[doc = include_str!("../../docs/authors/reports.md")]
    struct Reports;
    #[doc = include_str!("../../docs/authors/sources.md")]
    struct Sources;
    #[doc = include_str!("../../docs/authors/aggregates.md")]
    struct Aggregates;
    #[doc = include_str!("../../docs/authors/identities.md")]
    struct Identities;
    #[doc = include_str!("../../docs/authors/batches.md")]
    struct Batches;
    #[doc = include_str!("../../docs/authors/threads.md")]
    struct Threads;
    #[doc = include_str!("../../docs/authors/testing.md")]
    struct Testing;
    #[doc = include_str!("../../docs/authors/verifying.md")]
    struct Verifying;
    #[doc = include_str!("../../docs/authors/speed.md")]
    struct Speed;
    #[doc = include_str!("../../docs/authors/shipping.md")]
    struct Shipping;
}
