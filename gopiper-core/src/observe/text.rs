//! The metrics as text for Prometheus and what reads its formats.
//!
//! The crate prometheus-client writes OpenMetrics alone, from values that it holds itself. These
//! are counted elsewhere, and `promtool` and older scrapers want the format before that.
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter, Write as _},
};

use crate::observe::{
    component::PipelineReport,
    families::FamilyKind,
    processor::ProcessorTime,
    published::{PointLabel, PointValue, PublishedMetric, published},
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
    let published = published(pipelines, processor);
    // Most values have no labels but those of their component: these are written once.
    let of_components: Vec<_> = published.components.iter().map(|it| written(it)).collect();
    let mut page = Page { text: String::new(), format };
    for metric in &published.metrics {
        page.begin(metric);
        for point in &metric.points {
            let component = point.component.map_or("", |number| &of_components[number]);
            page.point(&metric.name, [component, &written(&point.labels)], &point.value);
        }
    }
    if format == MetricsFormat::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

/// Labels, separated by commas.
fn written(labels: &[PointLabel<'_>]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"{}\"", escaped(value, true));
    }
    text
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

/// Those of the component, and those of the value: both written already, perhaps empty.
type Labels<'a> = [&'a str; 2];

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

    /// A value of `name` with `ending`, with these labels, and `le` if it is a bucket.
    fn line(&mut self, name: [&str; 2], labels: Labels<'_>, le: Option<f64>, value: impl Display) {
        let text = &mut self.text;
        name.iter().for_each(|part| text.push_str(part));
        let mut separator = '{';
        for part in labels.into_iter().filter(|part| !part.is_empty()) {
            text.push(separator);
            text.push_str(part);
            separator = ',';
        }
        if let Some(bound) = le {
            text.push(separator);
            let _ = match bound {
                f64::INFINITY => write!(text, "le=\"+Inf\""),
                bound => write!(text, "le=\"{bound:?}\""),
            };
            separator = ',';
        }
        text.push_str(if separator == '{' { " " } else { "} " });
        let _ = writeln!(text, "{value}");
    }

    fn point(&mut self, name: &str, labels: Labels<'_>, value: &PointValue) {
        match value {
            PointValue::Whole(value) => self.line([name, ""], labels, None, value),
            PointValue::Real(value) => self.line([name, ""], labels, None, Number(*value)),
            PointValue::Histogram { buckets, beyond, sum } => {
                let mut count = 0;
                for (bound, more) in buckets.iter().chain([&(f64::INFINITY, *beyond)]) {
                    count += more;
                    self.line([name, "_bucket"], labels, Some(*bound), count);
                }
                self.line([name, "_sum"], labels, None, Number(*sum));
                self.line([name, "_count"], labels, None, count);
            }
        }
    }
}

/// A number as the formats write it.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => formatter.write_str("+Inf"),
            f64::NEG_INFINITY => formatter.write_str("-Inf"),
            value => value.fmt(formatter),
        }
    }
}
