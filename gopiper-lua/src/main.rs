//! The `gopiper` program.
mod attributes;
mod cli;
mod commands;
mod dlq;
mod graph;
mod logging;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse() {
        Ok(arguments) => commands::execute(arguments),
        Err(code) => code,
    }
}
