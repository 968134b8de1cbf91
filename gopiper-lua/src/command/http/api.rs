//! What `/api/v1` answers: the reports of pipelines as JSON.
use std::time::Duration;

use gopiper_core::{
    MetricValue,
    observe::{
        ComponentReport, DurationCounts, LibraryMemory, PipelineReport, ProcessorTime,
        resident_bytes,
    },
    secrets::redact,
};
use serde_json::{Value, json};

use super::shared::Shared;

/// The process: what `gopiper list --running` shows.
pub(super) fn process(shared: &Shared) -> Value {
    let names: Vec<_> =
        shared.stops.controls().iter().map(|control| control.name().to_owned()).collect();
    json!({
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "file": redact(&shared.file.to_string_lossy()),
        "state": shared.stops.phase().name(),
        "uptime_seconds": shared.started.elapsed().as_secs_f64(),
        "pipelines": names,
    })
}

/// The process and all of its pipelines, at one moment.
pub(super) fn pipelines(
    shared: &Shared,
    reports: &[PipelineReport],
    processor: &ProcessorTime,
    not_ready: &[String],
) -> Value {
    let mut process = process(shared);
    process["cpu_seconds"] = seconds(processor.process);
    process["gopiper_cpu_seconds"] = seconds(processor.gopiper());
    process["own_threads_cpu_seconds"] = seconds(processor.own_threads);
    process["resident_bytes"] = json!(resident_bytes());
    process["not_ready"] = json!(not_ready);
    let libraries: Vec<_> = reports
        .iter()
        .flat_map(|pipeline| &pipeline.components)
        .filter_map(|component| component.memory)
        .collect();
    let pipelines = reports.iter().map(|pipeline| {
        let components = pipeline.components.iter().map(|it| component(it, &libraries));
        let outcomes =
            pipeline.outcomes.named().map(|(name, count)| (name.to_owned(), count.into()));
        json!({
            "name": pipeline.name,
            "outcomes": serde_json::Map::from_iter(outcomes),
            "components": components.collect::<Vec<_>>(),
        })
    });
    json!({ "process": process, "pipelines": pipelines.collect::<Vec<_>>() })
}

fn component(report: &ComponentReport, libraries: &[LibraryMemory]) -> Value {
    let counts = &report.counts;
    let memory = report.memory.map(|memory| {
        let users = libraries.iter().filter(|other| memory.is_of_the_same_library(**other)).count();
        json!({ "library_bytes": memory.held_bytes(), "components": users })
    });
    let metrics = report.metrics.iter().map(|metric| {
        let labels: serde_json::Map<_, _> = metric
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), json!(redact(value))))
            .collect();
        json!({
            "name": metric.name, "help": metric.help, "unit": metric.unit, "labels": labels,
            "value": value(&metric.value),
        })
    });
    let failures = report.failures.iter().map(|failure| {
        json!({
            "time_seconds": failure.time as f64 / 1e9,
            "status": failure.status,
            "description": redact(&failure.description),
        })
    });
    json!({
        "id": report.name,
        "kind": report.kind.name(),
        "type": report.component,
        "next": report.next,
        "workers": report.workers,
        "received_messages": counts.received,
        "received_bytes": counts.received_bytes,
        "sent_messages": counts.sent,
        "sent_bytes": counts.sent_bytes,
        "dropped_messages": counts.dropped,
        "missed_messages": counts.missed,
        "failed_messages": counts.failed,
        "dead_letters": counts.dead_letters,
        "returned_messages": counts.returned,
        "kept_messages": counts.kept,
        "retries": counts.retries,
        "panics": counts.panics,
        "restarts": counts.restarts,
        "abandoned_workers": counts.abandoned,
        "late_reports": counts.late,
        "in_flight_messages": report.in_flight,
        "depth_messages": report.depth_messages,
        "depth_limit_messages": report.limit_messages,
        "depth_bytes": report.depth_bytes,
        "depth_limit_bytes": report.limit_bytes,
        "present_seconds": seconds(report.present),
        "busy_seconds": seconds(report.busy()),
        "idle_seconds": seconds(report.idle),
        "blocked_seconds": seconds(report.blocked),
        "cpu_seconds": report.processor.map(seconds),
        "memory": memory,
        "stored_part": report.filled(),
        "calls": durations(&report.calls),
        "ages": durations(&report.ages),
        "failures": failures.collect::<Vec<_>>(),
        "metrics": metrics.collect::<Vec<_>>(),
    })
}

fn seconds(time: Duration) -> Value {
    json!(time.as_secs_f64())
}

/// Each bucket has its upper bound, and counts what is above that of the one before.
fn durations(counts: &DurationCounts) -> Value {
    let buckets = counts.within.iter().map(|(bound, count)| json!([bound.as_secs_f64(), count]));
    json!({
        "buckets": buckets.collect::<Vec<_>>(),
        "longer": counts.longer,
        "sum_seconds": seconds(counts.sum),
    })
}

fn value(value: &MetricValue) -> Value {
    match value {
        MetricValue::Counter(value) => json!(value),
        MetricValue::Gauge(value) => json!(value),
        MetricValue::Histogram { buckets, beyond, sum } => {
            json!({ "buckets": buckets, "longer": beyond, "sum": sum })
        }
    }
}
