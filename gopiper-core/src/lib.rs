//! The host of gopiper components: loads them, runs them, and keeps account of every message.
//!
//! [`loader`] turns a prebuilt `.so` into a component, or says in a few lines why not. [`Pipeline`]
//! puts components together, and [`Running`] is one at work: a thread for each worker, bounded
//! channels of batches between them.
#![warn(missing_docs)]

mod channel;
mod clock;
mod counters;
pub mod loader;
mod memory;
mod pipeline;
mod running;
mod sequencer;
mod side;
mod source;
mod stage;
mod stop;
mod wake;
mod worker;

pub use counters::{ComponentCounts, OutcomeCounts};
pub use memory::PayloadMemory;
pub use pipeline::{
    ComponentOptions, ComponentSpec, DEFAULT_CHANNEL_BYTES, Pipeline, PipelineError,
    PipelineOptions,
};
pub use running::{Control, Running, Summary};
pub use stop::StopReason;
