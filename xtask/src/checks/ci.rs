//! Every check that a change has to pass.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::checks::{
    api, authors, chaos, compilers, deny, edges, nights, outside, scale, slow, soundness, test,
    tidy,
};
use crate::workspace::{Cargo, WORKSPACE};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also what takes longer: models of threads in every interleaving, tests under
    /// AddressSanitizer, ThreadSanitizer and Miri, components built by other compilers or with
    /// libraries that take minutes to build, a new author's way in Rust and C, ten thousand cases
    /// of the scheduler's model, 200 rounds of chaos, 500 kills of a pipeline that writes exactly
    /// once, 100 bad nights
    #[arg(long)]
    full: bool,
    /// Only the step with this name, as the list of times shows it
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
}

pub(crate) fn ci(args: &Args) -> Result<()> {
    let mut steps = Steps { only: args.only.clone(), ..Steps::default() };
    let result = checks(args, &mut steps);
    // Before the tests, so that the last lines are those of `cargo test`.
    steps.print();
    result?;
    let model_cases = if args.full { 10_000 } else { 200 };
    steps.step("test", || test::run(&[], model_cases))?;
    steps.check_name()
}

fn checks(args: &Args, steps: &mut Steps) -> Result<()> {
    let cargo = Cargo::new();
    steps.step("fmt", || cargo.run("fmt", &["--all", "--check"]))?;
    steps.step("tidy", tidy::tidy)?;
    steps.step("forbidden edges", edges::check)?;
    steps.step("licences", deny::licences)?;
    steps.step("clippy", || {
        let args = ["--all-targets", "--", "-D", "warnings"];
        cargo.run("clippy", &[WORKSPACE, &args].concat())
    })?;
    steps.step("doc", || {
        let cargo = Cargo::new().env("RUSTDOCFLAGS", "-Dwarnings");
        cargo.run("doc", &[WORKSPACE, &["--no-deps"]].concat())
    })?;
    steps.step("oldest compiler", compilers::oldest)?;
    if args.full {
        steps.step("other compilers", compilers::all)?;
        steps.step("authors", authors::check)?;
        steps.step("advisories", deny::advisories)?;
        steps.step("outside", outside::check)?;
        steps.step("slow components", slow::check)?;
        steps.step("public api", api::check)?;
        steps.step("loom", soundness::models)?;
        steps.step("memory errors", soundness::memory_errors)?;
        steps.step("data races", soundness::data_races)?;
        steps.step("miri", soundness::miri)?;
    }
    let rounds = if args.full { 200 } else { 10 };
    steps.step("nights", || nights::check(&test::built()?, rounds / 2))?;
    steps.step("chaos", || chaos::check(&test::built()?, rounds))?;
    let kills = if args.full { 500 } else { 30 };
    if args.full {
        steps.step("scale", || scale::check(&test::built()?))?;
    }
    steps.step("exactly once", || chaos::check_exactly_once(&test::built()?, kills))
}

#[derive(Default)]
struct Steps {
    only: Option<String>,
    /// The names of those that were left out.
    left_out: Vec<&'static str>,
    took: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn step(&mut self, name: &'static str, check: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.only.as_ref().is_some_and(|only| only != name) {
            self.left_out.push(name);
            return Ok(());
        }
        eprintln!("\n==> {name}");
        let start = Instant::now();
        let result = check();
        self.took.push((name, start.elapsed()));
        result.with_context(|| format!("the step '{name}' failed"))
    }

    /// A step that there is not would pass.
    fn check_name(&self) -> Result<()> {
        match &self.only {
            Some(only) if self.took.is_empty() => {
                bail!(
                    "there is no step '{only}' (there are {}; some only with --full)",
                    self.left_out.join(", ")
                )
            }
            _ => Ok(()),
        }
    }

    fn print(&self) {
        eprintln!("\n==> time");
        for (name, took) in &self.took {
            eprintln!("{:>8.1} s  {name}", took.as_secs_f64());
        }
    }
}
