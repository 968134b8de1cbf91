//! Why a pipeline cannot run.
use std::path::PathBuf;

use gopiper_abi::raw::RawError;
use thiserror::Error;

use crate::base::plural::plural;

/// Why a pipeline cannot run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PipelineError {
    /// It has no source and sink.
    #[error(
        "a pipeline needs at least a source and a sink; this one has {}",
        plural(*.0, "component")
    )]
    TooShort(usize),
    /// A component is in a place where its kind is not allowed.
    #[error("{component} is a {kind}, and cannot be {place} of a pipeline: only a {wanted} can")]
    WrongPlace {
        /// The component.
        component: String,
        /// Its kind.
        kind: &'static str,
        /// Its place.
        place: &'static str,
        /// The kind that belongs there.
        wanted: &'static str,
    },
    /// A branch of a tee or a route leads nowhere.
    #[error(
        "{component}: nothing follows {branch} of the {of}, which ends in a transform: put a sink \
         at its end, or after the {of}"
    )]
    NothingFollows {
        /// The last component of the branch.
        component: String,
        /// A description of the branch.
        branch: String,
        /// The step that it belongs to.
        of: &'static str,
    },
    /// A step follows one that nothing leaves.
    #[error("{0}: it receives no messages, because every branch before it ends in a sink")]
    NothingComes(String),
    /// A tee, route or merge is wrong.
    #[error("{what}: {error}")]
    Graph {
        /// Which of them.
        what: &'static str,
        /// How many of them, of all three kinds, come before it.
        nth: usize,
        /// The problem.
        error: String,
    },
    /// Dead letters could begin in several places.
    #[error(
        "{0}: several sources could lead to it through different components, so its dead letters \
         have no single start: replay them where they failed, at a component of that name"
    )]
    SeveralBeginnings(String),
    /// Two components have one name.
    #[error("two components are called '{0}': give one of them another name (option 'name')")]
    SameName(String),
    /// A name that a folder cannot have.
    #[error(
        "a component or a pipeline cannot be called '{0}': the name becomes a folder in the state \
         directory, so it has no '/' and at most 255 bytes"
    )]
    BadName(String),
    /// An option is out of its range.
    #[error("{component}: {option} must be {wanted}")]
    OutOfRange {
        /// The component.
        component: String,
        /// The option.
        option: &'static str,
        /// The allowed values, and the one that it has.
        wanted: String,
    },
    /// An option that has no meaning for a source, which gets no messages.
    #[error("{component}: a source receives no messages, so it has no option {option}")]
    NotForSources {
        /// The component.
        component: String,
        /// The option.
        option: &'static str,
    },
    /// A component supports one worker only.
    #[error("{component}: pool_size = {pool_size}, but {component} supports one worker only")]
    Single {
        /// The component.
        component: String,
        /// The number that was requested.
        pool_size: usize,
    },
    /// A component supports several workers only with `partition_by`.
    #[error(
        "{component}: pool_size = {pool_size}, but {component} supports several workers only with `partition_by` (the attribute that assigns messages to workers)"
    )]
    NotPartitioned {
        /// The component.
        component: String,
        /// The number that was requested.
        pool_size: usize,
    },
    /// A component asks for something that is unknown to this host.
    #[error(
        "{component} requires a way of running workers ({parallel}) that this gopiper doesn't \
         support"
    )]
    UnknownParallel {
        /// The component.
        component: String,
        /// The number that it returned.
        parallel: u32,
    },
    /// Failed messages cannot go there.
    #[error("{component} is a {kind}: dead letters go to a sink")]
    DeadLetterKind {
        /// The component.
        component: String,
        /// Its kind.
        kind: &'static str,
    },
    /// The sink for dead letters would send its failed messages to itself.
    #[error(
        "{0}: on_fail = 'dead_letter', but it is the sink for dead letters itself: set 'discard' or 'stop'"
    )]
    OwnDeadLetters(String),
    /// There is no state directory, and no sink for failed messages.
    #[error(
        "{0}: on_fail = 'dead_letter', but there is no place for dead letters: give the pipeline a state directory or a dead_letter component"
    )]
    NoPlaceForDeadLetters(String),
    /// A buffer has no place on disk.
    #[error("{0}: a buffer keeps messages on disk: give the pipeline a state directory")]
    NoPlaceForBuffer(String),
    /// A buffer is in a place with nothing before it, or nothing after it.
    #[error("{0}: a buffer needs a component before it and one after it")]
    BufferAtTheEnd(String),
    /// A pipeline has no component of that name.
    #[error(
        "pipeline {pipeline} has no component '{component}': dead letters go to the component \
         where they failed, so it must still have that name; --from-start sends them through the \
         whole pipeline"
    )]
    NoSuchComponent {
        /// The pipeline.
        pipeline: String,
        /// The component.
        component: String,
    },
    /// The state directory cannot be used.
    #[error("{0}")]
    State(String),
    /// A component cannot start.
    #[error("{component} cannot start: {error}")]
    Start {
        /// The component.
        component: String,
        /// The attribute at fault; empty for none.
        attribute: String,
        /// Its text.
        error: String,
    },
    /// A component can start, but probably does not do what the operator wants.
    #[error("{component}: {warning}")]
    Warning {
        /// The component.
        component: String,
        /// The attribute concerned; empty for none.
        attribute: String,
        /// Its text.
        warning: String,
    },
    /// A buffer of an earlier run holds messages, and no pipeline has it any more.
    #[error(
        "the buffer '{component}' {holds} of an earlier run, and pipeline {pipeline} does not have \
         it any more: give a buffer that name to deliver them, or remove {}",
        folder.display()
    )]
    LeftInBuffer {
        /// The pipeline.
        pipeline: String,
        /// The buffer.
        component: String,
        /// Whether it holds messages, and how many, in words.
        holds: String,
        /// The buffer's folder.
        folder: PathBuf,
    },
    /// The system lacks something.
    #[error("the pipeline cannot start: {0}")]
    System(String),
}

