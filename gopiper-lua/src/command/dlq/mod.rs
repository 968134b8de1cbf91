//! `gopiper dlq`: lists, shows, replays and purges dead letters. Their format on disk is not known
//! here: `gopiper-core` reads and marks them.
mod replay;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use gopiper_core::{
    dead_letters::{self, Damage, Letter, SegmentReader, StoredLetter},
    in_a_line,
    loader::for_shell,
    plural, state,
};
use jiff::Timestamp;
use serde_json::json;
use tracing::warn;

use crate::command::{
    arguments::PipelineArguments,
    process::exit::{self, refuse},
    run::RunArguments,
    state_directory::DefaultState,
    terminal::output::{print, standard_output},
    terminal::problems::{show_error, show_result},
};

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, one a line, the id first
    List {
        #[command(flatten)]
        pipeline: PipelineArguments,
        /// Write a JSON object on each line.
        #[arg(long)]
        json: bool,
    },
    /// Show a dead letter, with its attributes and its bytes
    ///
    /// A terminal shows control characters escaped; a file or a pipe receives the bytes as they
    /// are.
    Show {
        /// The id that `list` shows.
        id: String,
        /// Write the bytes alone.
        #[arg(long)]
        payload: bool,
        #[command(flatten)]
        pipeline: PipelineArguments,
    },
    /// Send dead letters through the pipeline again, from the component that failed with them
    Replay {
        /// Replay only those of this component.
        #[arg(long, value_name = "NAME")]
        component: Option<String>,
        /// Send them through the whole pipeline.
        #[arg(long)]
        from_start: bool,
        #[command(flatten)]
        run: RunArguments,
    },
    /// Remove the dead letters that were replayed
    Purge {
        /// Remove the others, too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        pipeline: PipelineArguments,
    },
}

/// Executes a subcommand of `dlq`.
pub(crate) fn execute(command: DlqCommand) -> ExitCode {
    match command {
        DlqCommand::List { pipeline, json } => in_folder(&pipeline, |folder| list(folder, json)),
        DlqCommand::Show { id, payload, pipeline } => {
            if Path::new(&id).extension().is_some_and(|extension| extension == "lua") {
                show_error(format_args!(
                    "'{id}' is a file: give the id of a dead letter before it; gopiper \
                     dlq list {} shows the ids",
                    for_shell(&id)
                ));
                return ExitCode::from(exit::USAGE);
            }
            in_folder(&pipeline, |folder| show(folder, &id, payload))
        }
        DlqCommand::Replay { component, from_start, run } => {
            replay::replay(component.as_deref(), from_start, &run)
        }
        DlqCommand::Purge { all, pipeline } => in_folder(&pipeline, |folder| purge(folder, all)),
    }
}

/// Applies a command to the folder of the letters.
fn in_folder(of: &PipelineArguments, work: impl FnOnce(&Path) -> io::Result<ExitCode>) -> ExitCode {
    let folder = match folder(of) {
        Ok(folder) => folder,
        Err(error) => return refuse(&error),
    };
    match work(&folder) {
        Ok(code) => code,
        // The reader has closed it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            show_error(error);
            ExitCode::from(exit::FAILED)
        }
    }
}

/// The folder of the letters. A missing state directory has none, but if the pipeline's file is
/// missing, too, that is an error.
fn folder(of: &PipelineArguments) -> Result<PathBuf, String> {
    let usual = || DefaultState::of(&of.file).map(DefaultState::current);
    let Some(directory) = of.state_dir.clone().or_else(usual) else {
        return Err(
            "there is no state directory, as neither HOME nor XDG_STATE_HOME is set: give --state-dir"
                .into(),
        );
    };
    let shown = directory.display();
    if !directory.exists() && !of.file.exists() {
        return Err(format!(
            "neither {} nor its state directory {shown} exists: name the pipeline's file, or give \
             its --state-dir",
            of.file.display(),
        ));
    }
    match fs::metadata(&directory) {
        Ok(there) if there.is_dir() => state::check_version(&directory)?,
        Ok(_) => return Err(format!("{shown} is not a directory")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("cannot read {shown}: {error}"));
        }
        Err(_) => {
            show_result(format_args!("there are no dead letters: {shown} does not exist"));
        }
    }
    Ok(directory.join(dead_letters::FOLDER))
}

/// The segments in a folder.
fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    dead_letters::segments(folder).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot read {}: {error}", folder.display()))
    })
}

/// A letter, and whether it has been replayed.
pub(super) struct FoundLetter {
    pub(super) id: String,
    pub(super) entry: StoredLetter,
    pub(super) done: bool,
}

/// The letter with this id.
///
/// # Errors
/// There is none, or it cannot be read: why.
pub(super) fn find(of: &PipelineArguments, id: &str) -> Result<FoundLetter, String> {
    find_in(&folder(of)?, id).map_err(|error| error.to_string())
}

