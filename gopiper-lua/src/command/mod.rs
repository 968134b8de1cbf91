//! The command line, and a file for each command. Only this folder writes to the terminal.
mod arguments;
mod attributes;
mod bytes;
pub(crate) mod cli;
mod control;
mod dlq;
mod http;
mod inspect;
mod kit;
mod letters;
mod list;
mod new;
mod new_files;
mod otlp;
pub(crate) mod process;
mod run;
mod sample;
mod state_directory;
mod tap;
mod terminal;
mod top;
mod trust;
mod verify;
mod why;

use std::process::ExitCode;

use gopiper_abi::raw::{INTERFACE_VERSION, RUSTC_VERSION};
use gopiper_core::loader::{Refusal, Trust};
use serde_json::json;

use self::{
    cli::{Arguments, Command},
    inspect::inspect,
    list::list,
    new::new,
    process::{exit, standard},
    run::{check, draw, run},
    tap::tap,
    terminal::{
        logging,
        output::print,
        problems::{show_error, show_refusal},
    },
    top::top,
    trust::TrustArguments,
    verify::verify,
    why::why,
};

/// Executes the command line.
pub(crate) fn execute(arguments: Arguments) -> ExitCode {
    let command = &arguments.command;
    if let Err(error) = logging::init(&arguments.log, command.writes_json(), command.log_layer()) {
        show_error(error);
        return ExitCode::from(exit::USAGE);
    }
    standard::raise_open_files();
    match arguments.command {
        Command::Run { http, otlp, run: arguments } => run(&arguments, &http, &otlp),
        Command::Check { deny_warnings, run } => {
            check(&run, deny_warnings, arguments.log.log_format)
        }
        Command::Graph { format, run } => draw(&run, format),
        Command::List(arguments) => list(&arguments),
        Command::Top(arguments) => top(&arguments),
        Command::Tap(arguments) => tap(&arguments),
        Command::Why(arguments) => why(&arguments),
        Command::Inspect { file, load, json, trust } => {
            with_trust(&trust, |trust| inspect(&file, trust, load, json))
        }
        Command::Verify(arguments) => {
            with_trust(&arguments.trust, |trust| verify(&arguments, trust))
        }
        Command::New(arguments) => new(&arguments),
        Command::Kit { command } => kit::execute(&command),
        Command::Dlq { command } => dlq::execute(command),
        Command::Version { json } => version(json),
    }
}

/// Applies a command to a file, with the operator's trusted keys.
fn with_trust(
    given: &TrustArguments,
    look: impl FnOnce(&Trust) -> Result<ExitCode, Refusal>,
) -> ExitCode {
    let trust = match given.trust() {
        Ok(trust) => trust.unwrap_or_default(),
        Err(code) => return code,
    };
    look(&trust).unwrap_or_else(|refusal| {
        show_refusal(&refusal);
        ExitCode::from(exit::CONFIGURATION)
    })
}

fn version(as_json: bool) -> ExitCode {
    let luajit = mlua::Lua::new().load("return jit.version").eval::<String>().unwrap_or_default();
    let luajit = luajit.trim_start_matches("LuaJIT ");
    let (program, rustc) = (env!("CARGO_PKG_VERSION"), RUSTC_VERSION);
    if as_json {
        let version = json!({ "program": program, "interface": INTERFACE_VERSION, "luajit": luajit, "rustc": rustc });
        print(version);
    } else {
        print(format_args!(
            "gopiper   {program}\ninterface {INTERFACE_VERSION}\nLuaJIT    {luajit}\nrustc     {rustc}"
        ));
    }
    ExitCode::SUCCESS
}
