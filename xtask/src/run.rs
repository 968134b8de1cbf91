//! Builds what a pipeline needs, then becomes it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::iter;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use crate::plugins::{self, Known};
use crate::workspace::{Cargo, components_below, own_metadata, slow_components};

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
    let metadata = own_metadata()?;
    let components = components_below(&metadata, plugins::SHIPPED);
    // Lua takes any bytes.
    let text = fs::read(&args.file)?;
    let built = release(
        &named_in(&String::from_utf8_lossy(&text), components, &slow_components(&metadata)),
        plugins::default_out(&metadata),
    )?;
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

/// The components whose files a pipeline's text names: the others need not be built. All of them,
/// unless each call that loads a component has such a name; but slow ones only if they are named.
fn named_in<'m>(
    text: &str,
    components: Vec<&'m Package>,
    slow: &[&'m Package],
) -> Vec<&'m Package> {
    let times = |component: &Package| text.matches(&plugins::file_name(&component.name)).count();
    let all = components.iter().chain(slow).copied();
    let named: Vec<_> = all.filter(|one| times(one) > 0).collect();
    let is_complete = text.matches("require").count() == 1
        && text.matches("loadComponent").count()
            == named.iter().map(|one| times(one)).sum::<usize>();
    if is_complete && !named.is_empty() {
        return named;
    }
    let named_slow = slow.iter().copied().filter(|one| times(one) > 0);
    components.into_iter().chain(named_slow).collect()
}

/// The program and all components as a user would have them.
pub(crate) fn release_of_all() -> Result<Built> {
    let metadata = own_metadata()?;
    release(&components_below(&metadata, plugins::SHIPPED), plugins::default_out(&metadata))
}

/// The program and these components, in this folder, as a user would have them. Prints to standard
/// error only, and nothing if everything is up to date.
pub(crate) fn release(components: &[&Package], plugins: PathBuf) -> Result<Built> {
    let cargo = Cargo::new().release(true).quiet_when_fresh();
    let (program, artifacts) = plugins::build_with_program(&cargo, components)?;
    plugins::install(&program, components, &artifacts, &plugins, Known::Keep)?;
    Ok(Built { program, plugins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_components_are_built_if_the_text_names_each() {
        let metadata = own_metadata().unwrap();
        let built = |text: &str| -> Vec<String> {
            let components = components_below(&metadata, plugins::SHIPPED);
            let slow = slow_components(&metadata);
            named_in(text, components, &slow).iter().map(|one| one.name.to_string()).collect()
        };
        let text = "local gopiper = require('gopiper')
            gopiper.loadComponent('stdin_component.so') gopiper.loadComponent('null_component.so')";
        assert_eq!(built(text), ["null", "stdin"]);
        let slow = text.replace("null_component", "kafka_sink_component");
        assert_eq!(built(&slow), ["stdin", "kafka_sink"]);
        let all = built("");
        assert!(all.len() > 5 && !all.contains(&"kafka_sink".to_owned()));
        for text in [
            format!("{text} gopiper.loadComponent('vendor.so')"),
            format!("{text} gopiper.loadComponent(name .. '_component.so')"),
            format!("{text} require('more')"),
            "local gopiper = require('gopiper')".to_owned(),
        ] {
            assert_eq!(built(&text), all, "{text}");
        }
    }
}
