//! `gopiper list`.
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use gopiper_core::{
    in_a_line,
    loader::{self, Inspection, Refusal},
};
use gopiper_lua::{SearchPath, unreadable};
use serde_json::json;

use crate::command::{
    arguments::SearchArguments, control::running, process::exit::refuse, terminal::output::print,
    terminal::problems::show_warning,
};

/// The folders to search for components.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The pipeline's file: components beside it are found, too [default: pipeline.lua, which need
    /// not exist].
    #[arg(env = "GOPIPER_PIPELINE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) search: SearchArguments,
    /// List your running pipelines instead: the number of each process, its state, how long it has
    /// run, and its file.
    #[arg(long)]
    pub(crate) running: bool,
    /// Write a JSON object on each line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows the components that a name without a slash finds, from their notes: none of their code
/// runs.
pub(crate) fn list(arguments: &ListArguments) -> ExitCode {
    if arguments.running {
        return list_running(arguments.json);
    }
    let file = arguments.file.as_deref();
    // A file that was named and does not exist is misspelt.
    if let Some((file, Err(error))) = file.map(|file| (file, File::open(file))) {
        return refuse(&unreadable(file, &error, "list"));
    }
    let file = file.unwrap_or(Path::new("pipeline.lua"));
    let given = &arguments.search.component_path;
    let search = SearchPath::new(file, given);
    let missing = SearchPath::missing(given);
    missing.iter().for_each(show_warning);
    for (name, path) in search.components() {
        let inspected =
            loader::inspect(&path).and_then(|inspection| match inspection.verdicts.first() {
                Some(refusal) => Err(refusal.clone()),
                None => Ok(inspection),
            });
        let path = path.display().to_string();
        let missing = inspected.as_ref().map_or(Vec::new(), Inspection::missing_libraries);
        if !missing.is_empty() {
            let missing = missing.join(", ");
            show_warning(format_args!("{path} needs libraries that are not found: {missing}"));
        }
        match inspected {
            Ok(of) if arguments.json => print(json!({
                "file": name, "path": path, "name": of.name, "version": of.version,
                "kind": of.kind.name(), "interface": of.interface, "missing": missing,
            })),
            Ok(of) => {
                let kind = of.kind.name();
                print(format_args!(
                    "{name:<28} {kind:<9} {} {}, interface {}  {path}",
                    of.name, of.version, of.interface
                ));
            }
            Err(refusal) if arguments.json => {
                print(json!({ "file": name, "path": path, "refused": why(&refusal) }));
            }
            Err(refusal) => print(format_args!("{name:<28} refused: {}  {path}", why(&refusal))),
        }
    }
    ExitCode::SUCCESS
}

/// The reason on one line.
fn why(refusal: &Refusal) -> String {
    format!("it {} (found: {})", refusal.problem, refusal.found.replace('\n', " "))
}

/// Shows the running processes of this user.
fn list_running(as_json: bool) -> ExitCode {
    for process in running() {
        match process.get("/api/v1/process") {
            Ok(found) if as_json => print(found),
            Ok(found) => {
                let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
                let uptime = found["uptime_seconds"].as_f64().unwrap_or_default();
                print(format_args!(
                    "{:>8}  {:<8}  {:>10}  {}",
                    process.pid,
                    text("state"),
                    in_units(uptime as u64),
                    in_a_line(&text("file"))
                ));
            }
            // It may have ended meanwhile.
            Err(error) => show_warning(error),
        }
    }
    ExitCode::SUCCESS
}

/// Seconds as days, hours, minutes and seconds, the two largest of them.
fn in_units(seconds: u64) -> String {
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm')];
    let parts = parts.into_iter().chain([(seconds % 60, 's')]);
    let parts: Vec<_> = parts.skip_while(|(count, unit)| *count == 0 && *unit != 's').collect();
    parts.iter().take(2).map(|(count, unit)| format!("{count}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_two_largest_units() {
        let all = [0, 59, 60, 3599, 3600, 90_000, 86_400 * 12 + 7200 + 5];
        let all = all.map(in_units);
        assert_eq!(all, ["0s", "59s", "1m0s", "59m59s", "1h0m", "1d1h", "12d2h"]);
    }
}
