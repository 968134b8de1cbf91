//! `createPipeline`.
use std::{collections::BTreeMap, sync::Arc};

use gopiper_abi::Kind;
use gopiper_core::{
    BufferOptions, ComponentOptions, ComponentSpec, PayloadMemory, Pipeline, PipelineError,
    PipelineOptions, names,
};
use mlua::{Table, Value};

use super::{
    Made,
    call::Call,
    component::{Buffer, Component, Transform, stand_in},
    table::{Options, shown},
};
use crate::{
    convert::a, function, place::Place, placeholder::is_placeholder, places::PipelinePlaces,
    problem::Note, settings::Settings, source::Source,
};

/// A larger key in a list is no place in it.
const MAX_COMPONENTS: usize = 10_000;

/// What stands in a pipeline's list, and where.
struct Item {
    place: Option<Place>,
    what: What,
}

enum What {
    Component(ComponentSpec),
    Buffer(BufferOptions),
}

pub(super) fn create_pipeline(
    call: &Call<'_>,
    settings: &Settings,
    source: &Arc<Source>,
    (components, options): (Value, Value),
) {
    let list: Option<Table> = call.argument(1, "the list of components", components);
    let items = list.map(|list| items(call, source, &list));
    let (mut options, dead_letter) = pipeline_options(call.options(2, options));
    options.state_directory = settings.state_directory.clone();
    options.shutdown_timeout = settings.shutdown_timeout;
    let Some(name) = named(call, &mut options) else { return };
    let Some(items) = items else { return };
    let mut places = PipelinePlaces { call: call.place(0, ""), components: BTreeMap::new() };
    let pipeline = put_together(items, options, dead_letter, &mut places);
    let Some(mut made) = call.lua.app_data_mut::<Made>() else { return };
    match pipeline {
        Ok(pipeline) => made.pipelines.push(pipeline),
        Err(errors) => made.notes.extend(errors.iter().map(|error| places.note(error))),
    }
    made.places.insert(name, places);
}

/// Decides what the pipeline is called; none if there is another one of that name.
fn named(call: &Call<'_>, options: &mut PipelineOptions) -> Option<String> {
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
        let error = format!("there is a pipeline '{name}' already: give one another name");
        call.wrong(2, "name", error);
        return None;
    }
    Some(name.clone())
}

/// What is in a list of components, from source to sink.
fn items(call: &Call<'_>, source: &Arc<Source>, list: &Table) -> Vec<Item> {
    let mut count = 0;
    for (key, _) in list.pairs::<Value, Value>().flatten() {
        match key.as_integer().and_then(|number| usize::try_from(number).ok()) {
            Some(number @ 1..=MAX_COMPONENTS) => count = count.max(number),
            _ => {
                let error =
                    format!("a list of components has no keys, and this one has {}", shown(&key));
                call.wrong(1, &key.to_string().unwrap_or_default(), error);
            }
        }
    }
    let items = (1..=count).map(|number| {
        let belongs = match number {
            1 => Kind::SOURCE,
            last if last == count => Kind::SINK,
            _ => Kind::TRANSFORM,
        };
        let place = call.place(1, &format!("[{number}]"));
        let value = list.raw_get(number).unwrap_or_default();
        match item(call, source, &value, belongs, place.clone()) {
            Ok(item) => item,
            Err(error) => {
                if let Some(error) = error {
                    let error = format!("component {number}: {error}");
                    call.note(Note::error(place.clone(), error));
                }
                let factory = stand_in("component", belongs);
                let spec = ComponentSpec { factory, options: ComponentOptions::default() };
                Item { place, what: What::Component(spec) }
            }
        }
    });
    items.collect()
}

