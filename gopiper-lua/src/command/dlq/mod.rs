//! `gopiper dlq`: lists, shows, replays and purges dead letters.
mod replay;

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use gopiper_core::{
    dead_letters::{Letter, StoredLetter},
    in_a_line,
    loader::for_shell,
    plural,
};

use crate::command::{
    arguments::PipelineArguments,
    letters::{self, FoundLetter, LettersFolder, PurgedLetters, described, read_all, time},
    process::exit::{self, refuse},
    run::RunArguments,
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
        /// Stop when the process with this number ends, which has started this one.
        #[arg(long, hide = true, value_name = "PID")]
        end_with: Option<u32>,
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
        DlqCommand::Replay { component, from_start, end_with, run } => {
            if let Some(parent) = end_with {
                replay::end_with(parent);
            }
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

/// The folder of the letters. If there is none, this is shown to the user.
fn folder(of: &PipelineArguments) -> Result<PathBuf, String> {
    let folder = LettersFolder::of(of)?;
    if let Some(missing) = folder.missing {
        show_result(format_args!(
            "there are no dead letters: {} does not exist",
            missing.display()
        ));
    }
    Ok(folder.path)
}

fn list(folder: &Path, as_json: bool) -> io::Result<ExitCode> {
    let mut out = BufWriter::new(standard_output());
    for found in read_all(folder)? {
        if as_json {
            writeln!(out, "{}", described(&found))?;
            continue;
        }
        let FoundLetter { id, entry: StoredLetter { letter, .. }, done } = &found;
        let Letter { pipeline, component, status, description, attempts, .. } = letter;
        let description = in_a_line(description);
        writeln!(
            out,
            "{id}  {}  {pipeline}/{component}  {status} {description}  {}  {}{}",
            time(letter.time),
            plural(*attempts as usize, "attempt"),
            plural(letter.payload().len(), "byte"),
            if *done { "  replayed" } else { "" }
        )?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn show(folder: &Path, id: &str, payload_alone: bool) -> io::Result<ExitCode> {
    let found = letters::find(folder, id)?;
    let letter = &found.entry.letter;
    let mut out = BufWriter::new(standard_output());
    if !payload_alone {
        writeln!(out, "{:#}", described(&found))?;
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

fn purge(folder: &Path, all: bool) -> io::Result<ExitCode> {
    let PurgedLetters { removed, left, in_use } = letters::purge(folder, all)?;
    print(format_args!("{} removed, {} left", plural(removed, "dead letter"), left + in_use));
    if left > 0 {
        let are = if left == 1 { "is" } else { "are" };
        print(format_args!(
            "{left} of them {are} in a file with letters that were not replayed: replay these, or \
             remove all of them with --all"
        ));
    }
    if in_use > 0 {
        let (are, it) = if in_use == 1 { ("is", "it") } else { ("are", "them") };
        print(format_args!(
            "{in_use} of them {are} in use by a running process: stop it, then purge again to \
             remove {it}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
