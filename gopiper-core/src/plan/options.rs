//! The operator's options for components and pipelines.
use std::{path::PathBuf, time::Duration};

use gopiper_abi::raw::client::FactoryHandle;

use crate::{
    base::{clock::Clock, memory::PayloadMemory},
    plan::policy::{OnFail, RetryPolicy},
};

/// The default for the bytes that may wait for a component.
pub const DEFAULT_CHANNEL_BYTES: usize = 8 << 20;

/// A configured component, with the operator's options.
pub struct ComponentSpec {
    /// Its factory, configured.
    pub factory: FactoryHandle,
    /// The operator's options.
    pub options: ComponentOptions,
}

/// The operator's options for one component; `None` leaves the decision to the component.
#[derive(Debug, Clone, Default)]
pub struct ComponentOptions {
    /// Its name in the log, the metrics and the threads.
    pub name: Option<String>,
    /// How many workers.
    pub pool_size: Option<usize>,
    /// How many messages may wait for it.
    pub channel_size: Option<usize>,
    /// How many bytes may wait for it.
    pub channel_bytes: Option<usize>,
    /// Whether messages leave it in the order in which they arrived; they do unless this is false.
    pub ordered: Option<bool>,
    /// The attribute that selects a message's worker: messages with the same value go to the same
    /// one.
    pub partition_by: Option<String>,
    /// How long one call of it may take, and a deferred report may wait; no limit if `None`. A
    /// worker that is stuck is abandoned, and another one replaces it.
    pub timeout: Option<Duration>,
    /// How long a worker waits for more messages to handle at once; if `None`, not at all.
    pub linger: Option<Duration>,
    /// How often and when it gets a message again after a Retry.
    pub retry: RetryPolicy,
    /// The treatment of a message that has failed for good; if `None`, it is kept with the dead
    /// letters, or discarded if there is no place for them.
    pub on_fail: Option<OnFail>,
}

/// The operator's options for a pipeline.
#[derive(Debug, Clone, Default)]
pub struct PipelineOptions {
    /// Its name.
    pub name: Option<String>,
    /// The state directory; created when a component needs it.
    pub state_directory: Option<PathBuf>,
    /// How many bytes of dead letters are kept in the state directory; when they are used up, the
    /// pipeline stalls. A gigabyte if `None`.
    pub dead_letter_limit: Option<u64>,
    /// The memory that payloads live in.
    pub memory: PayloadMemory,
    /// How long it may take to drain after a stop; then the remaining messages return to their
    /// source. No limit if `None`.
    pub shutdown_timeout: Option<Duration>,
    /// The time that it goes by.
    pub clock: Clock,
}