/// What a value in the list is; no error for what stands for an earlier one.
fn item(
    call: &Call<'_>,
    source: &Arc<Source>,
    value: &Value,
    belongs: Kind,
    place: Option<Place>,
) -> Result<Item, Option<String>> {
    let of_function = |mut options: ComponentOptions, place| {
        // Its limit is kept within Lua: so a worker need not be given up.
        let limit = options.timeout.take().unwrap_or(function::LIMIT);
        let number = call.lua.app_data_mut::<Made>().map_or(0, |mut made| {
            made.functions += 1;
            made.functions
        });
        let factory = function::transform(source.clone(), number, limit);
        Item { place, what: What::Component(ComponentSpec { factory, options }) }
    };
    if value.is_function() {
        return Ok(of_function(ComponentOptions::default(), place));
    }
    if is_placeholder(value) {
        return Err(None);
    }
    let data = value.as_userdata();
    if let Some(component) = data.and_then(|data| data.borrow::<Component>().ok()) {
        let what = What::Component(component.take(belongs)?);
        return Ok(Item { place: component.place.clone(), what });
    }
    if let Some(buffer) = data.and_then(|data| data.borrow::<Buffer>().ok()) {
        return Ok(Item {
            place: buffer.place.clone(),
            what: What::Buffer(buffer.options.clone()),
        });
    }
    if let Some(transform) = data.and_then(|data| data.borrow::<Transform>().ok()) {
        let options = transform.options.lock().take();
        let options = options
            .ok_or_else(|| "it is in a pipeline already: make one for each place".to_owned())?;
        return Ok(of_function(options, transform.place.clone()));
    }
    Err(Some(format!(
        "expected a function, or what loadComponent, buffer or transform returned, not {}",
        a(value.type_name())
    )))
}

/// Puts a pipeline together; where its components stand is said even if it can't be.
fn put_together(
    items: Vec<Item>,
    options: PipelineOptions,
    dead_letter: Option<Item>,
    places: &mut PipelinePlaces,
) -> Result<Pipeline, Vec<PipelineError>> {
    let (mut specs, mut stand_at, mut buffers) = (Vec::new(), Vec::new(), Vec::new());
    for Item { place, what } in items {
        match what {
            What::Component(spec) => {
                specs.push(spec);
                stand_at.push(place);
            }
            What::Buffer(options) => buffers.push((specs.len(), options, place)),
        }
    }
    places.components.extend(names(&specs).into_iter().zip(stand_at));
    let mut pipeline = Pipeline::new(specs, options)?;
    if let Some(Item { place, what: What::Component(sink) }) = dead_letter {
        let name = sink.options.name.clone().unwrap_or_else(|| sink.factory.name().to_owned());
        places.components.entry(name).or_insert(place);
        pipeline = pipeline.dead_letters_to(sink)?;
    }
    // The last one first: then so many components stand before the others as in the list.
    for (behind, options, place) in buffers.into_iter().rev() {
        let with = pipeline.with_buffer(behind, options);
        pipeline = with.map_err(|error| {
            if let Some((name, _)) = error.about() {
                places.components.insert(name.to_owned(), place.clone());
            }
            vec![error]
        })?;
        let name = pipeline.components().nth(behind).unwrap_or_default().to_owned();
        places.components.insert(name, place);
    }
    Ok(pipeline)
}

/// The options of a pipeline, and its sink of dead letters if one is named.
fn pipeline_options(mut given: Options<'_, '_>) -> (PipelineOptions, Option<Item>) {
    let mut options = PipelineOptions {
        name: given.take("name", "a string"),
        dead_letter_limit: given.take("dead_letter_limit", "a whole number of bytes"),
        ..PipelineOptions::default()
    };
    if given.take("shared_memory", "true or false") == Some(true) {
        options.memory = PayloadMemory::Shared;
    }
    let dead_letter = given.value("dead_letter").and_then(|value| {
        let component = value.as_userdata().and_then(|data| data.borrow::<Component>().ok());
        let taken = match &component {
            Some(component) => component.take(Kind::SINK),
            None => {
                Err(format!("expected what loadComponent returned, not {}", a(value.type_name())))
            }
        };
        let taken = taken
            .map_err(|error| given.wrong("dead_letter", format!("option dead_letter: {error}")));
        Some(Item { place: component?.place.clone(), what: What::Component(taken.ok()?) })
    });
    given.finish();
    (options, dead_letter)
}
