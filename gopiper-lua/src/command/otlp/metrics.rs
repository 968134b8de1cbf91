//! The metrics as OTLP writes them.
//!
//! The name of a counter is that in Prometheus without `_total`, and units are those of UCUM. A
//! receiver that writes to Prometheus then creates the same names, so that the same dashboards and
//! alerts work.
use std::mem;

use gopiper_core::observe::{FamilyKind, MetricPoint, PointValue, Published, PublishedMetric};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point::Value,
    },
    resource::v1::Resource,
};

use super::values::{scope, text};

/// About the most bytes of a request: many receivers take 4 MiB.
const REQUEST_BYTES: usize = 2 << 20;
/// About the bytes of a value, without its labels.
const POINT_BYTES: usize = 64;

/// When the counters began, and when they were read, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) start: u64,
    pub(super) now: u64,
}

/// The requests that send these metrics. There are several if one would be too large.
pub(super) fn requests(
    all: &Published<'_>,
    resource: &Resource,
    moments: Moments,
) -> Vec<ExportMetricsServiceRequest> {
    let request = |metrics| ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    let (mut requests, mut metrics, mut size) = (Vec::new(), Vec::new(), 0);
    for metric in &all.metrics {
        let mut part = Vec::new();
        for point in &metric.points {
            size += size_of(all, point);
            if size > REQUEST_BYTES {
                if !part.is_empty() {
                    metrics.push(as_metric(all, metric, &mem::take(&mut part), moments));
                }
                if !metrics.is_empty() {
                    requests.push(request(mem::take(&mut metrics)));
                }
                size = size_of(all, point);
            }
            part.push(point);
        }
        if !part.is_empty() {
            metrics.push(as_metric(all, metric, &part, moments));
        }
    }
    if !metrics.is_empty() {
        requests.push(request(metrics));
    }
    requests
}

/// The number of values in a request.
pub(super) fn count(request: &ExportMetricsServiceRequest) -> usize {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let points = scopes.flat_map(|scope| &scope.metrics).map(|metric| match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    });
    points.sum()
}

fn size_of(all: &Published<'_>, point: &MetricPoint<'_>) -> usize {
    let labels: usize = all.labels(point).map(|(name, value)| name.len() + value.len() + 8).sum();
    let buckets = match &point.value {
        PointValue::Histogram { buckets, .. } => 16 * buckets.len(),
        _ => 0,
    };
    POINT_BYTES + labels + buckets
}

