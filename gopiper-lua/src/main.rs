//! The `gopiper` program.
// All output goes through `output`, which knows what must not be seen.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod command;

use std::process::ExitCode;

use crate::command::{
    cli, execute, process::exit, process::shared_process, process::signals, process::standard,
};

fn main() -> ExitCode {
    standard::keep_closed();
    if let Err(error) = signals::ignore_harmless().and_then(|()| shared_process::report_ends()) {
        return exit::refuse(&error);
    }
    // Also when this thread panics.
    let _own_end = shared_process::OwnEnd;
    match cli::parse() {
        Ok(arguments) => exit::finish(standard::with_enough_stack(|| execute(arguments))),
        Err(code) => code,
    }
}