/// The part of a component that an error concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'e> {
    /// All of it.
    Component,
    /// An option.
    Option(&'e str),
    /// An attribute, by its path.
    Attribute(&'e str),
}

impl PipelineError {
    /// The error of a component that cannot start.
    pub(crate) fn cannot_start(component: &str, error: RawError) -> Self {
        PipelineError::Start {
            component: component.to_owned(),
            error: error.to_string(),
            attribute: error.attribute.into(),
        }
    }

    /// A component's warning for the operator.
    pub(crate) fn warning(component: &str, warning: RawError) -> Self {
        PipelineError::Warning {
            component: component.to_owned(),
            warning: warning.to_string(),
            attribute: warning.attribute.into(),
        }
    }

    /// The component concerned, or the pipeline if it has that name, and the part of it.
    pub fn about(&self) -> Option<(&str, About<'_>)> {
        use About::{Attribute, Component, Option};
        Some(match self {
            Self::TooShort(_)
            | Self::Graph { .. }
            | Self::State(_)
            | Self::LeftInBuffer { .. }
            | Self::System(_) => {
                return None;
            }
            Self::SameName(name) | Self::BadName(name) => (name, Option("name")),
            Self::NothingComes(name) | Self::SeveralBeginnings(name) => (name, Component),
            Self::OutOfRange { component, option, .. }
            | Self::NotForSources { component, option } => (component, Option(option)),
            Self::Single { component, .. } | Self::NotPartitioned { component, .. } => {
                (component, Option("pool_size"))
            }
            Self::NoPlaceForDeadLetters(component) | Self::OwnDeadLetters(component) => {
                (component, Option("on_fail"))
            }
            Self::WrongPlace { component, .. }
            | Self::NothingFollows { component, .. }
            | Self::UnknownParallel { component, .. }
            | Self::DeadLetterKind { component, .. }
            | Self::NoPlaceForBuffer(component)
            | Self::BufferAtTheEnd(component)
            | Self::NoSuchComponent { component, .. } => (component, Component),
            Self::Start { component, attribute, .. }
            | Self::Warning { component, attribute, .. } => match attribute.as_str() {
                "" => (component, Component),
                attribute => (component, Attribute(attribute)),
            },
        })
    }
}
