//! The options of `gopiper verify`, and what the files that they name contain.
use std::{
    fs,
    io::Write,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use clap::Args;
use gopiper_abi::{Map, Message, export::from_json};
use serde::Deserialize;
use serde_json::{Map as JsonMap, Value as Json};
use tempfile::NamedTempFile;

use crate::command::trust::TrustArguments;

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The component's file.
    pub(super) file: PathBuf,
    /// Once all tests have passed, put a digest into the file, so that damage is detected.
    #[arg(long)]
    pub(super) seal: bool,
    /// The component's attributes: a JSON object, or @FILE with one.
    #[arg(long, value_name = "JSON")]
    pub(super) attributes: Option<String>,
    /// Copy this folder's contents into the folder of each test, so that relative paths in
    /// attributes lead somewhere.
    #[arg(long, value_name = "DIR")]
    pub(super) fixture: Option<PathBuf>,
    /// Send these messages, too, wherever messages are sent: a file with a JSON object in each
    /// line, {"data": "text", "attributes": {…}}, or "base64" instead of "data" for bytes.
    #[arg(long, value_name = "FILE")]
    pub(super) messages: Option<PathBuf>,
    /// Run this shell command beside each test of a source, in the test's folder, to feed the
    /// source. It is ended with the test.
    #[arg(long = "while", value_name = "COMMAND")]
    pub(super) beside: Option<String>,
    /// Accept that tests whose names contain this are skipped, because they cannot be tried here;
    /// may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(super) allow_skip: Vec<String>,
    /// Run only tests whose names contain this; may be repeated.
    #[arg(long, value_name = "PART")]
    pub(super) include: Vec<String>,
    /// Leave out tests whose names contain this; may be repeated.
    #[arg(long, value_name = "PART")]
    pub(super) exclude: Vec<String>,
    /// Show only tests that failed or crashed.
    #[arg(long)]
    pub(super) only_failed: bool,
    /// Write a JSON object for each test.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the names of the tests, and run none.
    #[arg(long)]
    pub(super) list: bool,
    /// Run the tests in this process, one after another: for a debugger.
    #[arg(long)]
    pub(super) in_process: bool,
    /// How many tests run at once [default: the number of processors].
    #[arg(short, long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// The time limit of a test, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) timeout: u64,
    /// Seconds without progress after which a pipeline counts as stuck.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) patience: f64,
    /// The seed of random attributes and messages [default: random]. A test that fails shows the
    /// command that repeats it.
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,
    /// The file for the verdict of the one test.
    #[arg(long, hide = true)]
    pub(super) result: Option<PathBuf>,
    /// The digest of the file that passed the gates: no other file is loaded.
    #[arg(long, hide = true, value_parser = digest)]
    pub(super) only: Option<[u8; 32]>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

/// The contents of the files that the options name, read once: a test in a process of its own gets
/// what was read here.
pub(super) struct VerifyInput {
    pub(super) attributes: Map,
    /// The text of the attributes, if there are any.
    pub(super) attributes_text: Option<String>,
    pub(super) messages: Vec<Message>,
    /// A copy of the file of messages.
    pub(super) messages_file: Option<NamedTempFile>,
    pub(super) patience: Duration,
}

impl VerifyInput {
    /// Tests in processes of their own get copies of files, which are made in `scratch`.
    pub(super) fn read(
        arguments: &VerifyArguments,
        scratch: Option<&Path>,
    ) -> Result<Self, String> {
        let text = arguments.attributes.as_deref().map(read_text).transpose()?;
        let attributes = match &text {
            Some(text) => attributes(text)?,
            None => Map::default(),
        };
        let patience = Duration::try_from_secs_f64(arguments.patience);
        let Some(patience) = patience.ok().filter(|patience| !patience.is_zero()) else {
            return Err("--patience: a number of seconds, more than 0".into());
        };
        let (mut given, mut copied) = (Vec::new(), None);
        if let Some(file) = &arguments.messages {
            let failed = |error| format!("--messages: {}: {error}", file.display());
            let text = fs::read_to_string(file).map_err(failed)?;
            given = messages(&text)
                .map_err(|error| format!("--messages: {}, {error}", file.display()))?;
            if let Some(scratch) = scratch {
                let mut copy = NamedTempFile::new_in(scratch).map_err(failed)?;
                copy.write_all(text.as_bytes()).map_err(failed)?;
                copied = Some(copy);
            }
        }
        if let Some(folder) = arguments.fixture.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(format!("--fixture: {} is not a folder", folder.display()));
        }
        Ok(VerifyInput {
            attributes,
            attributes_text: text,
            messages: given,
            messages_file: copied,
            patience,
        })
    }
}

fn read_text(given: &str) -> Result<String, String> {
    match given.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).map_err(|error| format!("{file}: {error}")),
        None => Ok(given.to_owned()),
    }
}

fn attributes(text: &str) -> Result<Map, String> {
    match serde_json::from_str(text) {
        Ok(Json::Object(all)) => Ok(all.iter().map(|(key, it)| (key, from_json(it))).collect()),
        Ok(_) => Err("--attributes: give a JSON object".into()),
        Err(error) => Err(format!("--attributes: give a JSON object ({error})")),
    }
}

/// A message in a file of `--messages`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenMessage {
    data: Option<String>,
    base64: Option<String>,
    #[serde(default)]
    attributes: JsonMap<String, Json>,
}

/// The messages of a text with a JSON object in each line.
fn messages(text: &str) -> Result<Vec<Message>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let messages: Vec<_> = lines
        .map(|(nth, line)| message(line).map_err(|error| format!("line {}: {error}", nth + 1)))
        .collect::<Result<_, _>>()?;
    match messages.is_empty() {
        true => Err("which has no messages: give a JSON object in each line".into()),
        false => Ok(messages),
    }
}

fn message(line: &str) -> Result<Message, String> {
    let given: GivenMessage = serde_json::from_str(line).map_err(|error| {
        format!(
            "give {{\"data\": \"text\", \"attributes\": {{…}}}}, or \"base64\" for bytes ({error})"
        )
    })?;
    let bytes = match (given.data, given.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => {
            BASE64_STANDARD.decode(text).map_err(|error| format!("base64: {error}"))?
        }
        (None, None) => return Err("give \"data\" (text) or \"base64\" (bytes)".into()),
        (Some(_), Some(_)) => return Err("give either \"data\" or \"base64\", not both".into()),
    };
    let mut message = Message::new(bytes);
    for (key, it) in &given.attributes {
        message.set_attribute(key, from_json(it));
    }
    Ok(message)
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| "64 hexadecimal digits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_messages_has_text_and_bytes() {
        let text =
            "{\"data\": \"a\\nb\", \"attributes\": {\"k\": [1]}}\n\n{\"base64\": \"/wA=\"}\n";
        let read = messages(text).unwrap();
        assert_eq!(read.iter().map(Message::data).collect::<Vec<_>>(), [&b"a\nb"[..], &[255, 0]]);
        assert!(read[0].attribute("k").is_some() && read[1].attributes().is_empty());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, said) in [
            ("", "which has no messages"),
            ("{\"data\": \"a\"}\n{}", "line 2: give \"data\" (text) or \"base64\" (bytes)"),
            ("{\"data\": \"a\", \"base64\": \"\"}", "line 1: give either"),
            ("{\"base64\": \"?\"}", "line 1: base64: "),
            ("{\"date\": 1}", "line 1: give {\"data\": \"text\""),
            ("text", "line 1: give {\"data\": \"text\""),
        ] {
            let error = messages(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
