//! The metrics that a component has registered.
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use gopiper_abi::raw::{Metric, MetricDescription, MetricKind, RawError};
use parking_lot::Mutex;

/// The most combinations of label values that one name may have: a label with a value for each
/// message would fill the memory.
const MOST_SERIES: usize = 100;

/// The names, without the prefix, that are published for each component by its host.
pub(crate) const HOST_METRICS: [&str; 28] = [
    "received_messages_total",
    "received_bytes_total",
    "sent_messages_total",
    "sent_bytes_total",
    "dropped_messages_total",
    "missed_messages_total",
    "failed_messages_total",
    "dead_letters_total",
    "returned_messages_total",
    "kept_messages_total",
    "retries_total",
    "panics_total",
    "restarts_total",
    "abandoned_workers_total",
    "late_reports_total",
    "workers",
    "in_flight_messages",
    "depth_messages",
    "depth_limit_messages",
    "depth_bytes",
    "depth_limit_bytes",
    "busy_seconds_total",
    "idle_seconds_total",
    "blocked_seconds_total",
    "cpu_seconds_total",
    "library_memory_bytes",
    "call_duration_seconds",
    "age_seconds",
];

/// The metrics of one component, which its workers share.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<String, NamedMetrics>>);

/// The metrics of one name.
struct NamedMetrics {
    kind: MetricKind,
    help: String,
    unit: String,
    bounds: Vec<f64>,
    /// By their labels. A component may use its metric until the process ends, so they are leaked.
    series: BTreeMap<Vec<(String, String)>, &'static Metric>,
}

/// A metric that a component has registered, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentMetric {
    /// The component's name.
    pub component: String,
    /// The metric's name, without a prefix.
    pub name: String,
    /// What it counts or measures.
    pub help: String,
    /// Its unit; empty if it has none.
    pub unit: String,
    /// Its own labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: MetricValue,
}

/// The value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(f64),
    /// Of a histogram.
    Histogram {
        /// The upper bounds, and how many values were within each and not within the one before.
        buckets: Vec<(f64, u64)>,
        /// How many values were greater than the last bound.
        beyond: u64,
        /// The sum of all values.
        sum: f64,
    },
}

impl Metrics {
    /// Finds a metric, or makes it.
    ///
    /// # Errors
    /// The description breaks a rule, or contradicts one that was registered before.
    pub(crate) fn register(
        &self,
        description: &MetricDescription<'_>,
    ) -> Result<&'static Metric, RawError> {
        description.check()?;
        let name = description.name.as_str();
        let refuse = |why: &str| Err(RawError::new("", format!("metric '{name}': {why}")));
        let root = |name: &str| name.strip_suffix("_total").unwrap_or(name).to_owned();
        if HOST_METRICS.iter().any(|ours| root(ours) == root(name)) {
            return refuse("gopiper publishes one of this name for each component: rename it");
        }
        let mut families = self.0.lock();
        let is_too_close = |other: &&String| other.as_str() != name && root(other) == root(name);
        if let Some(other) = families.keys().find(is_too_close) {
            return refuse(&format!(
                "there is '{other}' already, and '_total' does not tell two metrics apart: rename \
                 one of them"
            ));
        }
        let family = families.entry(name.to_owned()).or_insert_with(|| NamedMetrics {
            kind: description.kind,
            help: description.help.to_string(),
            unit: description.unit.to_string(),
            bounds: description.bounds.to_vec(),
            series: BTreeMap::new(),
        });
        let NamedMetrics { kind, help, unit, bounds, .. } = &*family;
        let is_same = (*kind, help.as_str(), unit.as_str(), bounds.as_slice())
            == (
                description.kind,
                description.help.as_str(),
                description.unit.as_str(),
                description.bounds.as_slice(),
            );
        if !is_same {
            return refuse(
                "it is registered with another kind, help, unit or bounds: use the same each time",
            );
        }
        let mut labels: Vec<_> = description
            .labels
            .iter()
            .map(|label| (label.name.to_string(), label.value.to_string()))
            .collect();
        labels.sort();
        if let Some(metric) = family.series.get(&labels) {
            return Ok(metric);
        }
        if family.series.len() == MOST_SERIES {
            return refuse(&format!(
                "it has {MOST_SERIES} combinations of label values already: use labels with few values"
            ));
        }
        let metric = match description.kind {
            MetricKind::HISTOGRAM => Metric::histogram(&description.bounds),
            _ => Metric::number(),
        };
        let metric = &*Box::leak(Box::new(metric));
        family.series.insert(labels, metric);
        Ok(metric)
    }

    /// All of them, with their present values.
    pub(crate) fn read(&self, component: &str) -> Vec<ComponentMetric> {
        let families = self.0.lock();
        let of_family = |(name, family): (&String, &NamedMetrics)| {
            let read = |(labels, metric): (&Vec<_>, &&'static Metric)| ComponentMetric {
                component: component.to_owned(),
                name: name.clone(),
                help: family.help.clone(),
                unit: family.unit.clone(),
                labels: labels.clone(),
                value: value(family.kind, metric),
            };
            family.series.iter().map(read).collect::<Vec<_>>()
        };
        families.iter().flat_map(of_family).collect()
    }
}

