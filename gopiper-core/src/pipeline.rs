//! A pipeline: what it is made of, and what it takes to start it.
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    thread,
};

use gopiper_abi::{
    Kind, Parallel,
    raw::{RawError, client::FactoryHandle},
};
use thiserror::Error;

use crate::{
    channel::{Channel, MAX_BYTES, MAX_MESSAGES},
    memory::{Blocks, PayloadMemory},
    running::Running,
    sequencer::Sequencer,
    side::Side,
    source::SourceWorker,
    stage::Stage,
    stop::Stop,
    worker::Worker,
};

/// The bytes that may wait for a component, unless somebody says otherwise.
pub const DEFAULT_CHANNEL_BYTES: usize = 8 << 20;
/// More workers than this are a mistake.
const MAX_POOL_SIZE: usize = 1024;

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
}

/// What the operator wants of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct PipelineOptions {
    /// What it is called.
    pub name: Option<String>,
    /// Where its components may keep what they must remember; made when one does.
    pub state_directory: Option<PathBuf>,
    /// Where payloads live.
    pub memory: PayloadMemory,
}

/// Why a pipeline can't run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PipelineError {
    /// It has no beginning and end.
    #[error("a pipeline needs a source and a sink at least, this one has {0} component(s)")]
    TooShort(usize),
    /// A component stands where its kind can't.
    #[error(
        "{component} is a {kind}: it can't be {place} of a pipeline, which is a {wanted}'s place"
    )]
    WrongPlace {
        /// The component.
        component: String,
        /// What it is.
        kind: &'static str,
        /// Where it stands.
        place: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Two components have one name.
    #[error("two components are called '{0}': give one of them another name (option 'name')")]
    SameName(String),
    /// An option is out of its range.
    #[error("{component}: {option} = {value} is out of range: {wanted}")]
    OutOfRange {
        /// The component.
        component: String,
        /// The option.
        option: &'static str,
        /// What it is.
        value: usize,
        /// What it may be.
        wanted: String,
    },
    /// A component bears one worker only.
    #[error("{component}: pool_size = {pool_size}, but {component} bears one worker only")]
    Single {
        /// The component.
        component: String,
        /// What was asked for.
        pool_size: usize,
    },
    /// A component asks for something that this host doesn't know.
    #[error(
        "{component} wants its workers run in a way ({parallel}) that this gopiper doesn't know"
    )]
    UnknownParallel {
        /// The component.
        component: String,
        /// The number that it gave.
        parallel: u32,
    },
    /// A component can't start.
    #[error("{component} can't start: {error}")]
    Start {
        /// The component.
        component: String,
        /// What it said.
        error: String,
    },
    /// The system lacks something.
    #[error("the pipeline can't start: {0}")]
    System(String),
}

/// A pipeline that is ready to start: its components fit together.
pub struct Pipeline {
    name: String,
    parts: Vec<Part>,
    options: PipelineOptions,
}

