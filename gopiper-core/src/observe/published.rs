//! The metrics of all pipelines and of the process, independent of a format: Prometheus and OTLP
//! publish the same metrics.
use std::collections::BTreeMap;

use crate::{
    loader::loaded_libraries,
    observe::{
        component::{ComponentReport, PipelineReport},
        families::{FAMILIES, FamilyKind, Sample, SampleValue},
        memory::resident_bytes,
        processor::ProcessorTime,
    },
    stage::{
        durations::DurationCounts,
        metrics::{ComponentMetric, MetricValue},
    },
};

/// The prefix of all metrics of components.
const PREFIX: &str = "gopiper_component_";

/// A label of a metric: its name and its value.
pub type PointLabel<'a> = (&'a str, &'a str);

/// The metrics of all pipelines and of the process.
#[derive(Debug, Clone, PartialEq)]
pub struct Published<'a> {
    /// The labels of each component, which all of its metrics have.
    pub components: Vec<[PointLabel<'a>; 4]>,
    /// The metrics.
    pub metrics: Vec<PublishedMetric<'a>>,
}

impl<'a> Published<'a> {
    /// All labels of a value: those of its component first.
    pub fn labels<'b>(
        &'b self,
        point: &'b MetricPoint<'a>,
    ) -> impl Iterator<Item = PointLabel<'a>> + 'b {
        let component = point.component.map(|number| &self.components[number][..]);
        component.unwrap_or_default().iter().chain(&point.labels).copied()
    }
}

/// A metric, and all of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedMetric<'a> {
    /// Its name in Prometheus. That of a counter ends in `_total`.
    pub name: String,
    /// Its kind.
    pub kind: FamilyKind,
    /// Its unit as Prometheus writes it (`seconds`); empty if it has none.
    pub unit: &'a str,
    /// What it counts or measures.
    pub help: &'a str,
    /// Its values. No two have the same labels.
    pub points: Vec<MetricPoint<'a>>,
}

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPoint<'a> {
    /// The number of its component in [`Published::components`], if it is of one.
    pub component: Option<usize>,
    /// Its further labels.
    pub labels: Vec<PointLabel<'a>>,
    /// Its value.
    pub value: PointValue,
}

/// The value of a metric, of whatever kind.
#[derive(Debug, Clone, PartialEq)]
pub enum PointValue {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f64),
    /// Counts of values by their size.
    Histogram {
        /// The upper bounds, and how many values were within each and not within the one before.
        buckets: Vec<(f64, u64)>,
        /// How many values were greater than the last bound.
        beyond: u64,
        /// The sum of all values.
        sum: f64,
    },
}

/// The metrics of all pipelines and of the process.
///
/// Two components may have metrics of one name and different kinds, which no format allows: then
/// those of the first kind are published, and `gopiper_left_out_metrics` counts the others.
pub fn published<'a>(pipelines: &'a [PipelineReport], processor: &ProcessorTime) -> Published<'a> {
    let components: Vec<_> = pipelines
        .iter()
        .flat_map(|pipeline| pipeline.components.iter().map(move |it| (pipeline, it)))
        .collect();
    let mut all = Vec::new();
    for family in FAMILIES {
        let mut points = Vec::with_capacity(components.len());
        for (number, (_, component)) in components.iter().enumerate() {
            let samples = (family.read)(component).into_iter().flatten();
            points.extend(samples.map(|Sample { label, value }| MetricPoint {
                component: Some(number),
                labels: label.into_iter().collect(),
                value: value.into(),
            }));
        }
        all.push(PublishedMetric {
            name: format!("{PREFIX}{}", family.name),
            kind: family.kind,
            unit: family.unit,
            help: family.help,
            points,
        });
    }
    let left_out = of_authors(components.iter().map(|(_, component)| *component), &mut all);
    all.push(outcomes(pipelines));
    of_process(processor, left_out, &mut all);
    let labels = components.into_iter().map(|(pipeline, component)| labels(pipeline, component));
    Published { components: labels.collect(), metrics: all }
}

/// The labels of a component's metrics.
fn labels<'a>(pipeline: &'a PipelineReport, component: &'a ComponentReport) -> [PointLabel<'a>; 4] {
    [
        ("pipeline", &*pipeline.name),
        ("component_id", &component.name),
        ("component_kind", component.kind.name()),
        ("component_type", &component.component),
    ]
}

