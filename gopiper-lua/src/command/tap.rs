//! `gopiper tap`: messages of a component while they pass.
use std::{borrow::Cow, fmt::Write as _, ops::ControlFlow, process::ExitCode};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::{Args, ValueEnum, value_parser};
use gopiper_core::in_a_line;
use serde_json::Value;

use crate::command::{
    arguments::tap_rate,
    bytes::hex,
    control::{ProcessArguments, query},
    process::exit::{self, refuse},
    terminal::{
        output::{is_without_reader, print, print_bytes, say},
        problems::show_error,
    },
};

#[derive(Debug, Args)]
pub(crate) struct TapArguments {
    /// The component, by its name in the pipeline.
    component: String,
    #[command(flatten)]
    process: ProcessArguments,
    /// The pipeline, if several have a component of this name.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Show only messages as they reach the component, or as they leave it.
    #[arg(long, value_enum)]
    side: Option<SideArgument>,
    /// Show only messages that contain this word. Searching has a cost.
    #[arg(long, value_name = "WORD")]
    filter: Option<String>,
    /// The most messages a second, on each side.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = tap_rate)]
    rate: f64,
    /// End after this number of messages.
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// The format of the messages.
    #[arg(long, value_enum, default_value_t)]
    format: TapFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SideArgument {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TapFormat {
    /// A line for each: side, time, attributes, text
    #[default]
    Text,
    /// A JSON object on a line for each
    Json,
    /// The bytes alone, and a line feed
    Raw,
    /// The bytes as hexadecimal numbers
    Hex,
}

impl TapArguments {
    pub(crate) fn writes_json(&self) -> bool {
        self.format == TapFormat::Json
    }

    fn query(&self) -> String {
        let side = self.side.map(|side| match side {
            SideArgument::Before => "before",
            SideArgument::After => "after",
        });
        let rate = self.rate.to_string();
        let pairs = [
            ("component", Some(&*self.component)),
            ("pipeline", self.pipeline.as_deref()),
            ("side", side),
            ("contains", self.filter.as_deref()),
            ("rate", Some(&*rate)),
        ];
        query("/api/v1/tap", pairs)
    }
}

/// Shows messages until the limit, or the end of the process.
pub(crate) fn tap(arguments: &TapArguments) -> ExitCode {
    let process = match arguments.process.process() {
        Ok(process) => process,
        Err(error) => return refuse(&error),
    };
    let (mut shown, mut is_over) = (0, false);
    let followed = process.follow(&arguments.query(), |line| {
        // An empty line is a sign of life.
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return ControlFlow::Continue(());
        };
        write(&message, arguments.format);
        shown += 1;
        is_over = arguments.limit.is_some_and(|limit| shown >= limit) || is_without_reader();
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match followed {
        Ok(()) => {
            if !is_over {
                say(format_args!("{} of process {} has ended", arguments.component, process.pid));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            show_error(error);
            ExitCode::from(exit::FAILED)
        }
    }
}

fn write(message: &Value, format: TapFormat) {
    match format {
        TapFormat::Json => print(message),
        TapFormat::Raw => {
            let mut bytes = data(message).into_owned();
            bytes.push(b'\n');
            print_bytes(&bytes);
        }
        TapFormat::Hex => print(hex(&data(message))),
        TapFormat::Text => print(text(message)),
    }
}

/// The copied bytes of a message.
pub(super) fn data(message: &Value) -> Cow<'_, [u8]> {
    match (message["data"].as_str(), message["data_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().into(),
        (None, encoded) => {
            BASE64_STANDARD.decode(encoded.unwrap_or_default()).unwrap_or_default().into()
        }
    }
}

fn text(message: &Value) -> String {
    let seconds = message["time_seconds"].as_f64().unwrap_or_default();
    let time = jiff::Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or_default();
    let mut line = format!("{:<6}  {time:.3}", message["side"].as_str().unwrap_or_default());
    if let Some(position) = message["position"].as_str() {
        let _ = write!(line, "  {}", in_a_line(position));
    }
    if let Some(attributes) = message["attributes"].as_object().filter(|all| !all.is_empty()) {
        let _ = write!(line, "  {}", Value::Object(attributes.clone()));
    }
    let data = data(message);
    let _ = write!(line, "  {}", in_a_line(&String::from_utf8_lossy(&data)));
    let bytes = message["bytes"].as_u64().unwrap_or_default();
    if bytes > data.len() as u64 {
        let _ = write!(line, " (of {bytes} bytes)");
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_query_has_what_was_given() {
        let arguments = TapArguments {
            component: "a b&c".into(),
            process: ProcessArguments { pid: None },
            pipeline: None,
            side: Some(SideArgument::After),
            filter: Some("=".into()),
            rate: 0.5,
            limit: None,
            format: TapFormat::Text,
        };
        let expected = "/api/v1/tap?component=a+b%26c&side=after&contains=%3D&rate=0.5";
        assert_eq!(arguments.query(), expected);
    }

    #[test]
    fn a_message_is_one_line() {
        let message = json!({
            "side": "before", "time_seconds": 1.5, "position": null, "bytes": 100,
            "attributes": { "host": "a" }, "data": "one\ntwo",
        });
        assert_eq!(
            text(&message),
            "before  1970-01-01T00:00:01.500Z  {\"host\":\"a\"}  one\\ntwo (of 100 bytes)"
        );
        assert_eq!(hex(&data(&json!({ "data_base64": "/w==" }))), "ff");
    }
}
