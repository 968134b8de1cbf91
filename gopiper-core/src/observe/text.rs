//! The metrics as text for Prometheus and what reads its formats.
//!
//! The crate prometheus-client writes OpenMetrics alone, from values that it holds itself. These
//! are counted elsewhere, and `promtool` and older scrapers want the format before that.
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
};

use crate::observe::{
    component::PipelineReport,
    families::FamilyKind,
    processor::ProcessorTime,
    published::{MetricPoint, PointValue, PublishedMetric, published},
};

/// A format of metrics as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// The media type, for a header `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            MetricsFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            MetricsFormat::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }
}

/// The metrics of all pipelines and of the process, as text.
pub fn metrics_text(
    pipelines: &[PipelineReport],
    processor: &ProcessorTime,
    format: MetricsFormat,
) -> String {
    let mut page = Page { text: String::new(), format };
    for metric in published(pipelines, processor) {
        page.begin(&metric);
        metric.points.iter().for_each(|point| page.point(&metric.name, point));
    }
    if format == MetricsFormat::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

fn push_label(labels: &mut String, name: &str, value: &str) {
    let comma = if labels.is_empty() { "" } else { "," };
    let _ = write!(labels, "{comma}{name}=\"{}\"", escaped(value, true));
}

/// Backslashes and ends of lines have another form in both formats; quotes in labels, and in the
/// helps of OpenMetrics.
fn escaped(text: &str, with_quotes: bool) -> Cow<'_, str> {
    if !text.contains(['\\', '\n', '"']) {
        return text.into();
    }
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    if with_quotes { escaped.replace('"', "\\\"").into() } else { escaped.into() }
}

struct Page {
    text: String,
    format: MetricsFormat,
}

impl Page {
    fn begin(&mut self, PublishedMetric { name, kind, unit, help, .. }: &PublishedMetric<'_>) {
        let is_open = self.format == MetricsFormat::OpenMetrics;
        let name = if is_open { name.strip_suffix("_total").unwrap_or(name) } else { name };
        let kind = match kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        };
        let help = escaped(help, is_open);
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        if is_open && !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            _ => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }

    fn point(&mut self, name: &str, point: &MetricPoint<'_>) {
        let mut labels = String::new();
        point.labels.iter().for_each(|(name, value)| push_label(&mut labels, name, value));
        match &point.value {
            PointValue::Whole(value) => self.line(name, &labels, value),
            PointValue::Real(value) => self.line(name, &labels, number(*value)),
            PointValue::Histogram { buckets, beyond, sum } => {
                self.histogram(name, &labels, buckets, *beyond, *sum);
            }
        }
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &str,
        buckets: &[(f64, u64)],
        beyond: u64,
        sum: f64,
    ) {
        let mut count = 0;
        for (bound, more) in buckets.iter().chain([&(f64::INFINITY, beyond)]) {
            count += more;
            let mut labels = labels.to_owned();
            let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".into() };
            push_label(&mut labels, "le", &bound);
            self.line(&format!("{name}_bucket"), &labels, count);
        }
        self.line(&format!("{name}_sum"), labels, number(sum));
        self.line(&format!("{name}_count"), labels, count);
    }
}

/// A number as the formats write it.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        value => value.to_string(),
    }
}
