//! The components whose libraries take minutes to build, which the other steps leave out.

use std::env;

use anyhow::Result;

use crate::checks::{c, needs, test, variants};
use crate::plugins::{self, Known};
use crate::workspace::{Cargo, SLOW, own_metadata, slow_components};

pub(crate) fn check() -> Result<()> {
    let chosen = SLOW.iter().flat_map(|name| ["-p", name]);
    let with_tests: Vec<&str> = chosen
        .clone()
        .chain(["-p", "gopiper-lua", "--features", "gopiper-lua/slow-components"])
        .collect();
    let warnings = ["--all-targets", "--", "-D", "warnings"];
    Cargo::new().run("clippy", &[&with_tests[..], &warnings].concat())?;

    let fetched = needs::fetch(&env::var_os("PATH").unwrap_or_default())?;
    let built = test::built()?;
    let metadata = own_metadata()?;
    let components = slow_components(&metadata);
    let (_, artifacts) = plugins::build_with_program(&Cargo::new(), &components)?;
    plugins::install(&built.program, &components, &artifacts, &built.plugins, Known::Keep)?;

    Cargo::new().run("test", &chosen.collect::<Vec<_>>())?;
    Cargo::new()
        .env("GOPIPER_TEST_PLUGINS", built.plugins)
        .env("GOPIPER_TEST_PROGRAM", built.program)
        .env("GOPIPER_TEST_VARIANTS", variants::build()?)
        .env("GOPIPER_TEST_C", c::test_folder()?)
        .env("GOPIPER_TEST_PYTHON", fetched.python)
        .env("GOPIPER_TEST_NODE", fetched.node)
        .run(
            "test",
            &[
                "-p",
                "gopiper-lua",
                "--features",
                "slow-components",
                "--test",
                "inspect",
                "--test",
                "kafka",
            ],
        )
}
