//! `createPipeline`.
use std::sync::Arc;

use gopiper_core::{ComponentSpec, PayloadMemory, Pipeline, PipelineOptions};
use mlua::{Lua, Table, Value};

use super::{
    Made, argument,
    component::take_component,
    steps::{check_list, take_steps},
    table::{for_each_option, option},
};
use crate::{settings::Settings, source::Source};

pub(super) fn create_pipeline(
    lua: &Lua,
    settings: &Settings,
    source: &Arc<Source>,
    (components, options): (Value, Value),
) -> Result<(), String> {
    let components: Table = argument(lua, components, "1 (the list of components)")?;
    let options: Option<Table> = argument(lua, options, "2 (the options)")?;
    check_list(&components, &[])?;
    let steps = take_steps(lua, source, &components)?;
    let mut made = lua.app_data_mut::<Made>().ok_or("called outside of a pipeline's file")?;
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
    let pipeline = Pipeline::new(steps, options).and_then(|pipeline| match dead_letter {
        Some(sink) => pipeline.dead_letters_to(sink),
        None => Ok(pipeline),
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
