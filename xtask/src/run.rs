//! Builds what a pipeline needs, then becomes it.

use std::env;
use std::ffi::OsString;
use std::iter;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::plugins::{self, Known};
use crate::workspace::{Cargo, components_below, own_metadata};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pipeline
    #[arg(value_name = "FILE.lua")]
    file: PathBuf,
    /// Passed on to `gopiper run`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> Result<()> {
    if !args.file.is_file() {
        bail!("there is no file {}", args.file.display());
    }
    let built = release()?;
    let mut path = vec![built.plugins];
    if let Some(more) = env::var_os("GOPIPER_COMPONENT_PATH") {
        path.extend(env::split_paths(&more));
    }
    let failure = Command::new(&built.program)
        .arg("run")
        .args(iter::once(args.file.into_os_string()).chain(args.args))
        .env("GOPIPER_COMPONENT_PATH", env::join_paths(path)?)
        .exec();
    Err(failure).with_context(|| format!("cannot start {}", built.program.display()))
}

pub(crate) struct Built {
    pub(crate) program: PathBuf,
    pub(crate) plugins: PathBuf,
}

/// The program and the components as a user would have them. Prints to standard error alone,
/// and nothing if all is there already.
pub(crate) fn release() -> Result<Built> {
    let metadata = own_metadata()?;
    let cargo = Cargo::new().release(true).quiet_when_fresh();
    let components = components_below(&metadata, plugins::SHIPPED);
    let (program, artifacts) = plugins::build_with_program(&cargo, &components)?;
    let plugins = plugins::default_out(&metadata);
    plugins::install(&program, &components, &artifacts, &plugins, Known::Keep)?;
    Ok(Built { program, plugins })
}
