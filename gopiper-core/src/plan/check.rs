//! Checks whether pipelines could start, as far as possible without side effects.
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    path::{Path, PathBuf},
};

use gopiper_abi::{Need, raw::RawError};

use crate::{
    base::{at_work, plural::plural},
    buffer, dead_letters,
    disk::state::{self, NO_DIRECTORY},
    plan::{error::PipelineError, pipeline::Pipeline, planned_stage::PlannedStage, policy::OnFail},
};

/// Exclusive resources, and a description of the component that has each.
type Holders = HashMap<String, String>;

/// A file that a component writes.
struct WrittenFile {
    pipeline: String,
    stage: String,
    need: Need,
}

/// Asks every component of pipelines that will run side by side whether it could work, without side
/// effects. Each error comes with the name of its pipeline.
pub fn check(pipelines: &mut [Pipeline]) -> Vec<(String, PipelineError)> {
    let (mut holders, mut outputs) = (Holders::new(), Vec::new());
    let mut errors: Vec<(String, PipelineError)> = Vec::new();
    for pipeline in pipelines.iter_mut() {
        for error in pipeline.check(&mut holders, &mut outputs) {
            // An error in the state directory that all share is reported once.
            let is_told = matches!(error, PipelineError::State(_))
                && errors.iter().any(|(_, known)| *known == error);
            if !is_told {
                errors.push((pipeline.name.clone(), error));
            }
        }
    }
    errors.extend(outputs.iter().filter_map(|output| read_again(output, pipelines)));
    errors
}

/// The warnings of the components of these pipelines, each with its pipeline.
pub fn warnings(pipelines: &mut [Pipeline]) -> Vec<(String, PipelineError)> {
    let mut warnings = Vec::new();
    for pipeline in pipelines {
        for stage in pipeline.stages.iter_mut().chain(&mut pipeline.dead_letter) {
            let own = stage.factory.warnings().into_iter();
            let own = own.map(|warning| PipelineError::warning(&stage.name, warning));
            warnings.extend(own.map(|warning| (pipeline.name.clone(), warning)));
        }
    }
    warnings
}

/// The buffers of earlier runs that hold messages, and that none of these pipelines has any more:
/// they were renamed or removed. Nothing else would ever mention those messages.
pub fn left_in_buffers(pipelines: &[Pipeline]) -> Vec<(String, PipelineError)> {
    let directories = pipelines.iter().filter_map(|one| one.options.state_directory.as_deref());
    let directories: BTreeSet<_> = directories.collect();
    // A pipeline that needs a state directory of another version is refused elsewhere.
    let ours = directories.into_iter().filter(|directory| state::check_version(directory).is_ok());
    let folders = ours.flat_map(|one| state::folders_of_components(one).unwrap_or_default());
    folders.filter_map(|folder| left_in_buffer(folder, pipelines)).collect()
}

fn left_in_buffer(folder: PathBuf, pipelines: &[Pipeline]) -> Option<(String, PipelineError)> {
    let component = folder.file_name()?.to_string_lossy().into_owned();
    let pipeline = folder.parent()?.file_name()?.to_string_lossy().into_owned();
    let is_it = |stage: &PlannedStage| stage.name == component && stage.next.stored_at().is_some();
    let mut of_pipeline = pipelines.iter().filter(|one| one.name == pipeline);
    if of_pipeline.any(|one| one.stages.iter().any(is_it)) {
        return None;
    }
    let holds = match buffer::stored_messages(&folder) {
        Some(0) => return None,
        Some(messages) => format!("holds {}", plural(messages as usize, "message")),
        // It is damaged.
        None => "may hold messages".into(),
    };
    let name = pipeline.clone();
    Some((name, PipelineError::LeftInBuffer { pipeline, component, holds, folder }))
}