fn value(kind: MetricKind, metric: &Metric) -> MetricValue {
    match kind {
        MetricKind::GAUGE => MetricValue::Gauge(metric.float()),
        MetricKind::HISTOGRAM => {
            let (bounds, counts) = metric.buckets();
            let counts = counts.iter().map(|count| count.load(Relaxed));
            let mut buckets: Vec<_> =
                bounds.iter().copied().chain([f64::INFINITY]).zip(counts).collect();
            let (_, beyond) = buckets.pop().unwrap_or_default();
            MetricValue::Histogram { buckets, beyond, sum: metric.float() }
        }
        _ => MetricValue::Counter(metric.value.load(Relaxed)),
    }
}

#[cfg(test)]
mod tests {
    use gopiper_abi::raw::Label;

    use super::*;

    fn described(name: &str) -> MetricDescription<'_> {
        MetricDescription {
            kind: MetricKind::COUNTER,
            reserved: 0,
            name: name.into(),
            help: "Lines.".into(),
            unit: "".into(),
            labels: [].as_slice().into(),
            bounds: [].as_slice().into(),
        }
    }

    #[test]
    fn the_same_description_is_the_same_metric() {
        let metrics = Metrics::default();
        let first = metrics.register(&described("lines_total")).unwrap();
        first.value.fetch_add(3, Relaxed);
        assert!(std::ptr::eq(first, metrics.register(&described("lines_total")).unwrap()));
        let [read] = &metrics.read("keep")[..] else { panic!("one") };
        assert_eq!(
            (&*read.component, &*read.name, &read.value),
            ("keep", "lines_total", &MetricValue::Counter(3))
        );
        let other = MetricDescription { help: "Bytes.".into(), ..described("lines_total") };
        let error = metrics.register(&other).unwrap_err().to_string();
        assert!(error.contains("another kind, help, unit or bounds"), "{error}");
    }

    #[test]
    fn a_name_of_ours_is_refused() {
        let gauge = MetricDescription { kind: MetricKind::GAUGE, ..described("retries") };
        for ours in [described("received_messages_total"), gauge] {
            let error = Metrics::default().register(&ours).unwrap_err();
            assert!(error.to_string().contains("gopiper publishes one of this name"), "{error}");
        }
    }

    /// OpenMetrics gives a counter's family its name without the ending.
    #[test]
    fn a_name_that_differs_by_its_ending_alone_is_refused() {
        let metrics = Metrics::default();
        let gauge = MetricDescription { kind: MetricKind::GAUGE, ..described("lines") };
        metrics.register(&gauge).unwrap();
        let error = metrics.register(&described("lines_total")).unwrap_err().to_string();
        assert!(error.contains("there is 'lines' already"), "{error}");
        metrics.register(&gauge).unwrap();
    }

    #[test]
    fn labels_are_bounded_in_number() {
        let metrics = Metrics::default();
        let register = |value: &str| {
            let labels = [Label { name: "peer".into(), value: value.into() }];
            let labels = labels.as_slice().into();
            metrics.register(&MetricDescription { labels, ..described("lines_total") }).map(drop)
        };
        (0..100).for_each(|n| register(&n.to_string()).unwrap());
        register("7").unwrap();
        let error = register("100").unwrap_err().to_string();
        assert!(error.contains("100 combinations of label values"), "{error}");
    }
}
