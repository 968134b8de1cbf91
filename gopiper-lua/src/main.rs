//! The `gopiper` program.
// What it shows goes through `output`, which knows what must not be seen.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod attributes;
mod cli;
mod commands;
mod dlq;
mod exit;
mod graph;
mod inspect;
mod list;
mod logging;
mod new;
mod output;
mod run;
mod signals;
mod standard;
mod state_directory;
mod trust;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    standard::keep_closed();
    if let Err(error) = signals::ignore_harmless() {
        return exit::refuse(&error);
    }
    match cli::parse() {
        Ok(arguments) => commands::execute(arguments),
        Err(code) => code,
    }
}
