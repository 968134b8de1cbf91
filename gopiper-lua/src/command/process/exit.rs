//! Exit codes.
use std::process::ExitCode;

use crate::command::terminal::{output::take_error, problems::show_error};

/// Something failed, was left unprocessed, or was lost.
pub(crate) const FAILED: u8 = 1;
/// The command line cannot be understood.
pub(crate) const USAGE: u8 = 64;
/// A component ended the process.
pub(crate) const ENDED: u8 = 70;
/// The configuration is wrong, or a component was refused.
pub(crate) const CONFIGURATION: u8 = 78;

/// Reports why the program does nothing.
pub(crate) fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    show_error(error);
    ExitCode::from(CONFIGURATION)
}

/// The exit code, unless writing to standard output has failed.
pub(crate) fn finish(code: ExitCode) -> ExitCode {
    match take_error() {
        Some(error) => {
            show_error(error);
            ExitCode::from(FAILED)
        }
        None => code,
    }
}
