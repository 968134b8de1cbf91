//! `gopiper run --otlp URL`: sends metrics, the log and the ways of some messages by OTLP (gRPC) to
//! a receiver, for example a collector of OpenTelemetry.
//!
//! It reads what workers have counted, on its own thread, and keeps a limited number of log lines.
//! Nothing here makes a message wait. `docs/decisions` explains why it does not use the SDK.
mod answer;
mod complaints;
mod following;
mod logs;
mod metrics;
mod send;
mod settings;
mod spans;
mod values;
mod waits;

use std::sync::Arc;

use clap::Args;

use self::{logs::LogQueue, send::Exporter, settings::OtlpSettings};
use crate::command::{arguments::in_range, process::signals::Stops};

pub(crate) use self::logs::LogLayer;

#[derive(Debug, Default, Args)]
pub(crate) struct OtlpArguments {
    /// Send metrics, the log and the ways of some messages by OTLP (gRPC) to this receiver, for
    /// example http://127.0.0.1:4317.
    #[arg(long, env = "GOPIPER_OTLP", value_name = "URL")]
    otlp: Option<String>,
    /// The number of messages a second of each pipeline whose ways are sent as spans; 0 for none.
    #[arg(long, env = "GOPIPER_OTLP_TRACES", value_name = "NUMBER", default_value_t = 1.0,
        requires = "otlp", value_parser = per_second)]
    otlp_traces: f64,
    #[arg(skip)]
    lines: Arc<LogQueue>,
}

fn per_second(text: &str) -> Result<f64, String> {
    in_range(text, 0.0..=100.0, "messages a second")
}

impl OtlpArguments {
    /// The layer that collects the lines of the log, if `--otlp` is given.
    pub(crate) fn layer(&self) -> Option<LogLayer> {
        self.otlp.is_some().then(|| LogLayer(self.lines.clone()))
    }

    /// Sends from now on. The rest is sent when the result is dropped.
    ///
    /// # Errors
    /// The URL or a variable cannot be used, as text.
    pub(crate) fn start(&self, stops: &Stops) -> Result<Option<Exporter>, String> {
        let Some(url) = &self.otlp else { return Ok(None) };
        let settings = OtlpSettings::new(url, |name| std::env::var_os(name))?;
        let exporter = Exporter::start(settings, self.otlp_traces, self.lines.clone(), stops);
        exporter.map(Some).map_err(|error| {
            format!(
                "--otlp: its thread cannot start: {error}; raise the limit of processes (ulimit \
                 -u), or leave --otlp out"
            )
        })
    }
}
