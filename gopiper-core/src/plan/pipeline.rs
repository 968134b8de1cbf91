//! A pipeline: components that fit together.
use std::collections::BTreeSet;

use gopiper_abi::Kind;

use crate::{
    dead_letters,
    plan::{
        error::PipelineError,
        names::Names,
        options::{ComponentOptions, ComponentSpec, PipelineOptions},
        placement::lay_out,
        planned_stage::{PlannedStage, is_no_folder, tried_for_ever},
        policy::OnFail,
        routes::Destination,
        step::Step,
    },
};

/// The default limit for dead letters, in bytes.
const DEAD_LETTER_LIMIT: u64 = 1 << 30;

/// A pipeline that is ready to start: its components fit together.
pub struct Pipeline {
    pub(crate) name: String,
    pub(crate) stages: Vec<PlannedStage>,
    /// The sink of failed messages, if the operator has named one.
    pub(crate) dead_letter: Option<PlannedStage>,
    pub(crate) options: PipelineOptions,
    /// Whether its source is [`Pipeline::replaying`]: a letter that does not end remains one.
    pub(crate) replays: bool,
}

impl Pipeline {
    /// Puts components together, the source first and the sink last.
    ///
    /// # Errors
    /// Everything that doesn't fit.
    pub fn new(
        steps: Vec<impl Into<Step>>,
        options: PipelineOptions,
    ) -> Result<Self, Vec<PipelineError>> {
        let mut errors = Vec::new();
        let name = options.name.clone().unwrap_or_else(|| "main".into());
        if is_no_folder(&name) {
            errors.push(PipelineError::BadName(name.clone()));
        }
        if options.dead_letter_limit == Some(0) {
            errors.push(PipelineError::OutOfRange {
                component: name.clone(),
                option: "dead_letter_limit",
                wanted: "more than 0. To keep no dead letters, set on_fail = 'discard'".into(),
            });
        }
        let steps = steps.into_iter().map(Into::into).collect();
        match lay_out(steps, options.state_directory.is_some()) {
            Ok(stages) if errors.is_empty() => {
                Ok(Pipeline { name, stages, dead_letter: None, options, replays: false })
            }
            Ok(_) => Err(errors),
            Err(misfits) => {
                errors.extend(misfits);
                Err(errors)
            }
        }
    }

    /// Sends failed messages to this sink instead of the state directory.
    ///
    /// # Errors
    /// Everything that doesn't fit.
    pub fn dead_letters_to(mut self, sink: ComponentSpec) -> Result<Self, Vec<PipelineError>> {
        let mut names = self.names();
        let name = names.free(&sink);
        let kind = sink.factory.kind();
        if kind != Kind::SINK {
            return Err(vec![PipelineError::DeadLetterKind { component: name, kind: kind.name() }]);
        }
        if names.contains(&name) {
            return Err(vec![PipelineError::SameName(name)]);
        }
        if sink.options.on_fail == Some(OnFail::DeadLetter) {
            return Err(vec![PipelineError::OwnDeadLetters(name)]);
        }
        self.dead_letter = Some(
            PlannedStage::new(name, sink.factory, &sink.options).map_err(|error| vec![error])?,
        );
        Ok(self)
    }

    /// Replaces the sources by the dead letters of one component: those in the state directory that
    /// this pipeline has written and that were not replayed. They go to the component that failed
    /// with them or, with `from_start`, to the first one after its source: then the component need
    /// not be there any more.
    ///
    /// # Errors
    /// There is no such component, or no such source, or the state directory cannot be read.
    pub fn replaying(mut self, component: &str, from_start: bool) -> Result<Self, PipelineError> {
        let next = self.beginning(component, from_start)?;
        let directory = self.options.state_directory.clone().unwrap_or_default();
        let segments = dead_letters::segments(&directory.join(dead_letters::FOLDER))
            .map_err(|error| PipelineError::System(error.to_string()))?;
        let factory = dead_letters::replay(segments, self.name.clone(), component.to_owned());
        let options = ComponentOptions { on_fail: self.stages[0].on_fail, ..Default::default() };
        let mut source = PlannedStage::new("replay".into(), factory, &options)?;
        let stay: Vec<_> = self.reached_from(&next).into_iter().collect();
        let number = |stage| 1 + stay.binary_search(&stage).unwrap_or_default();
        source.next = next.renumbered(&number);
        let mut stages = vec![source];
        for (place, mut stage) in self.stages.into_iter().enumerate() {
            if stay.binary_search(&place).is_ok() {
                stage.next = stage.next.renumbered(&number);
                stages.push(stage);
            }
        }
        self.stages = stages;
        self.replays = true;
        Ok(self)
    }

