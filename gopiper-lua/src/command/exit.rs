//! How the program ends.
use std::process::ExitCode;

use crate::command::output::{say, take_error};

/// Something failed, or was left or lost.
pub(crate) const FAILED: u8 = 1;
/// The command line can't be understood.
pub(crate) const USAGE: u8 = 64;
/// The configuration is wrong, or a component was refused.
pub(crate) const CONFIGURATION: u8 = 78;

/// Says why nothing is done.
pub(crate) fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    say(format_args!("gopiper: {error}"));
    ExitCode::from(CONFIGURATION)
}

/// How the program ends, if nothing is wrong with what it has written.
pub(crate) fn finish(code: ExitCode) -> ExitCode {
    match take_error() {
        Some(error) => {
            say(format_args!("gopiper: {error}"));
            ExitCode::from(FAILED)
        }
        None => code,
    }
}
