//! `gopiper dlq replay`.
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use gopiper_core::{Summary, dead_letters::StoredLetter};
use gopiper_lua::Loaded;
use rustix::process::{Signal, getpid, getppid, kill_process, set_parent_process_death_signal};

use super::folder;
use crate::command::{
    arguments::PipelineArguments,
    http::{HttpArguments, Served},
    letters::{FoundLetter, read_all},
    process::exit::refuse,
    process::signals::Stops,
    run::{self, DriveOutcome, RunArguments},
    terminal::problems::show_result,
};

const COMMAND: &str = "dlq replay";

/// When the process with this number ends, which has started this one, this process gets SIGTERM.
pub(super) fn end_with(parent: u32) {
    let asked = set_parent_process_death_signal(Some(Signal::TERM));
    let is_there = getppid().is_some_and(|pid| pid.as_raw_pid().unsigned_abs() == parent);
    // The parent may have ended before the request to the kernel.
    if asked.is_ok() && !is_there {
        let _ = kill_process(getpid(), Signal::TERM);
    }
}

/// A name that occurs in no pipeline is an error.
fn has_component(name: Option<&str>, arguments: &RunArguments) -> ExitCode {
    let Some(name) = name else { return ExitCode::SUCCESS };
    match run::load(arguments, (COMMAND, false)) {
        Ok(Loaded { pipelines, .. })
            if pipelines.iter().any(|one| one.components().any(|own| own == name)) =>
        {
            ExitCode::SUCCESS
        }
        Ok(_) => {
            let file = arguments.pipeline.file.display();
            refuse(&format!("no pipeline of {file} has a component '{name}'"))
        }
        Err(code) => code,
    }
}

/// Sends the letters of each component again, one component after the other. A failure with one of
/// them does not keep the others from being replayed.
pub(super) fn replay(only: Option<&str>, from_start: bool, arguments: &RunArguments) -> ExitCode {
    let read = |folder: PathBuf| read_all(&folder).map_err(|error| error.to_string());
    let found = match folder(&arguments.pipeline).and_then(read) {
        Ok(found) => found,
        Err(error) => return refuse(&error),
    };
    let mut wanted = BTreeMap::<(String, String), Vec<String>>::new();
    for FoundLetter { id, entry: StoredLetter { letter, .. }, done } in found {
        if !done && only.is_none_or(|only| only == letter.component) {
            wanted.entry((letter.pipeline.into(), letter.component.into())).or_default().push(id);
        }
    }
    if wanted.is_empty() {
        let code = has_component(only, arguments);
        if code == ExitCode::SUCCESS {
            show_result("there are no dead letters to replay");
        }
        return code;
    }
    let stops = match Stops::listen() {
        Ok(stops) => stops,
        Err(error) => return refuse(&error),
    };
    let file = &arguments.pipeline.file;
    let _server =
        match HttpArguments::default().serve(Served::new(&arguments.pipeline, None), &stops) {
            Ok(server) => server,
            Err(error) => return refuse(&error),
        };
    let mut first_failure = None;
    for ((pipeline, component), ids) in wanted {
        let of = format!("{pipeline}/{component}");
        if stops.is_stopping() {
            show_left(&of, ids.len());
            continue;
        }
        let loaded = match run::load(arguments, (COMMAND, true)) {
            Ok(loaded) => loaded,
            // The others need the file, too.
            Err(code) => return code,
        };
        let code = match replaying(loaded, &pipeline, &component, from_start, file) {
            Ok(loaded) => send(loaded, (&of, ids.len()), &arguments.pipeline, &stops),
            Err(error) => {
                refuse(&format!("{of}: {} not replayed ({}): {error}", ids.len(), some_of(&ids)))
            }
        };
        if code != ExitCode::SUCCESS {
            first_failure.get_or_insert(code);
        }
    }
    first_failure.unwrap_or(ExitCode::SUCCESS)
}

/// Leaves one pipeline of a file, with the letters of a component as its source.
fn replaying(
    mut loaded: Loaded,
    pipeline: &str,
    component: &str,
    from_start: bool,
    file: &Path,
) -> Result<Loaded, String> {
    let found = loaded.pipelines.into_iter().find(|one| one.name() == pipeline);
    let found = found.ok_or_else(|| {
        format!(
            "{} has no pipeline '{pipeline}': give a pipeline that name, or save each with 'gopiper \
             dlq show --payload ID'",
            file.display()
        )
    })?;
    let replaying = found.replaying(component, from_start).map_err(|error| error.to_string())?;
    loaded.pipelines = vec![replaying];
    Ok(loaded)
}

/// Runs a replay to its end, and reports the outcomes of the letters.
fn send(
    loaded: Loaded,
    (of, letters): (&str, usize),
    arguments: &PipelineArguments,
    stops: &Stops,
) -> ExitCode {
    let (summaries, code) = match run::drive(loaded, arguments, stops) {
        DriveOutcome::Ended { summaries, code } => (summaries, code),
        DriveOutcome::Refused(code) => return code,
    };
    let Some(Summary { outcomes, .. }) = summaries.first() else {
        show_left(of, letters);
        return code;
    };
    let failed = outcomes.dead_lettered + outcomes.failed;
    // Also those that a stop has kept from being read.
    let left = (letters as u64).saturating_sub(outcomes.delivered + outcomes.dropped + failed);
    let again = if left > 0 { ": replay again" } else { "" };
    // Standard output belongs to the pipeline.
    show_result(format_args!(
        "{of}: {} delivered, {} dropped, {failed} failed again, {left} left{again}",
        outcomes.delivered, outcomes.dropped,
    ));
    code
}

/// Reports letters that a stop has kept from being replayed.
fn show_left(of: &str, letters: usize) {
    show_result(format_args!("{of}: {letters} left: replay again"));
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
