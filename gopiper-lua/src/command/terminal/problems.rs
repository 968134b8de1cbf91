//! Problems on standard error, beside the log: as text for people, or as an object on each line for
//! programs.
use std::{
    collections::HashMap,
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use gopiper_core::loader::Refusal;
use gopiper_lua::{Problem, Severity};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::Level;

use crate::command::terminal::output::say;

/// Whether programs read them.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on, each is an object.
pub(crate) fn write_objects() {
    JSON.store(true, Relaxed);
}

/// The most problems with one text that people see.
const MOST_EQUAL: usize = 10;

/// Shows problems, each by `show`. Of those with one text, people see the first ones and a count of
/// the others: a file may make each of thousands of components in one loop.
pub(crate) fn show_all(problems: &[Problem], show: fn(&Problem)) {
    let mut counts = HashMap::<_, usize>::new();
    let key =
        |problem: &'_ Problem| (problem.severity() == Severity::Error, problem.text().to_owned());
    for problem in problems {
        let count = counts.entry(key(problem)).or_default();
        *count += 1;
        if *count <= MOST_EQUAL || JSON.load(Relaxed) {
            show(problem);
        }
    }
    if JSON.load(Relaxed) {
        return;
    }
    for problem in problems {
        let count = counts.remove(&key(problem)).unwrap_or_default();
        if let more @ 1.. = count.saturating_sub(MOST_EQUAL) {
            let title = problem.text().lines().next().unwrap_or_default();
            let text = format!("{more} more like this: {title}");
            show(&Problem::without_place(problem.severity(), text));
        }
    }
}

/// Shows a problem of a pipeline's file, with its line. A warning is not shown if the log leaves
/// warnings out.
pub(crate) fn show(problem: &Problem) {
    if problem.severity() == Severity::Error || tracing::enabled!(Level::WARN) {
        show_always(problem);
    }
}

/// As [`show`], for warnings that make the command fail.
pub(crate) fn show_always(problem: &Problem) {
    let is_error = problem.severity() == Severity::Error;
    if !JSON.load(Relaxed) {
        let text = problem.to_string();
        // An empty line follows one that has more than one line.
        let end = if text.contains('\n') { "\n" } else { "" };
        return say(format_args!("{text}{end}"));
    }
    let mut object = object(if is_error { Level::ERROR } else { Level::WARN }, problem.text());
    if let Some((file, line, column)) = problem.place() {
        (object["file"], object["line"]) = (file.into(), line.into());
        object["column"] = column.into();
    }
    if let Some(refusal) = problem.refusal() {
        add_parts(refusal, &mut object);
    }
    say(object);
}

/// Shows why the program, or a part of its work, fails.
pub(crate) fn show_error(error: impl Display) {
    show_line(Level::ERROR, "gopiper: ", error);
}

/// Shows why a component's file is refused.
pub(crate) fn show_refusal(refusal: &Refusal) {
    if !JSON.load(Relaxed) {
        return say(refusal);
    }
    let mut object = object(Level::ERROR, refusal);
    add_parts(refusal, &mut object);
    say(object);
}

/// Shows a warning of a command.
pub(crate) fn show_warning(warning: impl Display) {
    show_line(Level::WARN, "warning: ", warning);
}

/// Shows a result that is not for standard output.
pub(crate) fn show_result(text: impl Display) {
    show_line(Level::INFO, "", text);
}

/// People see the prefix, programs the level.
fn show_line(level: Level, prefix: &str, text: impl Display) {
    match JSON.load(Relaxed) {
        true => say(object(level, text)),
        false => say(format_args!("{prefix}{text}")),
    }
}

/// With the keys of a log line.
fn object(level: Level, text: impl Display) -> Value {
    json!({
        "timestamp": format!("{:.6}", Timestamp::now()),
        "level": level.as_str(),
        "message": text.to_string(),
        "target": "gopiper",
    })
}

fn add_parts(refusal: &Refusal, object: &mut Value) {
    let Refusal { file, problem, found, wanted, remedy, .. } = refusal;
    object["component_file"] = file.display().to_string().into();
    object["problem"] = (*problem).into();
    for (key, text) in [("found", found), ("wanted", wanted), ("remedy", remedy)] {
        object[key] = text.as_str().into();
    }
}
