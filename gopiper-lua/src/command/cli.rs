//! The command line.
use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::command::{
    dlq::DlqCommand,
    http::HttpArguments,
    kit::KitCommand,
    list::ListArguments,
    new::NewArguments,
    otlp::{LogLayer, OtlpArguments},
    process::exit,
    run::RunArguments,
    tap::TapArguments,
    terminal::drawing::GraphFormat,
    terminal::logging::LogArguments,
    terminal::output::print_styled,
    terminal::problems::{show_error, write_objects},
    top::TopArguments,
    trust::TrustArguments,
    verify::VerifyArguments,
    why::WhyArguments,
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
    Run {
        #[command(flatten)]
        http: HttpArguments,
        #[command(flatten)]
        otlp: OtlpArguments,
        #[command(flatten)]
        run: RunArguments,
    },
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
    /// Show what a running gopiper does: the rates, the waits and the cost of each component
    ///
    /// q quits; s changes the order, / filters, Enter shows a component's details. Without a
    /// terminal the table is written as text after each interval.
    Top(TopArguments),
    /// Show messages of a component while they pass, as they reach it and as they leave it
    Tap(TapArguments),
    /// Show the way of one message: its components, with times and reports, and its outcome
    ///
    /// Without an id, it follows the next message of a running gopiper. With the id of a dead
    /// letter, it shows the record of that message on disk.
    Why(WhyArguments),
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
    /// Write the files for building a component in another language than Rust
    Kit {
        #[command(subcommand)]
        command: KitCommand,
    },
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

impl Command {
    /// The layer that also receives the lines of the log, if there is one.
    pub(crate) fn log_layer(&self) -> Option<LogLayer> {
        match self {
            Command::Run { otlp, .. } => otlp.layer(),
            _ => None,
        }
    }

    /// Whether it has `--json`.
    pub(crate) fn writes_json(&self) -> bool {
        match self {
            Command::List(arguments) => arguments.json,
            Command::Top(arguments) => arguments.json,
            Command::Tap(arguments) => arguments.writes_json(),
            Command::Verify(arguments) => arguments.json,
            Command::Why(arguments) => arguments.json,
            Command::Inspect { json, .. }
            | Command::Dlq { command: DlqCommand::List { json, .. } }
            | Command::Version { json } => *json,
            _ => false,
        }
    }
}

/// Reads the command line. Help and errors of clap are shown here.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    let words: Vec<_> = with_run(env::args_os()).collect();
    parse_from(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            match io::stdout().is_terminal() {
                true => print_styled(text.ansi().to_string().trim_end()),
                false => print_styled(text.to_string().trim_end()),
            }
            exit::finish(ExitCode::SUCCESS)
        }
        _ => {
            if want_objects(&words) {
                write_objects();
            }
            let text = error.render().to_string();
            match text.trim_end().strip_prefix("error: ") {
                Some(error) => show_error(error),
                // clap shows only the help.
                None => show_error(format_args!("a command is missing\n\n{}", text.trim_end())),
            }
            ExitCode::from(exit::USAGE)
        }
    })
}

/// Whether these words, or else the variable, want errors as objects. clap does not say: it has not
/// read beyond the error.
fn want_objects(words: &[OsString]) -> bool {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    // `--log-format json` is `--log-format=json`.
    match words.join("=").rsplit_once("--log-format=") {
        _ if words.iter().any(|word| word == "--json") => true,
        Some((_, format)) => format.starts_with("json"),
        None => env::var_os("GOPIPER_LOG_FORMAT").is_some_and(|format| format == "json"),
    }
}

fn parse_from(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = with_variables(Arguments::command());
    let read = command.try_get_matches_from_mut(words);
    let read = read.and_then(|matches| Arguments::from_arg_matches(&matches));
    read.map_err(|error| naming_variable(error, &mut command, words))
}

/// Names the variable that has a wrong value, where clap names its option.
fn naming_variable(
    mut error: clap::Error,
    command: &mut clap::Command,
    words: &[OsString],
) -> clap::Error {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    // `--log-format xml` and `--log-format=xml` are the operator's own words.
    if words.iter().any(|word| word.to_string_lossy().ends_with(value.as_str())) {
        return error;
    }
    let variable = |command: &clap::Command| {
        let is_it = |argument: &&clap::Arg| {
            argument.to_string() == *option
                && argument.get_env().and_then(env::var_os) == Some(value.into())
        };
        let argument = command.get_arguments().find(is_it)?;
        Some(argument.get_env()?.to_string_lossy().into_owned())
    };
    // An option can only be shown once its command is built.
    command.build();
    if let Some(variable) = commands(command).into_iter().find_map(variable) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// A command, and all below it.
fn commands(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().flat_map(commands);
    std::iter::once(command).chain(below).collect()
}

/// An empty variable counts as unset: scripts and service files set them like that. The help shows
/// no values: they may be secret, or control a terminal.
fn with_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
            true => argument.env(None::<&str>),
            false => argument.hide_env_values(true),
        })
        .mut_subcommands(with_variables)
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

    /// As for `GOPIPER_QUIET=1`: clap alone takes only `true` and `false`.
    #[test]
    fn the_variable_of_each_flag_may_be_1() {
        let mut program = Arguments::command();
        program.build();
        let commands = program.get_subcommands().chain([&program]);
        let all = commands.flat_map(clap::Command::get_arguments);
        for flag in all.filter(|it| it.get_env().is_some() && !it.get_action().takes_values()) {
            let mut values = flag.get_value_parser().possible_values().into_iter().flatten();
            assert!(values.any(|value| value.matches("1", false)), "{}", flag.get_id());
        }
    }

    #[test]
    fn the_first_gopipers_flag_still_works() {
        let words = ["gopiper", "-pipe", "a.lua"].map(OsString::from).into_iter();
        let arguments = parse_from(&with_run(words).collect::<Vec<_>>()).unwrap();
        let Command::Run { run, .. } = arguments.command else { panic!("another command") };
        assert_eq!(run.pipeline.file.to_str(), Some("a.lua"));
    }
}