/// Reads a segment: its letters, and its damage.
fn read(segment: &Path) -> io::Result<(Vec<FoundLetter>, Vec<Damage>)> {
    let failed =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", segment.display()));
    let stem = segment.file_stem().unwrap_or_default().to_string_lossy();
    let done = dead_letters::done(segment).map_err(failed)?;
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    for entry in SegmentReader::open(segment).map_err(failed)? {
        match entry {
            Ok(entry) => found.push(FoundLetter {
                id: match entry.letter.id.as_str() {
                    "" => format!("{stem}:{}", entry.offset),
                    id => id.to_owned(),
                },
                done: done.contains(&entry.offset),
                entry,
            }),
            // Its writer may be in the middle of it.
            Err(_) if dead_letters::is_written(segment) => {}
            Err(damage) => damaged.push(damage),
        }
    }
    Ok((found, damaged))
}

/// Reports damaged letters, with their fate.
fn report(segment: &Path, damaged: &[Damage], fate: &str) {
    for Damage { offset, bytes } in damaged {
        warn!(segment = %segment.display(), offset, bytes, code = "dead_letter_damaged", "a dead letter is damaged or incomplete: {fate}");
    }
}

/// Reads all segments, and reports those that cannot be read.
fn read_all(folder: &Path) -> io::Result<Vec<FoundLetter>> {
    let mut found = Vec::new();
    for segment in segments(folder)? {
        match read(&segment) {
            Ok((letters, damaged)) => {
                report(&segment, &damaged, "skipped");
                found.extend(letters);
            }
            Err(error) => warn!(code = "dead_letter_unreadable", "{error}: skipped"),
        }
    }
    Ok(found)
}

pub(super) fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| format!("{time:.3}"))
}

fn list(folder: &Path, as_json: bool) -> io::Result<ExitCode> {
    let mut out = BufWriter::new(standard_output());
    for FoundLetter { id, entry: StoredLetter { letter, .. }, done } in read_all(folder)? {
        if as_json {
            writeln!(out, "{}", described(&id, &letter, done))?;
            continue;
        }
        let Letter { pipeline, component, status, description, attempts, .. } = &letter;
        let description = in_a_line(description);
        writeln!(
            out,
            "{id}  {}  {pipeline}/{component}  {status} {description}  {}  {}{}",
            time(letter.time),
            plural(*attempts as usize, "attempt"),
            plural(letter.payload().len(), "byte"),
            if done { "  replayed" } else { "" }
        )?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn described(id: &str, letter: &Letter, done: bool) -> serde_json::Value {
    json!({
        "id": id,
        "position": Some(&letter.position).filter(|position| !position.is_empty()),
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

fn find_in(folder: &Path, id: &str) -> io::Result<FoundLetter> {
    let found = read_all(folder)?.into_iter().find(|found| found.id == id);
    found.ok_or_else(|| {
        let said = format!("there is no dead letter '{id}' in {}", folder.display());
        io::Error::new(io::ErrorKind::NotFound, said)
    })
}

fn show(folder: &Path, id: &str, payload_alone: bool) -> io::Result<ExitCode> {
    let FoundLetter { entry: StoredLetter { letter, .. }, done, .. } = find_in(folder, id)?;
    let mut out = BufWriter::new(standard_output());
    if !payload_alone {
        writeln!(out, "{:#}", described(id, &letter, done))?;
        let message = letter.message();
        for (key, value) in message.attributes().iter() {
            writeln!(out, "{key}: {value:?}")?;
        }
        writeln!(out)?;
    }
    out.write_all(letter.payload())?;
    if !payload_alone {
        writeln!(out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Removes segments that no process is writing: those that were replayed, or all.
fn purge(folder: &Path, all: bool) -> io::Result<ExitCode> {
    let (mut removed, mut left, mut in_use, mut has_changed) = (0, 0, 0, false);
    for segment in segments(folder)? {
        // Asked first: a segment that no process is writing does not grow any more.
        let is_written = dead_letters::is_written(&segment);
        let letters = read(&segment);
        let (count, undone) = letters.as_ref().map_or((0, 1), |(found, _)| {
            (found.len(), found.iter().filter(|found| !found.done).count())
        });
        let goes = !is_written && (undone == 0 || all);
        let fate = if goes { "removed" } else { "left" };
        match letters {
            Ok((_, damaged)) => report(&segment, &damaged, fate),
            Err(error) => warn!(code = "dead_letter_unreadable", "{error}: {fate}"),
        }
        if goes {
            dead_letters::remove(&segment)?;
            has_changed = true;
            removed += count;
        } else if is_written {
            in_use += count;
        } else {
            left += count;
        }
    }
    if has_changed {
        File::open(folder)?.sync_all()?;
        // It has no other contents.
        let _ = fs::remove_dir(folder);
    }
    print(format_args!("{} removed, {} left", plural(removed, "dead letter"), left + in_use));
    if in_use > 0 {
        let (are, it) = if in_use == 1 { ("is", "it") } else { ("are", "them") };
        print(format_args!(
            "{in_use} of them {are} in use by a running process: stop it, then purge again to \
             remove {it}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
