//! The commands that check the project: only in a program with the feature `checks`. `run` and
//! `build-plugins`, which a user needs first, may use nothing of this folder: so they are built
//! quickly.

mod access_log;
mod api;
mod authors;
mod bench;
mod c;
mod chaos;
mod ci;
mod compilers;
mod deny;
mod edges;
mod needs;
mod nights;
mod outside;
mod program;
mod rounds;
mod scale;
mod slow;
mod soundness;
mod test;
mod tidy;
mod variants;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Check {
    /// Build the libraries for C, with their headers, into target/c
    BuildC,
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
    Nights(rounds::Rounds),
    /// Share a work queue of JetStream among processes, and kill them and its servers
    Scale(scale::Args),
    /// Build the components with other compilers, and run pipelines of them
    Compilers,
    /// Compare the public API of gopiper-abi with its list (gopiper-abi/api.txt)
    Api(api::Args),
    /// Check what the compiler and clippy don't
    Tidy,
    /// Write the examples' input again
    MakeData,
}

impl Check {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Check::BuildC => c::build().map(|folder| println!("{}", folder.display())),
            Check::Variants => variants::build().map(|folder| println!("{}", folder.display())),
            Check::Test(args) => test::test(&args),
            Check::Ci(args) => ci::ci(&args),
            Check::Bench(args) => bench::bench(&args),
            Check::Chaos(args) => chaos::chaos(&args),
            Check::Nights(args) => nights::nights(&args),
            Check::Scale(args) => scale::scale(&args),
            Check::Compilers => compilers::all(),
            Check::Api(args) => api::api(&args),
            Check::Tidy => tidy::tidy(),
            Check::MakeData => access_log::make_data(),
        }
    }
}
