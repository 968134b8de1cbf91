//! `createPipeline`.
use std::sync::Arc;

use gopiper_core::{ComponentSpec, PayloadMemory, Pipeline, PipelineOptions};
use mlua::{Lua, Table, Value};

use super::{
    Buffer, Made, argument,
    component::{function_options, take_component},
    table::{for_each_option, option},
};
use crate::{function, settings::Settings, source::Source};

pub(super) fn create_pipeline(
    lua: &Lua,
    settings: &Settings,
    source: &Arc<Source>,
    (components, options): (Value, Value),
) -> Result<(), String> {
    let components: Table = argument(lua, components, "1 (the list of components)")?;
    let options: Option<Table> = argument(lua, options, "2 (the options)")?;
    let (mut specs, mut buffers) = (Vec::new(), Vec::new());
    let mut functions = lua.app_data_ref::<Made>().map_or(0, |made| made.functions);
    for (i, item) in components.sequence_values::<Value>().enumerate() {
        let item = item.map_err(|error| error.to_string())?;
        let named = |error| format!("component {}: {error}", i + 1);
        match item.as_userdata().and_then(|data| data.borrow::<Buffer>().ok()) {
            Some(buffer) => buffers.push((specs.len(), buffer.0.clone())),
            None => match function_options(&item).map_err(named)? {
                Some(mut options) => {
                    functions += 1;
                    // Its limit is kept within Lua: so a worker need not be given up.
                    let limit = options.timeout.take().unwrap_or(function::LIMIT);
                    let factory = function::transform(source.clone(), functions, limit);
                    specs.push(ComponentSpec { factory, options });
                }
                None => specs.push(take_component(&item).map_err(named)?),
            },
        }
    }
    if components.pairs::<Value, Value>().count() != specs.len() + buffers.len() {
        return Err("the list of components has holes in it, or keys that are no numbers".into());
    }
    let mut made = lua.app_data_mut::<Made>().ok_or("called outside of a pipeline's file")?;
    made.functions = functions;
    let (mut options, dead_letter) =
        options.map(|table| pipeline_options(&table)).transpose()?.unwrap_or_default();
    options.state_directory = settings.state_directory.clone();
    options.shutdown_timeout = settings.shutdown_timeout;
    let number = made.pipelines.len() + 1;
    let name = options.name.get_or_insert_with(|| match number {
        1 => "main".into(),
        _ => format!("main_{number}"),
    });
    if made.pipelines.iter().any(|pipeline| pipeline.name() == name) {
        return Err(format!("there is a pipeline '{name}' already: give one another name"));
    }
    let pipeline = Pipeline::new(specs, options).and_then(|pipeline| match dead_letter {
        Some(sink) => pipeline.dead_letters_to(sink),
        None => Ok(pipeline),
    });
    // The last one first: then so many components stand before the others as in the list.
    let pipeline = buffers.into_iter().rev().fold(pipeline, |pipeline, (behind, options)| {
        pipeline?.with_buffer(behind, options).map_err(|error| vec![error])
    });
    let pipeline = pipeline
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    made.pipelines.push(pipeline);
    Ok(())
}

/// The options of a pipeline, and its sink of dead letters if one is named.
fn pipeline_options(table: &Table) -> Result<(PipelineOptions, Option<ComponentSpec>), String> {
    let (mut options, mut dead_letter) = (PipelineOptions::default(), None);
    let known = ["name", "shared_memory", "dead_letter", "dead_letter_limit"];
    for_each_option(table, &known, |key, value| {
        match key {
            "name" => options.name = Some(option(key, value, "a string")?),
            "dead_letter" => {
                let component = take_component(&value);
                dead_letter =
                    Some(component.map_err(|error| format!("option dead_letter: {error}"))?);
            }
            "dead_letter_limit" => {
                let bytes: usize = option(key, value, "a whole number of bytes")?;
                options.dead_letter_limit = Some(bytes as u64);
            }
            "shared_memory" => {
                let shared: bool = option(key, value, "true or false")?;
                options.memory =
                    if shared { PayloadMemory::Shared } else { PayloadMemory::Private };
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((options, dead_letter))
}
