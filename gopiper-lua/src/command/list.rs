//! `gopiper list`.
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use gopiper_core::loader::{self, Inspection, Refusal};
use gopiper_lua::{SearchPath, unreadable};
use serde_json::json;

use crate::command::{
    arguments::SearchArguments, process::exit::refuse, terminal::output::print,
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
    /// Write a JSON object on each line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows the components that a name without a slash finds, from their notes: none of their code
/// runs.
pub(crate) fn list(arguments: &ListArguments) -> ExitCode {
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