/// A component, with all that was left open decided.
struct Part {
    factory: FactoryHandle,
    name: String,
    pool_size: usize,
    channel_size: usize,
    channel_bytes: usize,
    ordered: bool,
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
                errors.push(cannot_start(&part.name, error));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Starts all workers, the sources last.
    ///
    /// # Errors
    /// When a component can't start; then none runs any more.
    pub fn start(self) -> Result<Running, PipelineError> {
        let system = |error: std::io::Error| PipelineError::System(error.to_string());
        let stop = Arc::new(Stop::new().map_err(system)?);
        let blocks = Arc::new(Blocks::new(self.options.memory));
        let mut stages: Vec<(Arc<Stage>, usize)> = Vec::new();
        let mut outlet = None;
        for part in self.parts.into_iter().rev() {
            let kind = part.factory.kind();
            let channel = || Arc::new(Channel::new(part.channel_size, part.channel_bytes));
            let inlet = (kind != Kind::SOURCE).then(channel);
            let in_order = part.ordered && kind == Kind::TRANSFORM;
            let stage = Stage {
                name: part.name,
                kind,
                factory: part.factory.into(),
                counters: Default::default(),
                inlet: inlet.clone(),
                outlet,
                sequencer: in_order.then(Sequencer::new),
                ledger: Default::default(),
                stop: stop.clone(),
                blocks: blocks.clone(),
                state_directory: self.options.state_directory.clone(),
                metrics: Default::default(),
                senders: AtomicUsize::new(part.pool_size),
                workers: AtomicUsize::new(part.pool_size),
                finished: AtomicBool::new(false),
                failures_told: Default::default(),
            };
            outlet = inlet;
            stages.push((Arc::new(stage), part.pool_size));
        }
        let mut running = Running::new(self.name, stop);
        for (stage, pool_size) in stages {
            running.stages.insert(0, stage.clone());
            if let Err(error) = start_workers(&mut running, &stage, pool_size) {
                running.abort();
                return Err(error);
            }
        }
        Ok(running)
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
            _ => factory.pool_size(),
        });
        within("pool_size", pool_size, MAX_POOL_SIZE)?;
        match parallel {
            Parallel::SINGLE if pool_size > 1 => {
                return Err(PipelineError::Single { component: name, pool_size });
            }
            Parallel::SINGLE | Parallel::ANY => {}
            Parallel(parallel) => {
                return Err(PipelineError::UnknownParallel { component: name, parallel });
            }
        }
        let channel_size = options.channel_size.unwrap_or_else(|| factory.channel_size());
        within("channel_size", channel_size, MAX_MESSAGES)?;
        let channel_bytes = options.channel_bytes.unwrap_or(DEFAULT_CHANNEL_BYTES);
        within("channel_bytes", channel_bytes, MAX_BYTES)?;
        let ordered = options.ordered.unwrap_or(true);
        Ok(move |factory| Part { factory, name, pool_size, channel_size, channel_bytes, ordered })
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

fn cannot_start(component: &str, error: RawError) -> PipelineError {
    let error = match error.attribute.as_str() {
        "" => error.message.into(),
        attribute => format!("attribute {attribute}: {}", error.message),
    };
    PipelineError::Start { component: component.to_owned(), error }
}

/// Starts a stage's workers, each on its thread, and waits until their components have started.
fn start_workers(
    running: &mut Running,
    stage: &Arc<Stage>,
    pool_size: usize,
) -> Result<(), PipelineError> {
    let (tell, hear) = crossbeam_channel::bounded(pool_size);
    for _ in 0..pool_size {
        let (stage, tell, drained) = (stage.clone(), tell.clone(), running.drained.clone());
        // The kernel shows 15 bytes of a thread's name.
        let name = stage.name.chars().take(15).collect();
        let is_source = stage.kind == Kind::SOURCE;
        let work = move || {
            let _gone = OnDrop(|| stage.worker_ended());
            let sent_all = OnDrop(|| stage.sender_ended());
            let side = Side::new(stage.clone());
            if let Some(inlet) = &stage.inlet {
                match Worker::new(side, inlet.receiver()) {
                    Ok(worker) => {
                        let _ = tell.send(Ok(()));
                        worker.run();
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            } else {
                match SourceWorker::new(side, drained) {
                    Ok(mut source) => {
                        let _ = tell.send(Ok(()));
                        source.produce();
                        drop(sent_all);
                        source.hear_out();
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            }
        };
        let spawned = thread::Builder::new().name(name).spawn(work);
        let spawned = spawned.map_err(|error| PipelineError::System(error.to_string()))?;
        running.add_thread(is_source, spawned);
    }
    drop(tell);
    for _ in 0..pool_size {
        match hear.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(cannot_start(&stage.name, error)),
            Err(_) => {
                let error = "its thread ended before it started".into();
                return Err(PipelineError::Start { component: stage.name.clone(), error });
            }
        }
    }
    Ok(())
}

/// Does something when a worker's thread comes to that point, however it does.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
