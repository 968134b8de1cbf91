//! The `gopiper` program.
// All output goes through `output`, which knows what must not be seen.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod command;

use std::process::ExitCode;

use crate::command::{cli, execute, exit, signals, standard};

fn main() -> ExitCode {
    standard::keep_closed();
    if let Err(error) = signals::ignore_harmless() {
        return exit::refuse(&error);
    }
    match cli::parse() {
        Ok(arguments) => exit::finish(standard::with_enough_stack(|| execute(arguments))),
        Err(code) => code,
    }
}
