//! `gopiper dlq`: lists, shows, replays and purges dead letters.
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use gopiper_core::{
    dead_letters::{self, Letter, SegmentReader, StoredLetter},
    in_a_line, state,
};
use gopiper_lua::Loaded;
use jiff::Timestamp;
use serde_json::json;
use tracing::warn;

use crate::command::{
    exit::{self, refuse},
    output::{StandardOutput, print, say},
    run::{self, DriveOutcome, RunArguments},
    signals::Stops,
    state_directory::DefaultState,
};

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, one a line, the id first
    List {
        #[command(flatten)]
        state: StateArguments,
        /// Write a JSON object on each line.
        #[arg(long)]
        json: bool,
    },
    /// Show a dead letter, with its attributes and its bytes
    Show {
        /// The id that `list` shows.
        id: String,
        /// Write the bytes alone.
        #[arg(long)]
        payload: bool,
        #[command(flatten)]
        state: StateArguments,
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
        state: StateArguments,
    },
}

/// The state directory of a pipeline's file.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// The Lua file that creates the pipelines.
    #[arg(default_value = "pipeline.lua", env = "GOPIPER_PIPELINE")]
    pub(crate) file: PathBuf,
    /// The state directory: checkpoints, buffers, dead letters [default: a folder of the file's own
    /// in $XDG_STATE_HOME/gopiper].
    #[arg(long, env = "GOPIPER_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Executes a subcommand of `dlq`.
pub(crate) fn execute(command: DlqCommand) -> ExitCode {
    let done = match command {
        DlqCommand::List { state, json } => folder(&state).and_then(|folder| list(&folder, json)),
        DlqCommand::Show { id, payload, state } => {
            folder(&state).and_then(|folder| show(&folder, &id, payload))
        }
        DlqCommand::Replay { component, from_start, run } => {
            return replay(component.as_deref(), from_start, &run);
        }
        DlqCommand::Purge { all, state } => folder(&state).and_then(|folder| purge(&folder, all)),
    };
    match done {
        Ok(code) => code,
        // The reader has closed it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("gopiper: {error}"));
            ExitCode::from(exit::FAILED)
        }
    }
}

/// The folder of the letters. A missing state directory has none, but if the pipeline's file is
/// missing, too, that is an error.
fn folder(of: &StateArguments) -> io::Result<PathBuf> {
    let usual = || DefaultState::of(&of.file).map(DefaultState::current);
    let Some(directory) = of.state_dir.clone().or_else(usual) else {
        return Err(io::Error::other(
            "there is no state directory, as neither HOME nor XDG_STATE_HOME is set: give --state-dir",
        ));
    };
    if !directory.exists() && !of.file.exists() {
        let said = format!(
            "neither {} nor its state directory {} exists: name the pipeline's file, or give its \
             --state-dir",
            of.file.display(),
            directory.display()
        );
        return Err(io::Error::new(io::ErrorKind::NotFound, said));
    }
    match fs::metadata(&directory) {
        Ok(there) if there.is_dir() => {
            state::check_version(&directory).map_err(io::Error::other)?;
        }
        Ok(_) => {
            let said = format!("{} is not a directory", directory.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, said));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let said = format!("cannot read {}: {error}", directory.display());
            return Err(io::Error::new(error.kind(), said));
        }
        Err(_) => say(format_args!(
            "there is no state in {}: nothing has been kept there",
            directory.display()
        )),
    }
    Ok(directory.join(dead_letters::FOLDER))
}

/// The segments in a folder.
fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    dead_letters::segments(folder).map_err(|error| {
        io::Error::new(error.kind(), format!("can't read {}: {error}", folder.display()))
    })
}

/// A letter, and whether it has been replayed.
struct FoundLetter {
    id: String,
    entry: StoredLetter,
    done: bool,
}

/// Reads a segment, and reports damaged letters.
fn read(segment: &Path) -> io::Result<Vec<FoundLetter>> {
    let failed =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", segment.display()));
    let stem = segment.file_stem().unwrap_or_default().to_string_lossy();
    let done = dead_letters::done(segment).map_err(failed)?;
    let mut found = Vec::new();
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
            Err(damage) => warn!(
                segment = %segment.display(), offset = damage.offset, bytes = damage.bytes,
                "damaged or incomplete: skipped"
            ),
        }
    }
    Ok(found)
}

/// Reads all segments, and reports those that cannot be read.
fn read_all(folder: &Path) -> io::Result<Vec<FoundLetter>> {
    let mut found = Vec::new();
    for segment in segments(folder)? {
        match read(&segment) {
            Ok(letters) => found.extend(letters),
            Err(error) => warn!("{error}: skipped"),
        }
    }
    Ok(found)
}

fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_or_else(|_| nanoseconds.to_string(), |time| format!("{time:.3}"))
}

