//! The positions of the components of pipelines in the file.
use std::{collections::BTreeMap, sync::Arc};

use gopiper_core::{About, PipelineError};

use crate::{
    language::script::Script,
    problem::{Problem, place::Place, remark::Remark},
};

/// The positions of a pipeline and its components.
#[derive(Default)]
pub(crate) struct PipelinePlaces {
    pub(crate) call: Option<Place>,
    /// By their names.
    pub(crate) components: BTreeMap<String, Option<Place>>,
    /// Its tees, routes and merges, in order.
    pub(crate) graphs: Vec<Option<Place>>,
}

impl PipelinePlaces {
    /// An error of the pipeline, with its place.
    pub(crate) fn note(&self, error: &PipelineError) -> Remark {
        let call = || self.call.clone();
        let graph = match error {
            PipelineError::Graph { nth, .. } => self.graphs.get(*nth).cloned().flatten(),
            _ => None,
        };
        let place = match error.about() {
            None if graph.is_some() => graph,
            None if matches!(error, PipelineError::TooShort(_)) => call(),
            None => None,
            Some((_, About::Option("dead_letter_limit"))) => {
                call().map(|place| place.within(2, "dead_letter_limit"))
            }
            Some((name, about)) => match (self.components.get(name), about) {
                (Some(component), about) => component.as_ref().map(|place| place.about(about)),
                (None, About::Option(option)) => call().map(|place| place.within(2, option)),
                (None, _) => call(),
            },
        };
        remark(place, error)
    }
}

fn remark(place: Option<Place>, error: &PipelineError) -> Remark {
    match error {
        PipelineError::Warning { .. } | PipelineError::LeftInBuffer { .. } => {
            Remark::warning(place, error.to_string())
        }
        _ => Remark::error(place, error.to_string()),
    }
}

/// The positions of all pipelines of a file.
pub struct Places {
    pub(crate) source: Arc<Script>,
    pub(crate) pipelines: BTreeMap<String, PipelinePlaces>,
}

impl Places {
    /// An error of a pipeline, with its position.
    pub fn problem(&self, pipeline: &str, error: &PipelineError) -> Problem {
        let note = match self.pipelines.get(pipeline) {
            Some(places) => places.note(error),
            None => remark(None, error),
        };
        self.source.problem(note)
    }
}