fn as_metric(
    all: &Published<'_>,
    metric: &PublishedMetric<'_>,
    points: &[&MetricPoint<'_>],
    moments: Moments,
) -> Metric {
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        FamilyKind::Gauge => Data::Gauge(Gauge {
            data_points: points
                .iter()
                .filter_map(|point| number(all, point, (0, moments.now)))
                .collect(),
        }),
        FamilyKind::Counter => Data::Sum(Sum {
            data_points: points
                .iter()
                .filter_map(|point| number(all, point, (moments.start, moments.now)))
                .collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        FamilyKind::Histogram => Data::Histogram(Histogram {
            data_points: points.iter().filter_map(|point| histogram(all, point, moments)).collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric {
        name: metric.name.strip_suffix("_total").unwrap_or(&metric.name).to_owned(),
        description: metric.help.to_owned(),
        unit: unit(metric.unit).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(
    all: &Published<'_>,
    point: &MetricPoint<'_>,
    (start, now): (u64, u64),
) -> Option<NumberDataPoint> {
    let value = match point.value {
        PointValue::Whole(value) => Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX)),
        PointValue::Real(value) => Value::AsDouble(value),
        PointValue::Histogram { .. } => return None,
    };
    Some(NumberDataPoint {
        attributes: attributes(all, point),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn histogram(
    all: &Published<'_>,
    point: &MetricPoint<'_>,
    moments: Moments,
) -> Option<HistogramDataPoint> {
    let PointValue::Histogram { buckets, beyond, sum } = &point.value else { return None };
    let (explicit_bounds, mut bucket_counts): (Vec<_>, Vec<_>) = buckets.iter().copied().unzip();
    bucket_counts.push(*beyond);
    Some(HistogramDataPoint {
        attributes: attributes(all, point),
        start_time_unix_nano: moments.start,
        time_unix_nano: moments.now,
        count: bucket_counts.iter().sum(),
        sum: Some(*sum),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    })
}

fn attributes(all: &Published<'_>, point: &MetricPoint<'_>) -> Vec<KeyValue> {
    all.labels(point).map(|(name, value)| text(name, value)).collect()
}

/// The symbol of a unit (UCUM); one that is not known as it is.
fn unit(name: &str) -> &str {
    match name {
        "seconds" => "s",
        "bytes" => "By",
        "ratio" => "1",
        "meters" => "m",
        "grams" => "g",
        "celsius" => "Cel",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "hertz" => "Hz",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, kind: FamilyKind, values: Vec<PointValue>) -> PublishedMetric<'static> {
        let point =
            |value| MetricPoint { component: None, labels: vec![("pipeline", "main")], value };
        let points = values.into_iter().map(point).collect();
        PublishedMetric { name: name.into(), kind, unit: "seconds", help: "Time.", points }
    }

    fn published(metrics: Vec<PublishedMetric<'static>>) -> Published<'static> {
        Published { components: Vec::new(), metrics }
    }

    fn sent(all: &Published<'_>) -> Vec<Vec<Metric>> {
        let requests = requests(all, &Resource::default(), Moments { start: 1, now: 2 });
        let metrics = requests
            .into_iter()
            .map(|mut request| request.resource_metrics.remove(0).scope_metrics.remove(0).metrics);
        metrics.collect()
    }

    #[test]
    fn a_counter_is_a_growing_sum_without_its_ending() {
        let busy = metric("busy_seconds_total", FamilyKind::Counter, vec![PointValue::Real(0.5)]);
        let all = published(vec![busy]);
        let metric = sent(&all).remove(0).remove(0);
        assert_eq!((&*metric.name, &*metric.unit), ("busy_seconds", "s"));
        let Some(Data::Sum(sum)) = metric.data else { panic!("{:?}", metric.data) };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{sum:?}");
        let point = &sum.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 2));
        assert_eq!(point.value, Some(Value::AsDouble(0.5)));
        assert_eq!(point.attributes, [text("pipeline", "main")]);
    }

    /// Prometheus adds up the counts of buckets, and OTLP does not. There is one more count than
    /// there are bounds.
    #[test]
    fn a_histogram_has_a_count_for_what_is_beyond_its_bounds() {
        let buckets = vec![(0.5, 1), (1.0, 2)];
        let value = PointValue::Histogram { buckets, beyond: 4, sum: 9.25 };
        let mut metric = sent(&published(vec![metric("took", FamilyKind::Histogram, vec![value])]));
        let metric = metric.remove(0).remove(0);
        let Some(Data::Histogram(histogram)) = metric.data else { panic!("{:?}", metric.data) };
        let point = &histogram.data_points[0];
        assert_eq!(point.explicit_bounds, [0.5, 1.0]);
        assert_eq!(point.bucket_counts, [1, 2, 4]);
        assert_eq!((point.count, point.sum), (7, Some(9.25)));
    }

    #[test]
    fn what_is_too_large_for_a_request_is_sent_in_several() {
        let values = |from: u64| (from..from + 30_000).map(PointValue::Whole).collect();
        let all = published(vec![
            metric("one", FamilyKind::Gauge, values(0)),
            metric("none", FamilyKind::Gauge, Vec::new()),
            metric("two", FamilyKind::Gauge, values(30_000)),
        ]);
        let requests = requests(&all, &Resource::default(), Moments { start: 1, now: 2 });
        assert!(requests.len() > 1);
        assert_eq!(requests.iter().map(count).sum::<usize>(), 60_000);
        let values: Vec<_> = sent(&all)
            .into_iter()
            .flatten()
            .flat_map(|metric| match metric.data {
                Some(Data::Gauge(gauge)) => gauge.data_points,
                data => panic!("{data:?}"),
            })
            .map(|point| point.value)
            .collect();
        let expected: Vec<_> = (0..60_000).map(|value| Some(Value::AsInt(value))).collect();
        assert!(values == expected, "each is sent once, in order");
    }
}
