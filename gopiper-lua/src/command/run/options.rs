//! The options of `gopiper run`. Other commands that load a file have them, too.
use std::{env, ffi::OsString};

use clap::{Args, builder::BoolishValueParser};

use crate::command::{
    arguments::{PipelineArguments, SearchArguments},
    trust::TrustArguments,
};

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    #[command(flatten)]
    pub(crate) search: SearchArguments,
    /// Seconds that the pipelines may take to drain after the first signal. Messages that are left
    /// then are reported, and not processed.
    #[arg(long, env = "GOPIPER_SHUTDOWN_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    pub(crate) shutdown_timeout: u32,
    /// Relative paths in attributes start at the working directory, and not at the folder of the
    /// pipeline's file.
    #[arg(long, env = "GOPIPER_PATHS_FROM_WORKING_DIRECTORY",
        value_parser = BoolishValueParser::new())]
    pub(crate) paths_from_working_directory: bool,
    /// Open the files of components at their own paths, so that debuggers and profilers find them.
    /// Do not replace such a file while it is in use.
    #[arg(long, env = "GOPIPER_LOAD_IN_PLACE", value_parser = BoolishValueParser::new())]
    pub(crate) load_in_place: bool,
    /// The seed of math.random in Lua: the same number gives the same results in each run.
    #[arg(long, env = "GOPIPER_SEED", value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

impl RunArguments {
    /// The same options and file as command-line words, for another process.
    pub(super) fn as_words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        let mut add = |option: &str, value: Option<OsString>| {
            if let Some(value) = value {
                words.extend([option.into(), value]);
            }
        };
        add("--state-dir", self.pipeline.state_dir.clone().map(OsString::from));
        let path = env::join_paths(&self.search.component_path).ok();
        add("--component-path", path.filter(|path| !path.is_empty()));
        add("--shutdown-timeout", Some(self.shutdown_timeout.to_string().into()));
        add("--seed", self.seed.map(|seed| seed.to_string().into()));
        words.extend(self.trust.as_words());
        for (is_given, flag) in [
            (self.paths_from_working_directory, "--paths-from-working-directory"),
            (self.load_in_place, "--load-in-place"),
        ] {
            words.extend(is_given.then(|| flag.into()));
        }
        // The name of a file may begin with a dash.
        words.extend(["--".into(), self.pipeline.file.clone().into()]);
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArguments,
    }

    #[test]
    fn another_process_gets_the_same_arguments() {
        let given = [
            "gopiper",
            "--state-dir",
            "/var/lib/a b",
            "--component-path",
            "/a:/b",
            "--shutdown-timeout",
            "7",
            "--seed",
            "42",
            "--unsigned=warn",
            "--trusted-key=one",
            "--trusted-key=two",
            "--paths-from-working-directory",
            "--load-in-place",
            "--",
            "-odd.lua",
        ];
        let words = Line::parse_from(given).run.as_words();
        assert_eq!(words, given[1..]);
        let few = Line::parse_from(["gopiper", "a.lua"]).run.as_words();
        assert!(few.ends_with(&["--".into(), "a.lua".into()]), "{few:?}");
    }
}
