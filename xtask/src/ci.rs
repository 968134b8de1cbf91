//! Every check that a change has to pass.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::workspace::Cargo;
use crate::{chaos, compilers, edges, soundness, test, tidy};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also what takes longer: models of threads in every interleaving, tests under AddressSanitizer,
    /// ThreadSanitizer and Miri, components built by other compilers, ten thousand cases of the scheduler's model, 200 rounds of chaos
    #[arg(long)]
    full: bool,
}

pub(crate) fn ci(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    let result = checks(args, &mut steps);
    // Before the tests, so that the last lines are those of `cargo test`.
    steps.print();
    result?;
    let model_cases = if args.full { 10_000 } else { 200 };
    Steps::default().step("test", || test::run(&[], model_cases))
}

fn checks(args: &Args, steps: &mut Steps) -> Result<()> {
    let cargo = Cargo::new();
    steps.step("fmt", || cargo.run("fmt", &["--all", "--check"]))?;
    steps.step("tidy", tidy::tidy)?;
    steps.step("forbidden edges", edges::check)?;
    steps.step("clippy", || {
        let args = ["--workspace", "--all-targets", "--", "-D", "warnings"];
        cargo.run("clippy", &args)
    })?;
    steps.step("doc", || {
        let cargo = Cargo::new().env("RUSTDOCFLAGS", "-Dwarnings");
        cargo.run("doc", &["--workspace", "--no-deps"])
    })?;
    steps.step("oldest compiler", compilers::oldest)?;
    if args.full {
        steps.step("other compilers", compilers::all)?;
        steps.step("loom", soundness::models)?;
        steps.step("memory errors", soundness::memory_errors)?;
        steps.step("data races", soundness::data_races)?;
        steps.step("miri", soundness::miri)?;
    }
    let rounds = if args.full { 200 } else { 10 };
    steps.step("chaos", || chaos::check(&test::built()?, rounds))
}

#[derive(Default)]
struct Steps {
    took: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn step(&mut self, name: &'static str, check: impl FnOnce() -> Result<()>) -> Result<()> {
        eprintln!("\n==> {name}");
        let start = Instant::now();
        let result = check();
        self.took.push((name, start.elapsed()));
        result.with_context(|| format!("the step '{name}' failed"))
    }

    fn print(&self) {
        eprintln!("\n==> time");
        for (name, took) in &self.took {
            eprintln!("{:>8.1} s  {name}", took.as_secs_f64());
        }
    }
}
