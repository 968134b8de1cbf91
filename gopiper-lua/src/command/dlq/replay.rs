//! `gopiper dlq replay`.
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use gopiper_core::dead_letters::StoredLetter;
use gopiper_lua::Loaded;

use super::{FoundLetter, StateArguments, folder, read_all};
use crate::command::{
    exit::refuse,
    output::say,
    run::{self, DriveOutcome, RunArguments},
    signals::Stops,
};

/// A name that occurs in no pipeline is an error.
fn has_component(name: Option<&str>, arguments: &RunArguments) -> ExitCode {
    let Some(name) = name else { return ExitCode::SUCCESS };
    match run::load(arguments, false) {
        Ok(Loaded { pipelines, .. })
            if pipelines.iter().any(|one| one.components().any(|own| own == name)) =>
        {
            ExitCode::SUCCESS
        }
        Ok(_) => {
            let file = arguments.file.display();
            refuse(&format!("no pipeline of {file} has a component '{name}'"))
        }
        Err(code) => code,
    }
}

/// Sends the letters of each component again, one component after the other. Letters for which the
/// file has no place any more keep the others from nothing.
pub(super) fn replay(only: Option<&str>, from_start: bool, arguments: &RunArguments) -> ExitCode {
    let state =
        StateArguments { file: arguments.file.clone(), state_dir: arguments.state_dir.clone() };
    let read = |folder: PathBuf| read_all(&folder).map_err(|error| error.to_string());
    let found = match folder(&state).and_then(read) {
        Ok(found) => found,
        Err(error) => return refuse(&error),
    };
    let mut wanted = BTreeMap::<(String, String), Vec<String>>::new();
    for FoundLetter { id, entry: StoredLetter { letter, .. }, done } in found {
        if !done && only.is_none_or(|only| only == letter.component) {
            wanted.entry((letter.pipeline, letter.component)).or_default().push(id);
        }
    }
    if wanted.is_empty() {
        let code = has_component(only, arguments);
        if code == ExitCode::SUCCESS {
            say("there are no dead letters to replay");
        }
        return code;
    }
    let stops = match Stops::listen() {
        Ok(stops) => stops,
        Err(error) => return refuse(&error),
    };
    let mut replayed = ExitCode::SUCCESS;
    for ((name, component), ids) in wanted {
        let mut loaded = match run::load(arguments, true) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        let pipelines = std::mem::take(&mut loaded.pipelines);
        let found = pipelines.into_iter().find(|pipeline| pipeline.name() == name);
        let pipeline = match found {
            Some(pipeline) => {
                pipeline.replaying(&component, from_start).map_err(|error| error.to_string())
            }
            None => Err(format!(
                "{} has no pipeline '{name}': give a pipeline that name, or save each with 'gopiper \
                 dlq show --payload ID'",
                arguments.file.display()
            )),
        };
        match pipeline {
            Ok(pipeline) => loaded.pipelines = vec![pipeline],
            Err(error) => {
                // The others can be replayed all the same.
                replayed = refuse(&format!(
                    "{name}/{component}: {} not replayed ({}): {error}",
                    ids.len(),
                    some_of(&ids)
                ));
                continue;
            }
        }
        match run::drive(loaded, arguments, &stops) {
            DriveOutcome::Ended { summaries, code } => {
                for summary in &summaries {
                    let of = &summary.outcomes;
                    // Standard output belongs to the pipeline.
                    say(format_args!(
                        "{name}/{component}: {} delivered, {} dropped, {} failed again, {} left",
                        of.delivered,
                        of.dropped,
                        of.dead_lettered + of.failed,
                        of.returned + summary.unsettled
                    ));
                }
                if code != ExitCode::SUCCESS || stops.is_stopping() {
                    return code;
                }
            }
            DriveOutcome::Refused(code) => return code,
        }
    }
    replayed
}

/// The first of some ids.
fn some_of(ids: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = ids[..ids.len().min(SHOWN)].join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
