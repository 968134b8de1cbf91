//! The project's own commands. Links none of the other crates: it runs the built programs.

mod access_log;
mod api;
mod bench;
mod c;
mod chaos;
mod ci;
mod compilers;
mod deny;
mod edges;
mod nights;
mod outside;
mod plugins;
mod run;
mod soundness;
mod test;
mod tidy;
mod variants;
mod workspace;

use std::process::ExitCode;

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
    /// Build the libraries for C, with their headers, into target/c
    BuildC,
    /// Build what a pipeline needs and run it
    Run(run::Args),
    /// Build the component files that the loader's tests want refused, or taken against the odds
    Variants,
    /// Build what the tests need and run them
    Test(test::Args),
    /// Every check that a change has to pass
    Ci(ci::Args),
    /// Measure pipelines against the commands they replace
    Bench(bench::Args),
    /// Kill a pipeline at any moment, lose power, fill the disk: nothing may be lost
    Chaos(chaos::Args),
    /// Mix odd lines, rotations, environments, signals and limits at random: each line must come
    /// once
    Nights(nights::Args),
    /// Build the components with other compilers, and run pipelines of them
    Compilers,
    /// Compare the public API of gopiper-abi with its list (gopiper-abi/api.txt)
    Api(api::Args),
    /// Check what the compiler and clippy don't
    Tidy,
    /// Write the examples' input again
    MakeData,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::BuildPlugins(args) => plugins::build(args),
        Command::BuildC => c::build(),
        Command::Run(args) => run::run(args),
        Command::Variants => variants::build().map(|folder| println!("{}", folder.display())),
        Command::Test(args) => test::test(&args),
        Command::Ci(args) => ci::ci(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Nights(args) => nights::nights(&args),
        Command::Chaos(args) => chaos::chaos(&args),
        Command::Compilers => compilers::all(),
        Command::Api(args) => api::api(&args),
        Command::Tidy => tidy::tidy(),
        Command::MakeData => access_log::make_data(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let ended = error.chain().find_map(|cause| cause.downcast_ref::<EndedWith>());
            ended.map_or(ExitCode::FAILURE, |ended| ExitCode::from(ended.code))
        }
    }
}
