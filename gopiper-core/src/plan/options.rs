//! What the operator wants of components and pipelines.
use std::{path::PathBuf, time::Duration};

use gopiper_abi::raw::client::FactoryHandle;

use crate::{
    base::{clock::Clock, memory::PayloadMemory},
    plan::policy::{OnFail, RetryPolicy},
};

/// The bytes that may wait for a component, unless somebody says otherwise.
pub const DEFAULT_CHANNEL_BYTES: usize = 8 << 20;

/// A configured component, with what the operator wants of it.
pub struct ComponentSpec {
    /// Its factory, configured.
    pub factory: FactoryHandle,
    /// What the operator wants.
    pub options: ComponentOptions,
}

/// What the operator wants of one component; what is `None` is left to the component.
#[derive(Debug, Clone, Default)]
pub struct ComponentOptions {
    /// What it is called, in the log, the metrics and the threads.
    pub name: Option<String>,
    /// How many workers.
    pub pool_size: Option<usize>,
    /// How many messages may wait for it.
    pub channel_size: Option<usize>,
    /// How many bytes may wait for it.
    pub channel_bytes: Option<usize>,
    /// Whether messages leave it in the order in which they came; they do unless this is false.
    pub ordered: Option<bool>,
    /// The attribute by which messages are given to its workers: those that agree in it go to the
    /// same one.
    pub partition_by: Option<String>,
    /// How long one call of it may take, and a deferred report wait; as long as it likes if `None`.
    /// A worker that is stuck is left alone, and another one takes its place.
    pub timeout: Option<Duration>,
    /// How long a worker waits for more messages to handle at once; if `None`, not at all.
    pub linger: Option<Duration>,
    /// How often and when it gets a message again that it reported as Retry.
    pub retry: RetryPolicy,
    /// What becomes of a message that has failed for good; if `None`, it is kept with the dead letters,
    /// or discarded where there is no place for them.
    pub on_fail: Option<OnFail>,
}

/// What the operator wants of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct PipelineOptions {
    /// What it is called.
    pub name: Option<String>,
    /// Where its components may keep what they must remember; made when one does.
    pub state_directory: Option<PathBuf>,
    /// How many bytes of dead letters are kept in the state directory; then the pipeline stands still.
    /// A gigabyte if `None`.
    pub dead_letter_limit: Option<u64>,
    /// Where payloads live.
    pub memory: PayloadMemory,
    /// How long it may take to drain once it is told to stop; then what is left goes back to its
    /// source. As long as it takes if `None`.
    pub shutdown_timeout: Option<Duration>,
    /// The time that it goes by.
    pub clock: Clock,
}
