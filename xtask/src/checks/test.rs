//! The tests, with the program and the plugins that they load.

use std::env;
use std::ffi::OsString;

use anyhow::Result;

use crate::checks::c;
use crate::checks::needs;
use crate::checks::variants;
use crate::plugins::{self, Known};
use crate::run::Built;
use crate::workspace::{Cargo, WORKSPACE, components_below, own_metadata, program_of};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CARGO TEST ARGS")]
    args: Vec<OsString>,
}

pub(crate) fn test(args: &Args) -> Result<()> {
    run(&args.args, 200)
}

/// The program and all components as the tests use them.
pub(crate) fn built() -> Result<Built> {
    let metadata = own_metadata()?;
    // The same targets as `cargo test --workspace`, so that nothing is compiled twice.
    let artifacts = Cargo::new().build(&[WORKSPACE, &["--all-targets"]].concat())?;
    let program = program_of(&artifacts)?;
    let components = components_below(&metadata, plugins::FOR_TESTS);
    let plugins = metadata.target_directory.join("test-plugins").into_std_path_buf();
    plugins::install(&program, &components, &artifacts, &plugins, Known::Keep)?;
    c::for_tests(&metadata, &artifacts)?;
    Ok(Built { program, plugins })
}

/// `model_cases`: how many random pipelines the scheduler's model is held against.
pub(crate) fn run(args: &[OsString], model_cases: u32) -> Result<()> {
    let fetched = needs::fetch(&env::var_os("PATH").unwrap_or_default())?;
    let built = built()?;
    let variants = variants::build()?;
    let all: &[&str] = if names_packages(args) { &[] } else { WORKSPACE };
    Cargo::new()
        .env("GOPIPER_TEST_PLUGINS", built.plugins)
        .env("GOPIPER_TEST_PROGRAM", built.program)
        .env("GOPIPER_TEST_VARIANTS", variants)
        .env("GOPIPER_TEST_C", c::test_folder()?)
        .env("GOPIPER_TEST_PYTHON", fetched.python)
        .env("GOPIPER_TEST_NODE", fetched.node)
        .env("GOPIPER_MODEL_CASES", model_cases.to_string())
        .flags(all.iter().copied())
        .run("test", args)
}

/// Whether cargo's own arguments choose packages: `--workspace` would silently override them.
fn names_packages(args: &[OsString]) -> bool {
    args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--").any(|arg| {
        let long = arg.strip_prefix("--package");
        long.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            || (arg.starts_with("-p") && !arg.starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_when_packages_are_chosen() {
        let chosen =
            |args: &[&str]| names_packages(&args.iter().map(Into::into).collect::<Vec<_>>());
        assert!(chosen(&["-p", "gopiper-core"]));
        assert!(chosen(&["-pgopiper-core"]));
        assert!(chosen(&["--package=gopiper-core", "loader"]));
        assert!(!chosen(&[]));
        assert!(!chosen(&["loader", "--", "-p"]));
        assert!(!chosen(&["--profile", "release"]));
    }
}
