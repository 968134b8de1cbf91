//! What can be said on the command line.
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};

use crate::{
    graph::GraphFormat, new::NewArguments, trust::TrustArguments, verify::VerifyArguments,
};

/// The exit codes that every command shares.
pub(crate) mod exit {
    /// Something failed, or was left or lost.
    pub(crate) const FAILED: u8 = 1;
    /// The command line can't be understood.
    pub(crate) const USAGE: u8 = 64;
    /// The configuration is wrong, or a component was refused.
    pub(crate) const CONFIGURATION: u8 = 78;
}

/// Runs message processing pipelines of prebuilt components.
#[derive(Debug, Parser)]
#[command(name = "gopiper", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

/// What goes to standard error.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Say more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Say nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", env = "GOPIPER_QUIET")]
    pub(crate) quiet: bool,
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t, env = "GOPIPER_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What is logged, in the syntax of RUST_LOG; wins over -v and -q.
    #[arg(long, global = true, env = "GOPIPER_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: a JSON object for each line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the pipelines of a Lua file until their sources end
    Run(RunArguments),
    /// Look whether the pipelines of a Lua file would start, without starting them
    Check {
        /// Warnings are errors.
        #[arg(long)]
        deny_warnings: bool,
        #[command(flatten)]
        run: RunArguments,
    },
    /// Draw the pipelines of a Lua file: which components, and where messages go
    Graph {
        /// What the drawing is written in.
        #[arg(long, value_enum, default_value_t)]
        format: GraphFormat,
        #[command(flatten)]
        run: RunArguments,
    },
    /// List the components that are found, without running any of their code
    List(ListArguments),
    /// Show what a component's file says of itself, without running any of its code
    Inspect {
        /// The component's file.
        file: PathBuf,
        /// Load it too, and show the attributes that can be set.
        #[arg(long)]
        load: bool,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Take a component's file through the gates, and look whether it behaves
    Verify(VerifyArguments),
    /// Make a component to begin with, in a crate of its own
    New(NewArguments),
    /// Look at dead letters: messages that have failed for good; replay them, or remove them
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Show the versions of the program, the interface, LuaJIT and the compiler
    Version {
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List them, a line each: the id first
    List {
        #[command(flatten)]
        state: StateArguments,
        /// A JSON object for each line.
        #[arg(long)]
        json: bool,
    },
    /// Show one, with its attributes and its bytes
    Show {
        /// The id that `list` shows.
        id: String,
        /// Its bytes alone, as they are.
        #[arg(long)]
        payload: bool,
        #[command(flatten)]
        state: StateArguments,
    },
    /// Send them through the pipeline again, from the component that has failed with them
    Replay {
        /// Those of one component alone.
        #[arg(long, value_name = "NAME")]
        component: Option<String>,
        /// Send them through the whole pipeline.
        #[arg(long)]
        from_start: bool,
        #[command(flatten)]
        run: RunArguments,
    },
    /// Remove those that were replayed
    Purge {
        /// Remove the others too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        state: StateArguments,
    },
}

/// Where components are looked for.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The pipeline's file: components beside it are found too [default: pipeline.lua, which need not
    /// be there].
    #[arg(env = "GOPIPER_PIPELINE")]
    pub(crate) file: Option<PathBuf>,
    /// More directories to look for components in, separated by colons.
    #[arg(long, env = "GOPIPER_COMPONENT_PATH", value_delimiter = ':', value_name = "DIRS")]
    pub(crate) component_path: Vec<PathBuf>,
    /// A JSON object for each line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the state of a pipeline's file lies.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// The file that says what the pipelines are made of.
    #[arg(default_value = "pipeline.lua", env = "GOPIPER_PIPELINE")]
    pub(crate) file: PathBuf,
    /// Where components keep what they must remember [default: $XDG_STATE_HOME/gopiper/NAME].
    #[arg(long, env = "GOPIPER_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The file that says what the pipelines are made of.
    #[arg(default_value = "pipeline.lua", env = "GOPIPER_PIPELINE")]
    pub(crate) file: PathBuf,
    /// More directories to look for components in, separated by colons.
    #[arg(long, env = "GOPIPER_COMPONENT_PATH", value_delimiter = ':', value_name = "DIRS")]
    pub(crate) component_path: Vec<PathBuf>,
    /// Where components keep what they must remember [default: $XDG_STATE_HOME/gopiper/NAME].
    #[arg(long, env = "GOPIPER_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Seconds that the pipelines may take to drain after the first signal; what is left then is
    /// reported, and not processed.
    #[arg(long, env = "GOPIPER_SHUTDOWN_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    pub(crate) shutdown_timeout: u32,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

/// Reads the command line; what clap has to say is said here.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse_from(with_run(std::env::args_os())).map_err(|error| {
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::from(exit::USAGE),
        }
    })
}

/// `-pipe FILE`, as the first gopiper had it, is `run FILE`.
fn with_run(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.map(|argument| if argument == "-pipe" { "run".into() } else { argument })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_first_gopipers_flag_still_works() {
        let words = ["gopiper", "-pipe", "a.lua"].map(OsString::from).into_iter();
        let arguments = Arguments::try_parse_from(with_run(words)).unwrap();
        assert!(
            matches!(arguments.command, Command::Run(run) if run.file.to_str() == Some("a.lua"))
        );
    }
}
