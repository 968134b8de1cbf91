//! The host of gopiper components: loads them, runs them, and keeps account of every message.
//!
//! [`loader`] turns a prebuilt `.so` into a component, or says in a few lines why not. [`Pipeline`]
//! puts components together, and [`Running`] is one at work: a thread for each worker, bounded
//! channels of batches between them.
#![warn(missing_docs)]

mod base;
mod buffer;
mod channel;
pub mod dead_letters;
mod disk;
pub mod loader;
pub mod observe;
mod plan;
mod run;
mod stage;
mod worker;

pub use base::at_work;
pub use base::clock::{Clock, ManualClock};
pub use base::memory::PayloadMemory;
pub use base::one_line::{in_a_line, on_a_terminal};
pub use base::plural::plural;
pub use base::secrets;
pub use buffer::{BufferOptions, WhenFull};
pub use disk::state;
pub use plan::check::{check, left_in_buffers, warnings};
pub use plan::error::{About, PipelineError};
pub use plan::names::names;
pub use plan::options::{ComponentOptions, ComponentSpec, DEFAULT_CHANNEL_BYTES, PipelineOptions};
pub use plan::pipeline::Pipeline;
pub use plan::policy::{BranchPolicy, OnFail, RetryPolicy};
pub use plan::step::{Branch, Step};
pub use plan::ways::{Link, Node, Promise, Way};
pub use run::running::{Control, Running, Summary};
pub use run::start::Prepared;
pub use stage::counters::{ComponentCounts, OutcomeCounts};
pub use stage::metrics::{ComponentMetric, MetricValue};
pub use stage::stop::StopReason;
