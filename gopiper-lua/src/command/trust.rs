//! The options that decide whose components are loaded.
use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Args, ValueEnum};
use gopiper_core::loader::{self, Trust, trusted_key};

use crate::command::process::exit::refuse;

/// The command line overrides the pipeline's file.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// What to do with a component that no trusted key has signed [default: refuse with trusted
    /// keys, allow without].
    #[arg(long, value_enum, env = "GOPIPER_UNSIGNED")]
    unsigned: Option<UnsignedArgument>,
    /// A public key of minisign, or the file with it, whose components are trusted; may be repeated
    /// (in the variable, separated by commas).
    #[arg(long, env = "GOPIPER_TRUSTED_KEY", value_delimiter = ',', value_name = "KEY")]
    trusted_key: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum UnsignedArgument {
    Allow,
    Warn,
    Refuse,
}

impl TrustArguments {
    /// The same options as command-line words, for another process.
    pub(crate) fn as_words(&self) -> Vec<OsString> {
        let unsigned = self.unsigned.and_then(|unsigned| unsigned.to_possible_value());
        let unsigned = unsigned.map(|value| format!("--unsigned={}", value.get_name()));
        let keys = self.trusted_key.iter().map(|key| format!("--trusted-key={key}"));
        unsigned.into_iter().chain(keys).map(OsString::from).collect()
    }

    /// `None` if no option was given.
    pub(crate) fn trust(&self) -> Result<Option<Trust>, ExitCode> {
        let unsigned = self.unsigned.map(|unsigned| match unsigned {
            UnsignedArgument::Allow => loader::Unsigned::Allow,
            UnsignedArgument::Warn => loader::Unsigned::Warn,
            UnsignedArgument::Refuse => loader::Unsigned::Refuse,
        });
        let keys = self.trusted_key.iter().map(|key| trusted_key(key, Path::new("")));
        let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|error| refuse(&error))?;
        let is_given = unsigned.is_some() || !keys.is_empty();
        Ok(is_given.then(|| Trust::new(unsigned, keys)))
    }
}
