//! The metrics as text for Prometheus and what reads its formats.
//!
//! The crate prometheus-client writes OpenMetrics alone, from values that it holds itself. These
//! are counted elsewhere, and `promtool` and older scrapers want the format before that.
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{Display, Write as _},
    time::Duration,
};

use crate::{
    loader,
    observe::{
        component::{ComponentReport, PipelineReport},
        families::{FAMILIES, FamilyKind, Sample, SampleValue},
        memory::resident_bytes,
        processor::ProcessorTime,
    },
    stage::metrics::{ComponentMetric, MetricValue},
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

/// The prefix of all metrics of components.
const PREFIX: &str = "gopiper_component_";

/// The metrics of all pipelines and of the process, as text.
///
/// Two components may have metrics of one name and different kinds, which the formats do not allow:
/// then those of the first kind are published, and `gopiper_left_out_metrics` counts the others.
pub fn metrics_text(
    pipelines: &[PipelineReport],
    processor: &ProcessorTime,
    format: MetricsFormat,
) -> String {
    let mut page = Page { text: String::new(), format };
    let components: Vec<_> = pipelines
        .iter()
        .flat_map(|pipeline| pipeline.components.iter().map(|it| (labels(pipeline, it), it)))
        .collect();
    for family in FAMILIES {
        page.begin(&format!("{PREFIX}{}", family.name), family.kind, family.unit, family.help);
        for (labels, component) in &components {
            for Sample { label, value } in (family.read)(component) {
                let mut labels = labels.clone();
                if let Some((name, value)) = label {
                    push_label(&mut labels, name, value);
                }
                page.sample(&format!("{PREFIX}{}", family.name), &labels, &value);
            }
        }
    }
    let left_out = page.authors(&components);
    page.pipelines(pipelines);
    page.process(processor, left_out);
    if format == MetricsFormat::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

/// The labels of a component's metrics, without their braces.
fn labels(pipeline: &PipelineReport, component: &ComponentReport) -> String {
    let mut labels = String::new();
    for (name, value) in [
        ("pipeline", &*pipeline.name),
        ("component_id", &component.name),
        ("component_kind", component.kind.name()),
        ("component_type", &component.component),
    ] {
        push_label(&mut labels, name, value);
    }
    labels
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
    fn begin(&mut self, name: &str, kind: FamilyKind, unit: &str, help: &str) {
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

    fn sample(&mut self, name: &str, labels: &str, value: &SampleValue) {
        match value {
            SampleValue::Whole(value) => self.line(name, labels, value),
            SampleValue::Seconds(value) => self.line(name, labels, value.as_secs_f64()),
            SampleValue::Durations(counts) => {
                let within = counts.within.iter().map(|(bound, n)| (bound.as_secs_f64(), *n));
                self.histogram(name, labels, within, counts.longer, counts.sum.as_secs_f64());
            }
        }
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &str,
        buckets: impl Iterator<Item = (f64, u64)>,
        beyond: u64,
        sum: f64,
    ) {
        let mut count = 0;
        for (bound, more) in buckets.chain([(f64::INFINITY, beyond)]) {
            count += more;
            let mut labels = labels.to_owned();
            let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".into() };
            push_label(&mut labels, "le", &bound);
            self.line(&format!("{name}_bucket"), &labels, count);
        }
        self.line(&format!("{name}_sum"), labels, number(sum));
        self.line(&format!("{name}_count"), labels, count);
    }

    /// The metrics that components have registered. Returns how many are left out.
    fn authors(&mut self, components: &[(String, &ComponentReport)]) -> usize {
        // The name of a counter without its ending may not be that of a gauge, in OpenMetrics.
        let mut families: BTreeMap<&str, Vec<(&str, &ComponentMetric)>> = BTreeMap::new();
        for (labels, component) in components {
            for metric in &component.metrics {
                let name = metric.name.strip_suffix("_total").unwrap_or(&metric.name);
                families.entry(name).or_default().push((labels, metric));
            }
        }
        let mut left_out = 0;
        for all in families.values() {
            let first = all[0].1;
            let name = format!("{PREFIX}{}", first.name);
            self.begin(&name, kind_of(&first.value), &first.unit, &first.help);
            for (labels, metric) in all {
                if kind_of(&metric.value) != kind_of(&first.value) {
                    left_out += 1;
                    continue;
                }
                let mut labels = (*labels).to_owned();
                for (name, value) in &metric.labels {
                    push_label(&mut labels, name, value);
                }
                match &metric.value {
                    MetricValue::Counter(value) => self.line(&name, &labels, value),
                    MetricValue::Gauge(value) => self.line(&name, &labels, number(*value)),
                    MetricValue::Histogram { buckets, beyond, sum } => {
                        self.histogram(&name, &labels, buckets.iter().copied(), *beyond, *sum);
                    }
                }
            }
        }
        left_out
    }

    fn pipelines(&mut self, pipelines: &[PipelineReport]) {
        let name = "gopiper_pipeline_messages_total";
        let help = "Messages that components created, by their outcome.";
        self.begin(name, FamilyKind::Counter, "", help);
        for PipelineReport { name: pipeline, outcomes, .. } in pipelines {
            for (outcome, count) in outcomes.named() {
                let mut labels = String::new();
                push_label(&mut labels, "pipeline", pipeline);
                push_label(&mut labels, "outcome", outcome);
                self.line(name, &labels, count);
            }
        }
    }

    fn process(&mut self, processor: &ProcessorTime, left_out: usize) {
        let mut one = |name: &str, kind, unit, help, value: &dyn Display| {
            self.begin(name, kind, unit, help);
            self.line(name, "", value);
        };
        let counter = |time: Duration| time.as_secs_f64();
        one(
            "gopiper_cpu_seconds_total",
            FamilyKind::Counter,
            "seconds",
            "Processor time of gopiper itself, without its components.",
            &counter(processor.gopiper()),
        );
        one(
            "gopiper_own_threads_cpu_seconds_total",
            FamilyKind::Counter,
            "seconds",
            "Processor time of threads that components started and named.",
            &counter(processor.own_threads),
        );
        one(
            "process_cpu_seconds_total",
            FamilyKind::Counter,
            "seconds",
            "Processor time of the whole process.",
            &counter(processor.process),
        );
        if let Some(resident) = resident_bytes() {
            one(
                "process_resident_memory_bytes",
                FamilyKind::Gauge,
                "bytes",
                "Memory of the whole process that is in RAM.",
                &resident,
            );
        }
        one(
            "gopiper_loaded_libraries",
            FamilyKind::Gauge,
            "",
            "Libraries of components that were loaded; none is ever unloaded.",
            &loader::loaded_libraries(),
        );
        one(
            "gopiper_left_out_metrics",
            FamilyKind::Gauge,
            "",
            "Metrics of components that are left out: another has the name for another kind.",
            &left_out,
        );
    }
}

fn kind_of(value: &MetricValue) -> FamilyKind {
    match value {
        MetricValue::Counter(_) => FamilyKind::Counter,
        MetricValue::Gauge(_) => FamilyKind::Gauge,
        MetricValue::Histogram { .. } => FamilyKind::Histogram,
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