    /// The stage at which the dead letters of a component begin.
    fn beginning(&self, component: &str, from_start: bool) -> Result<Destination, PipelineError> {
        let is_source = |stage: usize| self.stages[stage].factory.kind() == Kind::SOURCE;
        let place = self.stages.iter().position(|stage| stage.name == component);
        match place {
            Some(place) if is_source(place) => return Ok(self.stages[place].next.clone()),
            Some(place) if !from_start => return Ok(Destination::To(place)),
            None if !from_start => {
                let (pipeline, component) = (self.name.clone(), component.to_owned());
                return Err(PipelineError::NoSuchComponent { pipeline, component });
            }
            _ => {}
        }
        // Messages from a buffer began elsewhere.
        let stored = |stage| self.stages.iter().any(|one| one.next.stored_at() == Some(stage));
        // A component that is gone may have been after any of them.
        let leads_there = |stage: usize| {
            place.is_none_or(|place| self.reached_from(&Destination::To(stage)).contains(&place))
        };
        let sources = (0..self.stages.len())
            .filter(|&stage| is_source(stage) && !stored(stage) && leads_there(stage));
        let mut nexts: Vec<_> = sources.map(|source| self.stages[source].next.clone()).collect();
        nexts.dedup();
        match nexts.pop() {
            Some(next) if nexts.is_empty() => Ok(next),
            _ => Err(PipelineError::SeveralBeginnings(component.to_owned())),
        }
    }

    /// The stages that messages reach from here.
    fn reached_from(&self, next: &Destination) -> BTreeSet<usize> {
        let (mut reached, mut stages) = (BTreeSet::new(), next.targets());
        while let Some(stage) = stages.pop() {
            if reached.insert(stage) {
                stages.extend(self.stages[stage].next.targets());
            }
        }
        reached
    }

    /// The sink for failed messages: the operator's, or the one that writes to the state directory;
    /// `None` if nothing is kept.
    pub(crate) fn take_dead_letter(&mut self) -> Result<Option<PlannedStage>, PipelineError> {
        self.check_dead_letters()?;
        let directory = self.options.state_directory.as_ref();
        let has_place = self.dead_letter.is_some() || directory.is_some();
        for stage in &mut self.stages {
            stage.on_fail.get_or_insert(match has_place {
                true => OnFail::DeadLetter,
                false => OnFail::Discard,
            });
        }
        let keeps = self.stages.iter().any(|stage| stage.on_fail == Some(OnFail::DeadLetter));
        if !keeps || self.dead_letter.is_some() {
            return Ok(self.dead_letter.take().filter(|_| keeps));
        }
        let Some(directory) = directory else { return Ok(None) };
        let limit = self.options.dead_letter_limit.unwrap_or(DEAD_LETTER_LIMIT);
        let factory = dead_letters::sink(directory.clone(), limit);
        let sink = ComponentSpec { factory, options: tried_for_ever() };
        let name = self.names().free(&sink);
        Ok(Some(PlannedStage::new(name, sink.factory, &sink.options)?))
    }

    fn names(&self) -> Names {
        Names::new(self.stages.iter().map(|stage| stage.name.clone()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator's own sink for failed messages, if there is one.
    pub fn dead_letter(&self) -> Option<&str> {
        self.dead_letter.as_ref().map(|stage| stage.name.as_str())
    }

    /// The names of its components, in order.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().map(|stage| stage.name.as_str())
    }
}
