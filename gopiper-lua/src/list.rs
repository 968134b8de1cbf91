//! `gopiper list`.
use std::process::ExitCode;

use gopiper_core::loader::{self, Refusal};
use gopiper_lua::SearchPath;
use serde_json::json;

use crate::{cli::ListArguments, output::print};

/// Shows the components that a name finds, from their notes: none of their code runs.
pub(crate) fn list(arguments: &ListArguments) -> ExitCode {
    let search = SearchPath::new(&arguments.file, &arguments.component_path);
    for (name, path) in search.components() {
        let inspected =
            loader::inspect(&path).and_then(|inspection| match inspection.verdicts.first() {
                Some(refusal) => Err(refusal.clone()),
                None => Ok(inspection),
            });
        let path = path.display().to_string();
        match inspected {
            Ok(of) if arguments.json => print(json!({
                "file": name, "path": path, "name": of.name, "version": of.version,
                "kind": of.kind.name(), "interface": of.interface,
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

/// In a line.
fn why(refusal: &Refusal) -> String {
    format!("it {} (found: {})", refusal.problem, refusal.found.replace('\n', " "))
}
