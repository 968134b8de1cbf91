//! A component in a pipeline, with all its options decided.
use std::{collections::BTreeSet, time::Duration};

use gopiper_abi::{Kind, Parallel, raw::client::FactoryHandle};

use crate::{
    channel::{MAX_BYTES, MAX_MESSAGES},
    plan::{
        error::PipelineError,
        options::{ComponentOptions, ComponentSpec, DEFAULT_CHANNEL_BYTES},
        policy::{OnFail, RetryPolicy},
        routes::Next,
    },
};

/// More workers than this are an error.
const MAX_POOL_SIZE: usize = 1024;

/// A component, with all its options decided.
pub(crate) struct Part {
    pub(crate) factory: FactoryHandle,
    pub(crate) name: String,
    pub(crate) pool_size: usize,
    pub(crate) channel_size: usize,
    pub(crate) channel_bytes: usize,
    pub(crate) ordered: bool,
    pub(crate) partition_by: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) linger: Option<Duration>,
    pub(crate) retry: RetryPolicy,
    pub(crate) on_fail: Option<OnFail>,
    /// Whether it drops messages for which it has no room: a buffer with `drop_newest`.
    pub(crate) drops: bool,
    /// Where its messages go.
    pub(crate) next: Next,
    /// The number of the detached branch of a tee that contains it, if there is one.
    pub(crate) detached: Option<usize>,
}

impl Part {
    /// Decides options that were left open, and refuses those that are out of range.
    pub(crate) fn new(
        name: String,
        mut factory: FactoryHandle,
        options: &ComponentOptions,
    ) -> Result<Part, PipelineError> {
        let within = |option, value, max| match (1..=max).contains(&value) {
            true => Ok(value),
            false => Err(PipelineError::OutOfRange {
                component: name.clone(),
                option,
                value,
                wanted: match max {
                    usize::MAX => "more than 0".into(),
                    max => format!("1 to {max}"),
                },
            }),
        };
        let parallel = factory.parallel();
        let pool_size = options.pool_size.unwrap_or_else(|| match parallel {
            Parallel::SINGLE => 1,
            // The component's wish is useless without the attribute.
            Parallel::KEYED if options.partition_by.is_none() => 1,
            _ => factory.pool_size(),
        });
        within("pool_size", pool_size, MAX_POOL_SIZE)?;
        match parallel {
            Parallel::SINGLE if pool_size > 1 => {
                return Err(PipelineError::Single { component: name, pool_size });
            }
            Parallel::KEYED if pool_size > 1 && options.partition_by.is_none() => {
                return Err(PipelineError::NotPartitioned { component: name, pool_size });
            }
            Parallel::SINGLE | Parallel::ANY | Parallel::KEYED => {}
            Parallel(parallel) => {
                return Err(PipelineError::UnknownParallel { component: name, parallel });
            }
        }
        let channel_size = options.channel_size.unwrap_or_else(|| factory.channel_size());
        within("channel_size", channel_size, MAX_MESSAGES)?;
        let channel_bytes = options.channel_bytes.unwrap_or(DEFAULT_CHANNEL_BYTES);
        within("channel_bytes", channel_bytes, MAX_BYTES)?;
        let ordered = options.ordered.unwrap_or(true);
        let (timeout, linger) = (options.timeout, options.linger);
        if timeout == Some(Duration::ZERO) {
            within("timeout", 0, usize::MAX)?;
        }
        let (retry, on_fail) = (options.retry, options.on_fail);
        if factory.kind() == Kind::SOURCE {
            let means_nothing = [
                ("timeout", timeout.is_some()),
                ("linger", linger.is_some()),
                ("retry", retry != RetryPolicy::default()),
                ("partition_by", options.partition_by.is_some()),
            ];
            if let Some((option, _)) = means_nothing.into_iter().find(|(_, given)| *given) {
                return Err(PipelineError::NotForSources { component: name, option });
            }
        }
        within("retry.max_attempts", usize::from(retry.max_attempts), usize::from(u16::MAX))?;
        let partition_by = options.partition_by.clone();
        Ok(Part {
            factory,
            name,
            pool_size,
            channel_size,
            channel_bytes,
            ordered,
            partition_by,
            timeout,
            linger,
            retry,
            on_fail,
            drops: false,
            next: Next::Nothing,
            detached: None,
        })
    }
}

/// A letter that cannot be written is tried again for as long as it takes: the pipeline stands
/// still.
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

impl ComponentSpec {
    pub(crate) fn free_name(&self, taken: &BTreeSet<String>) -> String {
        free_name(self.options.name.as_deref(), self.factory.name(), taken)
    }
}

/// The name that the operator gave, or the component's own, numbered if it is taken.
pub(crate) fn free_name(given: Option<&str>, own: &str, taken: &BTreeSet<String>) -> String {
    if let Some(name) = given {
        return name.to_owned();
    }
    let numbered = (2..).map(|n| format!("{own}_{n}"));
    std::iter::once(own.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_default()
}
