//! A pipeline: components that fit together.
use std::{collections::BTreeSet, time::Duration};

use gopiper_abi::{Kind, Parallel, raw::client::FactoryHandle};

use crate::{
    channel::{MAX_BYTES, MAX_MESSAGES},
    error::PipelineError,
    options::{ComponentOptions, ComponentSpec, DEFAULT_CHANNEL_BYTES, PipelineOptions},
    policy::{OnFail, RetryPolicy},
};

/// More workers than this are a mistake.
const MAX_POOL_SIZE: usize = 1024;

/// A pipeline that is ready to start: its components fit together.
pub struct Pipeline {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) options: PipelineOptions,
}

/// A component, with all that was left open decided.
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
    pub(crate) on_fail: OnFail,
}

impl Pipeline {
    /// Puts components together, the source first and the sink last.
    ///
    /// # Errors
    /// Everything that doesn't fit.
    pub fn new(
        components: Vec<ComponentSpec>,
        options: PipelineOptions,
    ) -> Result<Self, Vec<PipelineError>> {
        let mut errors = Vec::new();
        let count = components.len();
        if count < 2 {
            errors.push(PipelineError::TooShort(count));
        }
        let mut names = BTreeSet::new();
        let mut parts = Vec::new();
        for (i, mut component) in components.into_iter().enumerate() {
            let name = free_name(&component, &names);
            if !names.insert(name.clone()) {
                errors.push(PipelineError::SameName(name.clone()));
            }
            if count >= 2 {
                errors.extend(wrong_place(&name, component.factory.kind(), i, count));
            }
            if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
                errors.push(PipelineError::BadName(name.clone()));
            }
            match Part::new(name, &mut component.factory, &component.options) {
                Ok(settings) => parts.push(settings(component.factory)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let name = options.name.clone().unwrap_or_else(|| "main".into());
        Ok(Pipeline { name, parts, options })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of its components, in order.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }

    /// Asks every component whether it could work, without side effects.
    ///
    /// # Errors
    /// What stands in the way, by component.
    pub fn check(&mut self) -> Result<(), Vec<PipelineError>> {
        let mut errors = Vec::new();
        for part in &mut self.parts {
            for error in part.factory.check().err().into_iter().flatten() {
                errors.push(PipelineError::cannot_start(&part.name, error));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Part {
    /// Decides what was left open, and refuses what is out of range.
    fn new(
        name: String,
        factory: &mut FactoryHandle,
        options: &ComponentOptions,
    ) -> Result<impl FnOnce(FactoryHandle) -> Part + use<>, PipelineError> {
        let within = |option, value, max| match (1..=max).contains(&value) {
            true => Ok(value),
            false => Err(PipelineError::OutOfRange {
                component: name.clone(),
                option,
                value,
                wanted: format!("1 to {max}"),
            }),
        };
        let parallel = factory.parallel();
        let pool_size = options.pool_size.unwrap_or_else(|| match parallel {
            Parallel::SINGLE => 1,
            // What it would like is no use without knowing the attribute.
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
        let (retry, on_fail) = (options.retry, options.on_fail);
        within("retry.max_attempts", usize::from(retry.max_attempts), usize::from(u16::MAX))?;
        let partition_by = options.partition_by.clone();
        Ok(move |factory| Part {
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
        })
    }
}

/// The name that the operator gave, or the component's own, numbered if it is taken.
fn free_name(component: &ComponentSpec, taken: &BTreeSet<String>) -> String {
    if let Some(name) = &component.options.name {
        return name.clone();
    }
    let own = component.factory.name();
    let numbered = (2..).map(|n| format!("{own}_{n}"));
    std::iter::once(own.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_default()
}

fn wrong_place(name: &str, kind: Kind, place: usize, count: usize) -> Option<PipelineError> {
    let (place, wanted) = match place {
        0 => ("the first", Kind::SOURCE),
        last if last + 1 == count => ("the last", Kind::SINK),
        _ => ("in the middle", Kind::TRANSFORM),
    };
    (kind != wanted).then(|| PipelineError::WrongPlace {
        component: name.to_owned(),
        kind: kind.name(),
        place,
        wanted: wanted.name(),
    })
}
