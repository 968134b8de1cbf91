//! The command line.
use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};

use crate::command::{
    dlq::DlqCommand, drawing::GraphFormat, exit, list::ListArguments, logging::LogArguments,
    new::NewArguments, output::print, run::RunArguments, trust::TrustArguments,
    verify::VerifyArguments,
};

/// Runs message processing pipelines of prebuilt components.
#[derive(Debug, Parser)]
#[command(name = "gopiper", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the pipelines of a Lua file until their sources end
    Run(RunArguments),
    /// Check whether the pipelines of a Lua file would start, without starting them
    Check {
        /// Treat warnings as errors.
        #[arg(long)]
        deny_warnings: bool,
        #[command(flatten)]
        run: RunArguments,
    },
    /// Draw the pipelines of a Lua file: their components, and where messages go
    Graph {
        /// The format of the drawing.
        #[arg(long, value_enum, default_value_t)]
        format: GraphFormat,
        #[command(flatten)]
        run: RunArguments,
    },
    /// List the components that are found, without running any of their code
    List(ListArguments),
    /// Show the note in a component's file, without running any of its code
    Inspect {
        /// The component's file.
        file: PathBuf,
        /// Load the component, too, and show its attributes.
        #[arg(long)]
        load: bool,
        /// Write a JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Check whether a component's file can be loaded, and test whether it behaves
    Verify(VerifyArguments),
    /// Create a crate with a component to start from
    New(NewArguments),
    /// List, show, replay or remove dead letters: messages that have failed for good
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Show the versions of the program, the interface, LuaJIT and the compiler
    Version {
        /// Write a JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Reads the command line. Help and errors of clap are shown here.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    parse_from(std::env::args_os()).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let text = match io::stdout().is_terminal() {
                true => text.ansi().to_string(),
                false => text.to_string(),
            };
            print(text.trim_end());
            exit::finish(ExitCode::SUCCESS)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(exit::USAGE)
        }
    })
}

fn parse_from(words: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let command = without_empty_variables(Arguments::command());
    Arguments::from_arg_matches(&command.try_get_matches_from(with_run(words))?)
}

/// An empty variable counts as unset: scripts and service files set them like that.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
            true => argument.env(None::<&str>),
            false => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// `-pipe FILE`, the form of the first gopiper, means `run FILE`.
fn with_run(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.map(|argument| if argument == "-pipe" { "run".into() } else { argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_first_gopipers_flag_still_works() {
        let words = ["gopiper", "-pipe", "a.lua"].map(OsString::from).into_iter();
        let arguments = parse_from(words).unwrap();
        assert!(
            matches!(arguments.command, Command::Run(run) if run.file.to_str() == Some("a.lua"))
        );
    }
}
