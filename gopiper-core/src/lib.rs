//! The host of gopiper components: loads them, runs them, and keeps account of every message.
//!
//! [`loader`] turns a prebuilt `.so` into a component, or says in a few lines why not. [`Pipeline`]
//! puts components together, and [`Running`] is one at work: a thread for each worker, bounded
//! channels of batches between them.
#![warn(missing_docs)]

mod attendance;
mod buffer;
mod channel;
mod check;
mod clock;
mod counters;
mod credit;
pub mod dead_letters;
mod deferred;
mod digest;
mod error;
mod gathered;
mod graph;
mod handled;
mod in_a_line;
mod instance;
mod layout;
pub mod loader;
mod memory;
#[cfg(all(test, loom))]
mod models;
mod names;
mod next;
mod options;
mod part;
mod partition;
mod pipeline;
mod policy;
mod pool;
mod retry;
mod running;
pub mod secrets;
mod sequencer;
mod side;
mod source;
mod stage;
mod start;
pub mod state;
mod step;
mod stop;
mod stored;
mod sync;
mod take_over;
mod wake;
mod watchdog;
mod watched;
mod worker;

pub use buffer::{BufferOptions, WhenFull};
pub use check::{check, warnings};
pub use clock::{Clock, ManualClock};
pub use counters::{ComponentCounts, OutcomeCounts};
pub use error::{About, PipelineError};
pub use graph::{Link, Node, Way};
pub use in_a_line::in_a_line;
pub use memory::PayloadMemory;
pub use names::names;
pub use options::{ComponentOptions, ComponentSpec, DEFAULT_CHANNEL_BYTES, PipelineOptions};
pub use pipeline::Pipeline;
pub use policy::{OnFail, RetryPolicy};
pub use running::{Control, Running, Summary};
pub use start::Prepared;
pub use step::{Branch, BranchPolicy, Step};
pub use stop::StopReason;
