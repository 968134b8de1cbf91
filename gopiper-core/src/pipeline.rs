//! A pipeline: components that fit together.
use std::{collections::BTreeSet, time::Duration};

use gopiper_abi::{Kind, Parallel, raw::client::FactoryHandle};

use crate::{
    buffer::{self, BufferOptions, Shared},
    channel::{MAX_BYTES, MAX_MESSAGES},
    dead_letters,
    error::PipelineError,
    options::{ComponentOptions, ComponentSpec, DEFAULT_CHANNEL_BYTES, PipelineOptions},
    policy::{OnFail, RetryPolicy},
    state,
};

/// More workers than this are a mistake.
const MAX_POOL_SIZE: usize = 1024;
/// Bytes of dead letters, unless the operator says otherwise.
const DEAD_LETTER_LIMIT: u64 = 1 << 30;

/// A pipeline that is ready to start: its components fit together.
pub struct Pipeline {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
    /// The sink of what has failed, if the operator has named one.
    pub(crate) dead_letter: Option<Part>,
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
    pub(crate) on_fail: Option<OnFail>,
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
        let pipeline = options.name.clone().unwrap_or_else(|| "main".into());
        if is_no_folder(&pipeline) {
            errors.push(PipelineError::BadName(pipeline.clone()));
        }
        if options.dead_letter_limit == Some(0) {
            errors.push(PipelineError::OutOfRange {
                component: pipeline.clone(),
                option: "dead_letter_limit",
                value: 0,
                wanted: "more than 0; to keep none, on_fail = 'discard'".into(),
            });
        }
        let count = components.len();
        if count < 2 {
            errors.push(PipelineError::TooShort(count));
        }
        let all_names = names(&components);
        let mut names = BTreeSet::new();
        let mut parts = Vec::new();
        for (i, (mut component, name)) in components.into_iter().zip(all_names).enumerate() {
            if !names.insert(name.clone()) {
                errors.push(PipelineError::SameName(name.clone()));
            }
            if count >= 2 {
                errors.extend(wrong_place(&name, component.factory.kind(), i, count));
            }
            if is_no_folder(&name) {
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
        Ok(Pipeline { name: pipeline, parts, dead_letter: None, options })
    }

    /// Sends the messages that have failed to this sink, not to the state directory.
    ///
    /// # Errors
    /// Everything that doesn't fit.
    pub fn dead_letters_to(mut self, mut sink: ComponentSpec) -> Result<Self, Vec<PipelineError>> {
        let names = self.names();
        let name = sink.free_name(&names);
        let kind = sink.factory.kind();
        if kind != Kind::SINK {
            return Err(vec![PipelineError::DeadLetterKind { component: name, kind: kind.name() }]);
        }
        if names.contains(&name) {
            return Err(vec![PipelineError::SameName(name)]);
        }
        match Part::new(name, &mut sink.factory, &sink.options) {
            Ok(settings) => self.dead_letter = Some(settings(sink.factory)),
            Err(error) => return Err(vec![error]),
        }
        Ok(self)
    }

    /// Keeps messages on disk between two components; `behind` so many of those that are there.
    ///
    /// # Errors
    /// When it can't stand there, or there is no state directory.
    pub fn with_buffer(
        mut self,
        behind: usize,
        options: BufferOptions,
    ) -> Result<Self, PipelineError> {
        let names = self.names();
        let name = free_name(options.name.as_deref(), "buffer", &names);
        let out = format!("{name}.out");
        if let Some(taken) = [&name, &out].into_iter().find(|name| names.contains(*name)) {
            return Err(PipelineError::SameName(taken.clone()));
        }
        if is_no_folder(&name) {
            return Err(PipelineError::BadName(name));
        }
        if self.options.state_directory.is_none() {
            return Err(PipelineError::NoPlaceForBuffer(name));
        }
        if !(1..self.parts.len()).contains(&behind) {
            return Err(PipelineError::BufferAtTheEnd(name));
        }
        if options.max_bytes == 0 {
            let (component, wanted) = (name, "more than 0".into());
            return Err(PipelineError::OutOfRange {
                component,
                option: "max_bytes",
                value: 0,
                wanted,
            });
        }
        let shared = Shared::new(options);
        let part =
            |name, mut factory, options| Ok(Part::new(name, &mut factory, &options)?(factory));
        let inlet = part(
            name,
            buffer::inlet(shared.clone()),
            ComponentOptions { pool_size: Some(1), ..tried_for_ever() },
        )?;
        let outlet = part(out, buffer::outlet(shared), ComponentOptions::default())?;
        self.parts.splice(behind..behind, [inlet, outlet]);
        Ok(self)
    }

    /// Puts the dead letters of one component in the source's place: those in the state directory
    /// that this pipeline has written and that are not done with. They go to the component that has
    /// failed with them, or, `from_start`, to the first one behind the source.
    ///
    /// # Errors
    /// When there is no such component, or the state directory can't be read.
    pub fn replaying(mut self, component: &str, from_start: bool) -> Result<Self, PipelineError> {
        let place = self.parts.iter().position(|part| part.name == component);
        let Some(place) = place else {
            return Err(PipelineError::NoSuchComponent {
                pipeline: self.name,
                component: component.to_owned(),
            });
        };
        let directory = self.options.state_directory.clone().unwrap_or_default();
        let segments = dead_letters::segments(&directory.join(dead_letters::FOLDER))
            .map_err(|error| PipelineError::System(error.to_string()))?;
        let mut factory = dead_letters::replay(segments, self.name.clone(), component.to_owned());
        let options = ComponentOptions { on_fail: self.parts[0].on_fail, ..Default::default() };
        let source = Part::new("replay".into(), &mut factory, &options)?(factory);
        let first = if from_start { 1 } else { place.max(1) };
        self.parts.splice(..first, [source]);
        Ok(self)
    }

    /// Whether what fails has the place that it is to have.
    fn check_dead_letters(&self) -> Result<(), PipelineError> {
        if self.dead_letter.is_some() {
            return Ok(());
        }
        let asks = |part: &&Part| part.on_fail == Some(OnFail::DeadLetter);
        let may = |part: &Part| matches!(part.on_fail, None | Some(OnFail::DeadLetter));
        match (&self.options.state_directory, self.parts.iter().find(asks)) {
            (None, Some(part)) => Err(PipelineError::NoPlaceForDeadLetters(part.name.clone())),
            (Some(directory), _) if self.parts.iter().any(may) => {
                state::check(directory).map_err(PipelineError::State)
            }
            _ => Ok(()),
        }
    }

    /// The sink of what has failed: the operator's, or the one that writes to the state directory;
    /// none if nothing is to be kept.
    pub(crate) fn take_dead_letter(&mut self) -> Result<Option<Part>, PipelineError> {
        self.check_dead_letters()?;
        let directory = self.options.state_directory.as_ref();
        let has_place = self.dead_letter.is_some() || directory.is_some();
        for part in &mut self.parts {
            part.on_fail.get_or_insert(match has_place {
                true => OnFail::DeadLetter,
                false => OnFail::Discard,
            });
        }
        let keeps = self.parts.iter().any(|part| part.on_fail == Some(OnFail::DeadLetter));
        if !keeps || self.dead_letter.is_some() {
            return Ok(self.dead_letter.take().filter(|_| keeps));
        }
        let Some(directory) = directory else { return Ok(None) };
        let limit = self.options.dead_letter_limit.unwrap_or(DEAD_LETTER_LIMIT);
        let factory = dead_letters::sink(directory.clone(), limit);
        let names = self.names();
        let mut sink = ComponentSpec { factory, options: tried_for_ever() };
        let name = sink.free_name(&names);
        let settings = Part::new(name, &mut sink.factory, &sink.options)?;
        Ok(Some(settings(sink.factory)))
    }

    fn names(&self) -> BTreeSet<String> {
        self.parts.iter().map(|part| part.name.clone()).collect()
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
        let mut errors: Vec<_> = self.check_dead_letters().err().into_iter().collect();
        for part in self.parts.iter_mut().chain(&mut self.dead_letter) {
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
                wanted: match max {
                    usize::MAX => "more than 0".into(),
                    max => format!("1 to {max}"),
                },
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

/// What can't be written is tried again for as long as it takes: the pipeline stands still.
fn tried_for_ever() -> ComponentOptions {
    let retry = RetryPolicy { max_attempts: u16::MAX, ..RetryPolicy::default() };
    ComponentOptions { retry, on_fail: Some(OnFail::Stop), ..ComponentOptions::default() }
}

/// Whether a name can't be a folder's.
fn is_no_folder(name: &str) -> bool {
    name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".."
}

impl ComponentSpec {
    fn free_name(&self, taken: &BTreeSet<String>) -> String {
        free_name(self.options.name.as_deref(), self.factory.name(), taken)
    }
}

/// What components are called in one pipeline, in order: as the operator says, or by their own names.
pub fn names(components: &[ComponentSpec]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let named = components.iter().map(|component| {
        let name = component.free_name(&taken);
        taken.insert(name.clone());
        name
    });
    named.collect()
}

/// The name that the operator gave, or the component's own, numbered if it is taken.
fn free_name(given: Option<&str>, own: &str, taken: &BTreeSet<String>) -> String {
    if let Some(name) = given {
        return name.to_owned();
    }
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
