//! The project's own commands. Links none of the other crates: it runs the built programs.
//!
//! A program without the feature `checks` has the two commands that a user needs first, and starts
//! one with that feature for all others.
#![cfg_attr(not(feature = "checks"), allow(dead_code))]

#[cfg(feature = "checks")]
mod checks;
mod plugins;
mod run;
mod symbols;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::EndedWith;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build components into sealed NAME_component.so files
    BuildPlugins(plugins::Args),
    /// Build what a pipeline needs and run it
    Run(run::Args),
    #[cfg(feature = "checks")]
    #[command(flatten)]
    Check(checks::Check),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let ended = error.chain().find_map(|cause| cause.downcast_ref::<EndedWith>());
            ended.map_or(ExitCode::FAILURE, |ended| ExitCode::from(ended.code))
        }
    }
}

fn run() -> Result<()> {
    #[cfg(not(feature = "checks"))]
    become_one_with_checks()?;
    match Cli::parse().command {
        Command::BuildPlugins(args) => plugins::build(args),
        Command::Run(args) => run::run(args),
        #[cfg(feature = "checks")]
        Command::Check(check) => check.run(),
    }
}

/// Becomes the program with all commands, unless this one has the command that was called.
#[cfg(not(feature = "checks"))]
fn become_one_with_checks() -> Result<()> {
    use std::{env, os::unix::process::CommandExt, process::Stdio};

    let args: Vec<_> = env::args_os().skip(1).collect();
    if args.first().is_some_and(|command| command == "run" || command == "build-plugins") {
        return Ok(());
    }
    let mut cargo = workspace::Cargo::new().command("run");
    cargo.args(["--quiet", "--package", "xtask", "--features", "checks", "--"]).args(args);
    Err(cargo.current_dir(env::current_dir()?).stdin(Stdio::inherit()).exec().into())
}
