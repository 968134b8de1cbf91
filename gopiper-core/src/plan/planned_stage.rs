//! A component in a pipeline, with all its options decided.
use std::time::Duration;

use gopiper_abi::{Kind, Parallel, raw::client::FactoryHandle};

use crate::{
    channel::{MAX_BYTES, MAX_MESSAGES},
    plan::{
        error::PipelineError,
        options::{ComponentOptions, DEFAULT_CHANNEL_BYTES},
        policy::{OnFail, RetryPolicy},
        routes::Destination,
    },
};

/// More workers than this are an error.
const MAX_POOL_SIZE: usize = 1024;

/// A component, with all its options decided.
pub(crate) struct PlannedStage {
    pub(crate) factory: FactoryHandle,
    pub(crate) name: String,
    pub(crate) pool_size: usize,
    pub(crate) channel_size: usize,
    pub(crate) channel_bytes: usize,
    pub(crate) gathers: usize,
    pub(crate) ordered: bool,
    pub(crate) partition_by: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) linger: Option<Duration>,
    pub(crate) retry: RetryPolicy,
    pub(crate) on_fail: Option<OnFail>,
    /// Whether it drops messages for which it has no room: a buffer with `drop_newest`.
    pub(crate) drops: bool,
    /// The destination of its messages.
    pub(crate) next: Destination,
    /// The number of the detached branch of a tee that contains it, if there is one.
    pub(crate) detached: Option<usize>,
}

impl PlannedStage {
    /// Fills in options that were left open, and refuses values that are out of range.
    pub(crate) fn new(
        name: String,
        mut factory: FactoryHandle,
        options: &ComponentOptions,
    ) -> Result<PlannedStage, PipelineError> {
        let pool_size = pool_size(&name, &mut factory, options)?;
        let gathers = factory.gathers().min(MAX_MESSAGES / (2 * pool_size));
        // While a call is under way, the next one's messages come in.
        let of_calls = 2 * gathers * pool_size;
        let channel_size = options.channel_size;
        let channel_size = channel_size.unwrap_or_else(|| factory.channel_size().max(of_calls));
        let channel_bytes = options.channel_bytes.unwrap_or(DEFAULT_CHANNEL_BYTES);
        check_range(&name, "channel_size", channel_size, MAX_MESSAGES)?;
        check_range(&name, "channel_bytes", channel_bytes, MAX_BYTES)?;
        if options.timeout == Some(Duration::ZERO) {
            check_range(&name, "timeout", 0, usize::MAX)?;
        }
        if factory.kind() == Kind::SOURCE {
            check_options_of_source(&name, options)?;
        }
        let attempts = options.retry.max_attempts.into();
        check_range(&name, "retry.max_attempts", attempts, u16::MAX.into())?;
        Ok(PlannedStage {
            factory,
            name,
            pool_size,
            channel_size,
            channel_bytes,
            gathers,
            ordered: options.ordered.unwrap_or(true),
            partition_by: options.partition_by.clone(),
            timeout: options.timeout,
            linger: options.linger,
            retry: options.retry,
            on_fail: options.on_fail,
            drops: false,
            next: Destination::Nothing,
            detached: None,
        })
    }
}

fn check_range(
    component: &str,
    option: &'static str,
    value: usize,
    max: usize,
) -> Result<(), PipelineError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    let wanted = match max {
        usize::MAX => format!("more than 0, not {value}"),
        max => format!("from 1 to {max}, not {value}"),
    };
    Err(PipelineError::OutOfRange { component: component.to_owned(), option, wanted })
}

/// How many workers it has: as many as the operator or else the component would like, if it
/// supports that.
fn pool_size(
    component: &str,
    factory: &mut FactoryHandle,
    options: &ComponentOptions,
) -> Result<usize, PipelineError> {
    let parallel = factory.parallel();
    let pool_size = options.pool_size.unwrap_or_else(|| match parallel {
        Parallel::SINGLE => 1,
        // Its preference is useless without knowing the attribute.
        Parallel::KEYED if options.partition_by.is_none() => 1,
        _ => factory.pool_size(),
    });
    check_range(component, "pool_size", pool_size, MAX_POOL_SIZE)?;
    let component = component.to_owned();
    match parallel {
        Parallel::SINGLE if pool_size > 1 => Err(PipelineError::Single { component, pool_size }),
        Parallel::KEYED if pool_size > 1 && options.partition_by.is_none() => {
            Err(PipelineError::NotPartitioned { component, pool_size })
        }
        Parallel::SINGLE | Parallel::ANY | Parallel::KEYED => Ok(pool_size),
        Parallel(parallel) => Err(PipelineError::UnknownParallel { component, parallel }),
    }
}

/// A source gets no messages.
fn check_options_of_source(
    component: &str,
    options: &ComponentOptions,
) -> Result<(), PipelineError> {
    let means_nothing = [
        ("timeout", options.timeout.is_some()),
        ("linger", options.linger.is_some()),
        ("retry", options.retry != RetryPolicy::default()),
        ("partition_by", options.partition_by.is_some()),
    ];
    match means_nothing.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => {
            Err(PipelineError::NotForSources { component: component.to_owned(), option })
        }
        None => Ok(()),
    }
}

/// A message that cannot be written is tried again for as long as it takes: the pipeline stalls.
pub(crate) fn tried_for_ever() -> ComponentOptions {
    let retry = RetryPolicy { max_attempts: u16::MAX, ..RetryPolicy::default() };
    ComponentOptions { retry, on_fail: Some(OnFail::Stop), ..ComponentOptions::default() }
}

/// The longest name that a folder can have, in bytes.
const LONGEST_NAME: usize = 255;

/// Whether a folder cannot have this name.
pub(crate) fn is_no_folder(name: &str) -> bool {
    name.is_empty()
        || name.len() > LONGEST_NAME
        || name.contains(['/', '\0'])
        || name == "."
        || name == ".."
}
