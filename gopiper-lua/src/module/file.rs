//! A pipeline's file, run once.
use std::{
    io,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use gopiper_core::Pipeline;

use crate::{
    function,
    language::{
        component_places::Places, placeholder, script::Script, search::SearchPath,
        settings::Settings,
    },
    module::{self, Made},
    problem::{
        Problem, digits,
        remark::{Remark, Severity},
    },
    state::plain_state,
};

/// The result of a file without errors.
pub struct Loaded {
    /// At least one, each ready to start.
    pub pipelines: Vec<Pipeline>,
    /// Warnings for the operator.
    pub warnings: Vec<Problem>,
    /// The positions of the pipelines' components in the file.
    pub places: Places,
}

/// Runs a pipeline's file, on this thread. Its stack should have 8 MB: then endless recursion
/// through Lua's library reaches Lua's own limit first, which is an error with a place.
///
/// # Errors
/// It cannot be read (see [`unreadable`](crate::unreadable)); or else all its errors and warnings.
pub fn load(file: &Path, settings: &Settings) -> io::Result<Result<Loaded, Vec<Problem>>> {
    let source = Arc::new(Script::read(file, settings.seed)?);
    let made = run(&source, settings);
    let is_error = |note: &Remark| note.severity == Severity::Error;
    let wrong = made.notes.iter().any(is_error);
    let mut problems: Vec<_> = made.notes.into_iter().map(|note| source.problem(note)).collect();
    problems.sort_by(Problem::by_place);
    if wrong {
        return Ok(Err(problems));
    }
    let places = Places { source, pipelines: made.places };
    Ok(Ok(Loaded { pipelines: made.pipelines, warnings: problems, places }))
}

/// The results of the file, and all its errors.
fn run(source: &Arc<Script>, settings: &Settings) -> Made {
    let (lua, progress) = match plain_state() {
        Ok(state) => state,
        Err(error) => {
            let mut made = Made::default();
            made.notes.push(source.ended_by(&error));
            return made;
        }
    };
    let search = SearchPath::new(&source.file, &settings.component_path);
    let ran = module::register(&lua, search, settings.clone(), source.clone())
        .and_then(|()| source.run(&lua, &progress, 0, |text, _| tracing::info!("{text}")));
    let mut made = lua.remove_app_data::<Made>().unwrap_or_default();
    let missing = SearchPath::missing(&settings.component_path).into_iter();
    made.notes.extend(missing.map(|warning| Remark::warning(None, warning)));
    let wrong = made.notes.iter().any(|note| note.severity == Severity::Error);
    match ran {
        Err(error) => {
            let note = source.ended_by(&error);
            // An error that results from a placeholder is not an error of its own.
            if !(wrong && placeholder::is_blamed(&note.text)) {
                made.notes.push(note);
            }
        }
        Ok(()) if wrong => {}
        Ok(()) => made.notes.extend(of_the_whole(source, &made)),
    }
    made
}

/// Errors of a file as a whole, if each of its calls is right.
fn of_the_whole(source: &Arc<Script>, made: &Made) -> Vec<Remark> {
    let file = source.file.display();
    if made.pipelines.is_empty() {
        let error = "creates no pipeline: call gopiper.createPipeline with a list of components";
        return vec![Remark::error(None, format!("{file} {error}"))];
    }
    if !made.functions.is_empty() {
        match function::count(source) {
            Ok(again) if again == made.functions => {}
            Ok(again) => {
                let pairs = (0..).map(|i| (made.functions.get(i), again.get(i)));
                let mut differing = (1..).zip(pairs).filter(|(_, (first, again))| first != again);
                let (number, (first, again)) = differing.next().unwrap_or_default();
                return vec![Remark::error(None, function::differs(source, number, first, again))];
            }
            Err(error) => {
                let mut note = source.ended_by(&error);
                note.text += "\nwhen a function's worker runs the file again";
                return vec![note];
            }
        }
    }
    let unused = made.components.iter().filter(|component| !component.taken.load(Relaxed));
    let unused = unused.map(|component| {
        let warning = format!("{} is loaded, but in no pipeline", component.file);
        Remark::warning(component.place.clone(), warning)
    });
    let chunks = source.chunks().into_iter();
    let digits = chunks.filter_map(|chunk| Some(digits::lost(&chunk, &source.text(&chunk)?)));
    unused.chain(digits.flatten()).collect()
}
