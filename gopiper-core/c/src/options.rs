//! The options of pipelines and components, by their names in a pipeline's Lua file.
use std::{path::PathBuf, time::Duration};

use gopiper_abi::attributes;
use gopiper_core::{ComponentOptions, OnFail, PipelineOptions, RetryPolicy};

attributes! {
    /// The options of a pipeline.
    pub struct OfPipeline {
        /// The directory where components keep data that they must remember, and failed messages
        /// are kept.
        state_directory: Option<PathBuf>,
        /// How long the pipeline may take to drain after a request to stop, in seconds.
        shutdown_timeout: Option<f64>,
        /// How many bytes of failed messages are kept.
        dead_letter_limit: Option<u64>,
    }
}

attributes! {
    /// The options of a component.
    pub struct OfComponent {
        /// Its name.
        name: Option<String>,
        /// How many workers.
        pool_size: Option<usize>,
        /// How many messages may wait for it.
        channel_size: Option<usize>,
        /// How many bytes may wait for it.
        channel_bytes: Option<usize>,
        /// Whether messages leave it in the order in which they came.
        ordered: Option<bool>,
        /// The attribute by which its workers share the messages.
        partition_by: Option<String>,
        /// How long one call of it may take, in seconds.
        timeout: Option<f64>,
        /// How long a worker waits for more messages, in seconds.
        linger: Option<f64>,
        /// How often and when it gets a message again.
        #[serde(default)]
        retry: Retry,
        /// The outcome of a message that has failed.
        on_fail: Option<Failed>,
    }
}

attributes! {
    /// How often and when a component gets a message again.
    #[derive(Default)]
    pub struct Retry {
        /// How often at most, the first time included.
        max_attempts: Option<u16>,
        /// How long the second attempt waits, in seconds.
        initial_backoff: Option<f64>,
        /// How long an attempt waits at most, in seconds.
        max_backoff: Option<f64>,
    }
}

attributes! {
    /// The outcome of a message that has failed.
    #[derive(Copy)]
    pub enum Failed {
        /// It is kept in the state directory.
        DeadLetter,
        /// It is discarded.
        Discard,
        /// The pipeline stops.
        Stop,
    }
}

fn seconds(option: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        format!("option {option}: must be a number of seconds, 0 or more (it is {seconds})")
    })
}

impl OfPipeline {
    pub(crate) fn into_options(self, name: Option<String>) -> Result<PipelineOptions, String> {
        let limit = self.shutdown_timeout.map(|it| seconds("shutdown_timeout", it)).transpose()?;
        Ok(PipelineOptions {
            name,
            state_directory: self.state_directory,
            shutdown_timeout: limit,
            dead_letter_limit: self.dead_letter_limit,
            ..Default::default()
        })
    }
}

impl OfComponent {
    pub(crate) fn into_options(self) -> Result<ComponentOptions, String> {
        let default = RetryPolicy::default();
        let time = |option, given: Option<f64>| given.map(|it| seconds(option, it)).transpose();
        let first = time("retry.initial_backoff", self.retry.initial_backoff)?;
        let longest = time("retry.max_backoff", self.retry.max_backoff)?;
        Ok(ComponentOptions {
            name: self.name,
            pool_size: self.pool_size,
            channel_size: self.channel_size,
            channel_bytes: self.channel_bytes,
            ordered: self.ordered,
            partition_by: self.partition_by,
            timeout: time("timeout", self.timeout)?,
            linger: time("linger", self.linger)?,
            retry: RetryPolicy {
                max_attempts: self.retry.max_attempts.unwrap_or(default.max_attempts),
                initial_backoff: first.unwrap_or(default.initial_backoff),
                max_backoff: longest.unwrap_or(default.max_backoff),
            },
            on_fail: self.on_fail.map(|it| match it {
                Failed::DeadLetter => OnFail::DeadLetter,
                Failed::Discard => OnFail::Discard,
                Failed::Stop => OnFail::Stop,
            }),
        })
    }
}