/// An error if a component of these pipelines reads a file that this one writes: it would read it
/// forever.
fn read_again(output: &WrittenFile, pipelines: &mut [Pipeline]) -> Option<(String, PipelineError)> {
    let WrittenFile { pipeline, stage, need } = output;
    let reader = pipelines.iter_mut().find_map(|pipeline| {
        let reads =
            |stage: &mut PlannedStage| stage.factory.reads(&need.file).then(|| stage.name.clone());
        let stage = pipeline.stages.iter_mut().find_map(reads)?;
        Some(format!("{stage} of pipeline {}", pipeline.name))
    })?;
    let message = format!(
        "{reader} reads what it writes, so the pipeline would never end: {}",
        need.otherwise
    );
    let error = RawError::new(need.attribute.clone(), message);
    Some((pipeline.clone(), PipelineError::cannot_start(stage, error)))
}

impl Pipeline {
    fn check(
        &mut self,
        holders: &mut Holders,
        outputs: &mut Vec<WrittenFile>,
    ) -> Vec<PipelineError> {
        let mut errors: Vec<_> = self.check_dead_letters().err().into_iter().collect();
        let directory = self.options.state_directory.as_deref();
        for stage in self.stages.iter_mut().chain(&mut self.dead_letter) {
            let name = format!("component {} (pipeline {})", stage.name, self.name);
            let checked = at_work::during(name, || stage.factory.check());
            let mut refused = checked.err().unwrap_or_default();
            // Temporary errors are waited for at the start.
            refused.retain(|error| !error.temporary);
            let mut needs = stage.factory.needs();
            if stage.next.stored_at().is_some() {
                needs.push(Need::state());
            }
            for need in needs {
                if !need.file.is_empty() {
                    let (pipeline, stage) = (self.name.clone(), stage.name.clone());
                    outputs.push(WrittenFile { pipeline, stage, need });
                } else if need.alone.is_empty() {
                    let folder = state::folder_of(&self.name, &stage.name);
                    let usable = directory.map(|directory| state::check(directory, &folder));
                    match usable {
                        None => refused.push(lacking(&need)),
                        Some(usable) => errors.extend(usable.err().map(PipelineError::State)),
                    }
                } else {
                    refused.extend(taken(need, &stage.name, &self.name, holders));
                }
            }
            let cannot = |error| PipelineError::cannot_start(&stage.name, error);
            errors.extend(refused.into_iter().map(cannot));
        }
        errors
    }

    /// Whether failed messages have the place that the options ask for.
    pub(crate) fn check_dead_letters(&self) -> Result<(), PipelineError> {
        if self.dead_letter.is_some() {
            return Ok(());
        }
        let asks = |stage: &&PlannedStage| stage.on_fail == Some(OnFail::DeadLetter);
        let may = |stage: &PlannedStage| matches!(stage.on_fail, None | Some(OnFail::DeadLetter));
        match (&self.options.state_directory, self.stages.iter().find(asks)) {
            (None, Some(stage)) => Err(PipelineError::NoPlaceForDeadLetters(stage.name.clone())),
            (Some(directory), _) if self.stages.iter().any(may) => {
                let folder = Path::new(dead_letters::FOLDER);
                state::check(directory, folder).map_err(PipelineError::State)
            }
            _ => Ok(()),
        }
    }
}

/// There is no state directory.
fn lacking(need: &Need) -> RawError {
    let or = match need.otherwise.as_str() {
        "" => String::new(),
        otherwise => format!(", or {otherwise}"),
    };
    RawError::new(need.attribute.clone(), format!("{NO_DIRECTORY}{or}"))
}

/// Takes an exclusive resource; an error if another component has it.
fn taken(need: Need, stage: &str, pipeline: &str, holders: &mut Holders) -> Option<RawError> {
    let Need { alone, attribute, otherwise, .. } = need;
    match holders.entry(alone.into()) {
        Entry::Vacant(free) => {
            free.insert(format!("{stage} of pipeline {pipeline}"));
            None
        }
        Entry::Occupied(held) => {
            let mut message = format!("{} already belongs to {}", held.key(), held.get());
            if !otherwise.is_empty() {
                message += &format!(": {otherwise}");
            }
            Some(RawError::new(attribute, message))
        }
    }
}