fn list(folder: &Path, as_json: bool) -> io::Result<ExitCode> {
    let mut out = BufWriter::new(StandardOutput);
    for FoundLetter { id, entry: StoredLetter { letter, .. }, done } in read_all(folder)? {
        if as_json {
            writeln!(out, "{}", described(&id, &letter, done))?;
            continue;
        }
        let Letter { pipeline, component, status, description, attempts, .. } = &letter;
        let description = in_a_line(description);
        writeln!(
            out,
            "{id}  {}  {pipeline}/{component}  {status} {description}  {attempts} attempt(s)  {} bytes{}",
            time(letter.time),
            letter.payload().len(),
            if done { "  replayed" } else { "" }
        )?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn described(id: &str, letter: &Letter, done: bool) -> serde_json::Value {
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

fn show(folder: &Path, id: &str, payload_alone: bool) -> io::Result<ExitCode> {
    let found = read_all(folder)?.into_iter().find(|found| found.id == id);
    let Some(FoundLetter { entry: StoredLetter { letter, .. }, done, .. }) = found else {
        let said = format!("there is no dead letter '{id}' in {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, said));
    };
    let mut out = BufWriter::new(StandardOutput);
    if !payload_alone {
        writeln!(out, "{:#}", described(id, &letter, done))?;
        let message = letter.message();
        for (key, value) in message.attributes().into_iter().flat_map(gopiper_abi::Map::iter) {
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
    let (mut removed, mut left, mut in_use) = (0, 0, 0);
    for segment in segments(folder)? {
        // Asked first: a segment that no process is writing does not grow any more.
        let is_written = dead_letters::is_written(&segment);
        let letters = read(&segment);
        let undone =
            letters.as_ref().map_or(1, |found| found.iter().filter(|found| !found.done).count());
        let count = letters.as_ref().map_or(0, |found| found.len());
        if is_written {
            in_use += count;
            continue;
        }
        if undone > 0 && !all {
            left += count;
            continue;
        }
        removed += count;
        dead_letters::remove(&segment)?;
    }
    if removed > 0 {
        File::open(folder)?.sync_all()?;
        // It has no other contents.
        let _ = fs::remove_dir(folder);
    }
    print(format_args!("{removed} dead letter(s) removed, {} left", left + in_use));
    if in_use > 0 {
        print(format_args!(
            "{in_use} of them are in files that a running process still writes: stop it to remove them"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that occurs in no pipeline is an error.
fn has_component(name: Option<&str>, arguments: &RunArguments) -> ExitCode {
    let Some(name) = name else { return ExitCode::SUCCESS };
    match run::load(arguments, false) {
        Ok(Loaded { pipelines, .. })
            if pipelines.iter().any(|one| one.components().any(|own| own == name)) =>
        {
            ExitCode::SUCCESS
        }
        Ok(_) => {
            let file = arguments.file.display();
            refuse(&format!("no pipeline of {file} has a component '{name}'"))
        }
        Err(code) => code,
    }
}

/// Sends the letters of each component again, one component after the other.
fn replay(only: Option<&str>, from_start: bool, arguments: &RunArguments) -> ExitCode {
    let state =
        StateArguments { file: arguments.file.clone(), state_dir: arguments.state_dir.clone() };
    let found = match folder(&state).and_then(|folder| read_all(&folder)) {
        Ok(found) => found,
        Err(error) => return refuse(&error),
    };
    let wanted: BTreeSet<(String, String)> = found
        .into_iter()
        .filter(|found| !found.done)
        .map(|found| (found.entry.letter.pipeline, found.entry.letter.component))
        .filter(|(_, component)| only.is_none_or(|only| only == component))
        .collect();
    if wanted.is_empty() {
        say("there are no dead letters to replay");
        return has_component(only, arguments);
    }
    let stops = match Stops::listen() {
        Ok(stops) => stops,
        Err(error) => return refuse(&error),
    };
    for (name, component) in wanted {
        let mut loaded = match run::load(arguments, true) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        let pipelines = std::mem::take(&mut loaded.pipelines);
        let Some(pipeline) = pipelines.into_iter().find(|pipeline| pipeline.name() == name) else {
            let error = format!("{} has no pipeline '{name}'", arguments.file.display());
            return refuse(&error);
        };
        match pipeline.replaying(&component, from_start) {
            Ok(pipeline) => loaded.pipelines = vec![pipeline],
            Err(error) => return refuse(&error),
        }
        match run::drive(loaded, arguments, &stops) {
            DriveOutcome::Ended { summaries, code } => {
                for summary in &summaries {
                    let of = &summary.outcomes;
                    // Standard output belongs to the pipeline.
                    say(format_args!(
                        "{name}/{component}: {} delivered, {} dropped, {} failed again, {} left",
                        of.delivered,
                        of.dropped,
                        of.dead_lettered + of.failed,
                        of.returned + summary.unsettled
                    ));
                }
                if code != ExitCode::SUCCESS || stops.is_stopping() {
                    return code;
                }
            }
            DriveOutcome::Refused(code) => return code,
        }
    }
    ExitCode::SUCCESS
}