/// The metrics that components have registered. Returns how many are left out.
fn of_authors<'a>(
    components: impl Iterator<Item = &'a ComponentReport>,
    all: &mut Vec<PublishedMetric<'a>>,
) -> usize {
    // The name of a counter without its ending may not be that of a gauge, in OpenMetrics.
    let mut families: BTreeMap<&str, Vec<(usize, &'a ComponentMetric)>> = BTreeMap::new();
    for (number, component) in components.enumerate() {
        for metric in &component.metrics {
            let name = metric.name.strip_suffix("_total").unwrap_or(&metric.name);
            families.entry(name).or_default().push((number, metric));
        }
    }
    let mut left_out = 0;
    for metrics in families.values() {
        let first = metrics[0].1;
        let mut points = Vec::new();
        for &(number, metric) in metrics {
            if kind_of(&metric.value) != kind_of(&first.value) {
                left_out += 1;
                continue;
            }
            let own = metric.labels.iter().map(|(name, value)| (&**name, &**value));
            points.push(MetricPoint {
                component: Some(number),
                labels: own.collect(),
                value: metric.value.clone().into(),
            });
        }
        all.push(PublishedMetric {
            name: format!("{PREFIX}{}", first.name),
            kind: kind_of(&first.value),
            unit: &first.unit,
            help: &first.help,
            points,
        });
    }
    left_out
}

fn outcomes(pipelines: &[PipelineReport]) -> PublishedMetric<'_> {
    let points = pipelines.iter().flat_map(|PipelineReport { name, outcomes, .. }| {
        outcomes.named().map(|(outcome, count)| MetricPoint {
            component: None,
            labels: vec![("pipeline", name), ("outcome", outcome)],
            value: PointValue::Whole(count),
        })
    });
    PublishedMetric {
        name: "gopiper_pipeline_messages_total".into(),
        kind: FamilyKind::Counter,
        unit: "",
        help: "Messages that components created, by their outcome.",
        points: points.collect(),
    }
}

fn of_process(processor: &ProcessorTime, left_out: usize, all: &mut Vec<PublishedMetric<'_>>) {
    let mut one = |name: &str, kind, unit, help, value| {
        let points = vec![MetricPoint { component: None, labels: Vec::new(), value }];
        all.push(PublishedMetric { name: name.into(), kind, unit, help, points });
    };
    one(
        "gopiper_cpu_seconds_total",
        FamilyKind::Counter,
        "seconds",
        "Processor time of gopiper itself, without its components.",
        PointValue::Real(processor.gopiper().as_secs_f64()),
    );
    one(
        "gopiper_own_threads_cpu_seconds_total",
        FamilyKind::Counter,
        "seconds",
        "Processor time of threads that components started and named.",
        PointValue::Real(processor.own_threads.as_secs_f64()),
    );
    one(
        "process_cpu_seconds_total",
        FamilyKind::Counter,
        "seconds",
        "Processor time of the whole process.",
        PointValue::Real(processor.process.as_secs_f64()),
    );
    if let Some(resident) = resident_bytes() {
        one(
            "process_resident_memory_bytes",
            FamilyKind::Gauge,
            "bytes",
            "Memory of the whole process that is in RAM.",
            PointValue::Whole(resident),
        );
    }
    one(
        "gopiper_loaded_libraries",
        FamilyKind::Gauge,
        "",
        "Libraries of components that were loaded; none is ever unloaded.",
        PointValue::Whole(loaded_libraries() as u64),
    );
    one(
        "gopiper_left_out_metrics",
        FamilyKind::Gauge,
        "",
        "Metrics of components that are not published, because another uses the name for another kind.",
        PointValue::Whole(left_out as u64),
    );
}

fn kind_of(value: &MetricValue) -> FamilyKind {
    match value {
        MetricValue::Counter(_) => FamilyKind::Counter,
        MetricValue::Gauge(_) => FamilyKind::Gauge,
        MetricValue::Histogram { .. } => FamilyKind::Histogram,
    }
}

impl From<SampleValue> for PointValue {
    fn from(value: SampleValue) -> Self {
        match value {
            SampleValue::Whole(value) => PointValue::Whole(value),
            SampleValue::Seconds(value) => PointValue::Real(value.as_secs_f64()),
            SampleValue::Durations(DurationCounts { within, longer, sum }) => {
                let buckets = within.iter().map(|(bound, n)| (bound.as_secs_f64(), *n)).collect();
                PointValue::Histogram { buckets, beyond: longer, sum: sum.as_secs_f64() }
            }
        }
    }
}

impl From<MetricValue> for PointValue {
    fn from(value: MetricValue) -> Self {
        match value {
            MetricValue::Counter(value) => PointValue::Whole(value),
            MetricValue::Gauge(value) => PointValue::Real(value),
            MetricValue::Histogram { buckets, beyond, sum } => {
                PointValue::Histogram { buckets, beyond, sum }
            }
        }
    }
}
