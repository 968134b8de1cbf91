//! The dead letters of a pipeline's file, for the commands and for the server. `gopiper-core` knows
//! their format on disk, and reads and marks them. Nothing is shown here.
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use gopiper_core::{
    dead_letters::{self, Damage, SegmentReader, StoredLetter},
    state,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::warn;

use crate::command::{arguments::PipelineArguments, state_directory::DefaultState};

/// The folder of the letters of a pipeline's file.
#[derive(Debug)]
pub(crate) struct LettersFolder {
    pub(crate) path: PathBuf,
    /// The path of the state directory if it does not exist yet: then there are no letters.
    pub(crate) missing: Option<PathBuf>,
}

impl LettersFolder {
    /// If the state directory is missing, there are no letters. If the pipeline's file is missing,
    /// too, that is an error.
    ///
    /// # Errors
    /// The folder cannot be determined or read, as text.
    pub(crate) fn of(pipeline: &PipelineArguments) -> Result<Self, String> {
        let usual = || DefaultState::of(&pipeline.file).map(DefaultState::current);
        let Some(directory) = pipeline.state_dir.clone().or_else(usual) else {
            return Err(
                "there is no state directory, as neither HOME nor XDG_STATE_HOME is set: give --state-dir"
                    .into(),
            );
        };
        let shown = directory.display();
        if !directory.exists() && !pipeline.file.exists() {
            return Err(format!(
                "neither {} nor its state directory {shown} exists: name the pipeline's file, or \
                 give its --state-dir",
                pipeline.file.display(),
            ));
        }
        let missing = match fs::metadata(&directory) {
            Ok(there) if there.is_dir() => {
                state::check_version(&directory)?;
                false
            }
            Ok(_) => return Err(format!("{shown} is not a directory")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("cannot read {shown}: {error}"));
            }
            Err(_) => true,
        };
        let path = directory.join(dead_letters::FOLDER);
        Ok(LettersFolder { path, missing: missing.then_some(directory) })
    }
}

/// The segments in a folder.
///
/// # Errors
/// It cannot be read.
pub(crate) fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    dead_letters::segments(folder).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot read {}: {error}", folder.display()))
    })
}

/// A letter, and whether it has been replayed.
pub(crate) struct FoundLetter {
    pub(crate) id: String,
    pub(crate) entry: StoredLetter,
    pub(crate) done: bool,
}

/// Calls `each` with each letter of a segment, one after the other, because all of them together
/// may be large. Returns the damage.
///
/// # Errors
/// The segment cannot be read.
pub(crate) fn read_each(
    segment: &Path,
    mut each: impl FnMut(FoundLetter),
) -> io::Result<Vec<Damage>> {
    let failed =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", segment.display()));
    let stem = segment.file_stem().unwrap_or_default().to_string_lossy();
    let done = dead_letters::done(segment).map_err(failed)?;
    let mut damaged = Vec::new();
    for entry in SegmentReader::open(segment).map_err(failed)? {
        match entry {
            Ok(entry) => each(FoundLetter {
                id: match &*entry.letter.id {
                    "" => format!("{stem}:{}", entry.offset),
                    id => id.to_owned(),
                },
                done: done.contains(&entry.offset),
                entry,
            }),
            // Its writer may not have finished it.
            Err(_) if dead_letters::is_written(segment) => {}
            Err(damage) => damaged.push(damage),
        }
    }
    Ok(damaged)
}

/// Reports damaged letters, with their fate.
fn report(segment: &Path, damaged: &[Damage], fate: &str) {
    for Damage { offset, bytes } in damaged {
        warn!(segment = %segment.display(), offset, bytes, code = "dead_letter_damaged", "a dead letter is damaged or incomplete: {fate}");
    }
}

/// Reads all segments, and reports those that cannot be read.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn read_all(folder: &Path) -> io::Result<Vec<FoundLetter>> {
    let mut found = Vec::new();
    for segment in segments(folder)? {
        match read_each(&segment, |letter| found.push(letter)) {
            Ok(damaged) => report(&segment, &damaged, "skipped"),
            Err(error) => warn!(code = "dead_letter_unreadable", "{error}: skipped"),
        }
    }
    Ok(found)
}

/// Finds the letter with this id.
///
/// # Errors
/// There is no such letter, or the folder cannot be read.
pub(crate) fn find(folder: &Path, id: &str) -> io::Result<FoundLetter> {
    let found = read_all(folder)?.into_iter().find(|found| found.id == id);
    found.ok_or_else(|| {
        let said = format!("there is no dead letter '{id}' in {}", folder.display());
        io::Error::new(io::ErrorKind::NotFound, said)
    })
}

/// A letter as an object, without its bytes and its attributes.
pub(crate) fn described(FoundLetter { id, entry, done }: &FoundLetter) -> Value {
    let letter = &entry.letter;
    json!({
        "id": id,
        "position": Some(&letter.position).filter(|position| !position.is_empty()),
        "identity": Some(&letter.identity).filter(|identity| !identity.is_empty()),
        "time": time(letter.time),
        "pipeline": letter.pipeline,
        "component": letter.component,
        "status": letter.status,
        "description": letter.description,
        "attempts": letter.attempts,
        "bytes": letter.payload().len(),
        "replayed": done,
    })
}

/// A time as text, from nanoseconds since 1970.
pub(crate) fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| format!("{time:.3}"))
}

/// The numbers of letters that a purge has removed and left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PurgedLetters {
    pub(crate) removed: usize,
    /// In segments with a letter that was not replayed.
    pub(crate) left: usize,
    /// In segments that a process is writing.
    pub(crate) in_use: usize,
}

/// Removes segments that no process is writing: those whose letters were all replayed, or all.
///
/// # Errors
/// A segment cannot be removed.
pub(crate) fn purge(folder: &Path, all: bool) -> io::Result<PurgedLetters> {
    let (mut purged, mut has_changed) = (PurgedLetters::default(), false);
    for segment in segments(folder)? {
        // Asked first: a segment that no process is writing does not grow any more.
        let is_written = dead_letters::is_written(&segment);
        let (mut count, mut undone) = (0, 0);
        let damaged = read_each(&segment, |letter| {
            count += 1;
            undone += usize::from(!letter.done);
        });
        if damaged.is_err() {
            (count, undone) = (0, 1);
        }
        let goes = !is_written && (undone == 0 || all);
        let fate = if goes { "removed" } else { "left" };
        match damaged {
            Ok(damaged) => report(&segment, &damaged, fate),
            Err(error) => warn!(code = "dead_letter_unreadable", "{error}: {fate}"),
        }
        if goes {
            dead_letters::remove(&segment)?;
            has_changed = true;
            purged.removed += count;
        } else if is_written {
            purged.in_use += count;
        } else {
            purged.left += count;
        }
    }
    if has_changed {
        File::open(folder)?.sync_all()?;
        // It succeeds if all segments were removed.
        let _ = fs::remove_dir(folder);
    }
    Ok(purged)
}
