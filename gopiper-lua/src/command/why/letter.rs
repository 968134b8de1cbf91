//! The way of a dead letter, from its record on disk.
use std::fmt::Write as _;

use gopiper_core::{
    dead_letters::{Attempted, Letter},
    in_a_line, plural,
    secrets::redact_bytes,
};
use serde_json::{Value, json};

use super::passport::report;
use crate::command::{
    arguments::PipelineArguments,
    letters::{self, FoundLetter, LettersFolder, described, time},
    terminal::output::print,
};

/// The most bytes of the message that are shown.
const SHOWN: usize = 256;

/// Shows the dead letter with this id.
///
/// # Errors
/// The reason why it cannot be found or read, as text.
pub(super) fn show(of: &PipelineArguments, id: &str, as_json: bool) -> Result<(), String> {
    let folder = LettersFolder::of(of)?.path;
    let found = letters::find(&folder, id).map_err(|error| error.to_string())?;
    match as_json {
        true => print(object(&found)),
        false => print(text(&found).trim_end()),
    }
    Ok(())
}

fn object(found: &FoundLetter) -> Value {
    let letter = &found.entry.letter;
    let mut object = described(found);
    let ways: Vec<_> = letter.ways.lines().collect();
    object["ways"] = json!(ways);
    object["created"] = json!((letter.message_time != 0).then(|| time(letter.message_time)));
    let attempted = |it: &Attempted| {
        json!({
            "first": time(it.first), "last": time(it.last), "attempts": it.attempts,
            "status": it.status, "description": it.description,
        })
    };
    object["earlier_attempts"] = letter.history.iter().map(attempted).collect();
    object
}

fn text(found: &FoundLetter) -> String {
    let FoundLetter { id, entry, done } = found;
    let letter: &Letter = &entry.letter;
    let mut text = format!("{}: dead letter {id}, ", letter.pipeline);
    if !letter.position.is_empty() {
        let _ = write!(text, "{}, ", in_a_line(&letter.position));
    }
    let bytes = letter.payload();
    // It is cut last, so that no part of a secret is left.
    let data = redact_bytes(bytes);
    let cut = if data.len() > SHOWN { "…" } else { "" };
    let data = String::from_utf8_lossy(&data[..data.len().min(SHOWN)]).into_owned();
    let _ = writeln!(text, "{}: {}{cut}", plural(bytes.len(), "byte"), in_a_line(&data));
    for way in letter.ways.lines() {
        let _ = writeln!(text, "way: {way}");
    }
    if letter.message_time != 0 {
        let _ = writeln!(text, "{}  created", time(letter.message_time));
    }
    let component = &letter.component;
    let mut attempts = 0;
    for alike in &letter.history {
        attempts += alike.attempts;
        let said = report(alike.status, &alike.description);
        let _ = write!(text, "{}  {component}  {said}", time(alike.first));
        if alike.attempts > 1 {
            let more = alike.attempts - 1;
            let _ = write!(text, " ({more} times more, at last {})", time(alike.last));
        }
        let _ = writeln!(text);
    }
    if letter.attempts > attempts + 1 {
        let between = plural((letter.attempts - attempts - 1) as usize, "attempt");
        let _ = writeln!(text, "({between} not listed)");
    }
    let mut said = report(letter.status, &letter.description);
    if (100..200).contains(&letter.status) {
        said += "; that was the last attempt";
    }
    let of =
        if letter.attempts > 1 { format!("attempt {}: ", letter.attempts) } else { String::new() };
    let _ = writeln!(text, "{}  {component}  {of}{said}", time(letter.time));
    if *done {
        let _ = writeln!(text, "it has been replayed");
    }
    text
}
