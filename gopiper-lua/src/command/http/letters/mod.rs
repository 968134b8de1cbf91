//! `/api/v1/dead-letters`: lists dead letters, shows one, and removes those that were replayed.
//! They are read on a separate thread, for one request at a time.
pub(super) mod replay;

use std::{collections::BTreeMap, sync::Arc};

use gopiper_core::{
    dead_letters::Letter,
    secrets::{redact, redact_bytes},
};
use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{
    answer::{Answer, json, text},
    message::{add_data, attribute, cut},
    state::shared::Shared,
};
use crate::command::{
    arguments::PipelineArguments,
    bytes::drop_cut_character,
    letters::{self, FoundLetter, LettersFolder, PurgedLetters},
};

/// The most letters in a list.
const MOST_LISTED: usize = 200;
/// The most bytes of a letter that are shown.
const MOST_BYTES: usize = 256 << 10;
/// The most attributes that are shown, and the most bytes of each.
const MOST_ATTRIBUTES: usize = 200;
const MOST_OF_ATTRIBUTE: usize = 4 << 10;

/// The newest letters, and how many there are.
#[derive(Debug, Default, Serialize)]
struct LettersAnswer {
    /// The number of letters that can be read.
    count: usize,
    /// The number of those that were replayed.
    replayed: usize,
    /// Newest first.
    letters: Vec<ListedLetter>,
}

#[derive(Debug, Serialize)]
struct ListedLetter {
    id: String,
    time_seconds: f64,
    pipeline: String,
    component: String,
    status: i64,
    description: String,
    attempts: u64,
    position: Option<String>,
    identity: Option<String>,
    bytes: usize,
    replayed: bool,
}

pub(super) async fn list(shared: &Arc<Shared>) -> Answer {
    answer(shared, |pipeline| listed(pipeline).map(|found| json(&found))).await
}

pub(super) async fn show(shared: &Arc<Shared>, id: &str) -> Answer {
    // The path has it percent-encoded.
    let decoded = form_urlencoded::parse(id.as_bytes()).next();
    let id = decoded.map_or_else(String::new, |(name, _)| name.into_owned());
    answer(shared, move |pipeline| {
        Ok(match whole(pipeline, &id)? {
            Some(letter) => json(&letter),
            None => text(StatusCode::NOT_FOUND, format!("there is no dead letter '{id}'\n")),
        })
    })
    .await
}

pub(super) async fn purge(shared: &Arc<Shared>) -> Answer {
    answer(shared, |pipeline| {
        let folder = LettersFolder::of(pipeline)?.path;
        let purged = letters::purge(&folder, false).map_err(|error| error.to_string())?;
        let PurgedLetters { removed, left, in_use } = purged;
        Ok(json(&json!({ "removed": removed, "left": left, "in_use": in_use })))
    })
    .await
}

/// Does the work on another thread.
async fn answer(
    shared: &Arc<Shared>,
    work: impl FnOnce(&PipelineArguments) -> Result<Answer, String> + Send + 'static,
) -> Answer {
    // The semaphore is never closed.
    let place = shared.letters.clone().acquire_owned().await;
    let for_work = shared.clone();
    let done = spawn_blocking(move || {
        let answer = work(&for_work.served.pipeline);
        drop(place);
        answer
    })
    .await;
    match done.unwrap_or_else(|_| Err("the dead letters cannot be read".into())) {
        Ok(answer) => answer,
        Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
    }
}

/// Calls `each` for all letters. Segments that cannot be read are reported.
fn read(pipeline: &PipelineArguments, mut each: impl FnMut(FoundLetter)) -> Result<(), String> {
    let folder = LettersFolder::of(pipeline)?.path;
    for segment in letters::segments(&folder).map_err(|error| error.to_string())? {
        if let Err(error) = letters::read_each(&segment, &mut each) {
            // The segment may just have been removed.
            if error.kind() != std::io::ErrorKind::NotFound {
                warn!(code = "dead_letter_unreadable", "{error}: skipped");
            }
        }
    }
    Ok(())
}

fn listed(pipeline: &PipelineArguments) -> Result<LettersAnswer, String> {
    let mut answer = LettersAnswer::default();
    let mut newest = BTreeMap::new();
    read(pipeline, |found| {
        answer.count += 1;
        answer.replayed += usize::from(found.done);
        // Letters with the same time stay in their order.
        newest.insert((found.entry.letter.time, answer.count), about(&found));
        if newest.len() > MOST_LISTED {
            newest.pop_first();
        }
    })?;
    answer.letters = newest.into_values().rev().collect();
    Ok(answer)
}

fn about(FoundLetter { id, entry, done }: &FoundLetter) -> ListedLetter {
    let letter = &entry.letter;
    let clean = |text: &str| redact(text).into_owned();
    let mut description = clean(&letter.description);
    cut(&mut description, MOST_OF_ATTRIBUTE);
    ListedLetter {
        id: id.clone(),
        time_seconds: letter.time as f64 / 1e9,
        pipeline: clean(&letter.pipeline),
        component: clean(&letter.component),
        status: letter.status,
        description,
        attempts: letter.attempts,
        position: Some(clean(&letter.position)).filter(|position| !position.is_empty()),
        identity: Some(clean(&letter.identity)).filter(|identity| !identity.is_empty()),
        bytes: letter.payload().len(),
        replayed: *done,
    }
}

/// A letter with its attributes and its bytes.
fn whole(pipeline: &PipelineArguments, id: &str) -> Result<Option<Value>, String> {
    let mut found = None;
    read(pipeline, |letter| {
        if found.is_none() && letter.id == id {
            found = Some(contents(&letter));
        }
    })?;
    Ok(found)
}

fn contents(found: &FoundLetter) -> Value {
    let mut object = match json!(about(found)) {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let letter = &found.entry.letter;
    object.insert("attributes".into(), attributes(letter).into());
    let mut data = redact_bytes(letter.payload()).into_owned();
    let is_cut = data.len() > MOST_BYTES;
    if is_cut {
        data.truncate(MOST_BYTES);
        drop_cut_character(&mut data);
    }
    object.insert("is_cut".into(), is_cut.into());
    add_data(&mut object, data);
    Value::Object(object)
}

fn attributes(letter: &Letter) -> Map<String, Value> {
    let message = letter.message();
    let attributes = message.attributes().iter().take(MOST_ATTRIBUTES);
    let shown = attributes.map(|(name, value)| {
        let mut value = attribute(value);
        if let Value::String(text) = &mut value {
            cut(text, MOST_OF_ATTRIBUTE);
        }
        (redact(name).into_owned(), value)
    });
    shown.collect()
}
