//! `createPipeline`.
use std::sync::Arc;

use gopiper_abi::Kind;
use gopiper_core::{ComponentSpec, PayloadMemory, Pipeline, PipelineError, PipelineOptions, names};
use mlua::Value;

use super::{
    call::ModuleCall,
    component::ListedComponent,
    made::Made,
    steps::{List, Steps, is_step, take_steps},
    table::Options,
};
use crate::{
    language::{
        component_places::PipelinePlaces, kind::kind_of, script::Script, settings::Settings,
    },
    problem::place::Place,
};

/// The sink of failed messages, and its position.
type DeadLetter = (ComponentSpec, Option<Place>);

pub(super) fn create_pipeline(
    call: &ModuleCall<'_>,
    settings: &Settings,
    source: &Arc<Script>,
    (components, options): (Value, Value),
) {
    let list = call.list(1, "the list of components", components);
    let has_options = !is_step(&options);
    if list.is_some() && !has_options {
        let error = "createPipeline: argument 2 must be options: put this into the list before";
        call.wrong(2, "", error);
    }
    let options = if has_options { options } else { Value::Nil };
    let steps = list.map(|table| {
        let list =
            List { table: &table, argument: 1, path: String::new(), keys: &[], is_whole: true };
        let mut steps = Steps::default();
        take_steps(call, source, &list, &mut steps);
        steps.places.unknown |= !has_options;
        steps
    });
    let (mut options, dead_letter) = pipeline_options(call.options(2, options));
    options.state_directory = settings.state_directory.clone();
    options.shutdown_timeout = settings.shutdown_timeout;
    let Some(name) = named(call, &mut options) else { return };
    let Some(steps) = steps else { return };
    let mut places = PipelinePlaces { call: call.place(0, ""), ..PipelinePlaces::default() };
    let pipeline = put_together(steps, options, dead_letter, &mut places);
    let Some(mut made) = call.lua.app_data_mut::<Made>() else { return };
    match pipeline {
        Ok(pipeline) => made.pipelines.extend(pipeline),
        Err(errors) => made.notes.extend(errors.iter().map(|error| places.note(error))),
    }
    made.places.insert(name, places);
}

/// Decides the pipeline's name; `None` if there is another one of that name.
fn named(call: &ModuleCall<'_>, options: &mut PipelineOptions) -> Option<String> {
    let mut made = call.lua.app_data_mut::<Made>()?;
    let number = made.names.len() + 1;
    let name = options.name.get_or_insert_with(|| match number {
        1 => "main".into(),
        _ => format!("main_{number}"),
    });
    let is_taken = made.names.contains(name);
    made.names.push(name.clone());
    drop(made);
    if is_taken {
        let error = format!("there is already a pipeline '{name}': give one another name");
        call.wrong(2, "name", error);
        return None;
    }
    Some(name.clone())
}

/// Creates a pipeline, and records the positions of its components even if that fails. `None` if it
/// is unknown whether it can be created.
fn put_together(
    Steps { steps, places: found }: Steps,
    options: PipelineOptions,
    dead_letter: Option<DeadLetter>,
    places: &mut PipelinePlaces,
) -> Result<Option<Pipeline>, Vec<PipelineError>> {
    places.components.extend(names(&steps).into_iter().zip(found.components));
    places.graphs = found.graphs;
    if found.unknown {
        return Ok(None);
    }
    let mut pipeline = Pipeline::new(steps, options)?;
    if let Some((sink, place)) = dead_letter {
        let name = sink.options.name.clone().unwrap_or_else(|| sink.factory.name().to_owned());
        places.components.entry(name).or_insert(place);
        pipeline = pipeline.dead_letters_to(sink)?;
    }
    Ok(Some(pipeline))
}

/// The options of a pipeline, and its sink of dead letters if one is named.
fn pipeline_options(mut given: Options<'_, '_>) -> (PipelineOptions, Option<DeadLetter>) {
    let mut options = PipelineOptions {
        name: given.take("name", "a string"),
        dead_letter_limit: given.take("dead_letter_limit", "a whole number of bytes"),
        ..PipelineOptions::default()
    };
    if given.take("shared_memory", "true or false") == Some(true) {
        options.memory = PayloadMemory::Shared;
    }
    let dead_letter = given.value("dead_letter").and_then(|value| {
        let component = value.as_userdata().and_then(|data| data.borrow::<ListedComponent>().ok());
        let taken = match &component {
            Some(component) => component.take(Kind::SINK),
            None => Err(format!("expected what loadComponent returned, not {}", kind_of(&value))),
        };
        let taken = taken
            .map_err(|error| given.wrong("dead_letter", format!("option dead_letter: {error}")));
        Some((taken.ok()?, component?.place.clone()))
    });
    given.finish();
    (options, dead_letter)
}
