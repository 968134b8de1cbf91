//! The answers of `/api/v1` about the pipelines: their reports, as the structs of
//! `command::sample`.
use std::time::Instant;

use gopiper_core::{
    MetricValue,
    observe::{
        ComponentReport, DurationCounts, LibraryMemory, PipelineReport, ProcessorTime,
        resident_bytes,
    },
    secrets::redact,
};
use serde_json::{Value, json};

use super::state::shared::Shared;
use crate::command::sample::{
    ComponentSample, DurationsSample, FailureSample, MemorySample, MetricSample, PipelineSample,
    PipelinesSample, ProcessIdentity, ProcessSample,
};

/// The process, as `gopiper list --running` shows it.
pub(super) fn identity(shared: &Shared) -> ProcessIdentity {
    ProcessIdentity {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        file: redact(&shared.served.file.to_string_lossy()).into_owned(),
        state: shared.stops.phase().name().to_owned(),
        uptime_seconds: shared.started.elapsed().as_secs_f64(),
        pipelines: shared.stops.controls().iter().map(|it| it.name().to_owned()).collect(),
    }
}

/// The process and all of its pipelines, now.
pub(super) fn sample(shared: &Shared) -> PipelinesSample {
    let controls = shared.stops.controls();
    let processor = ProcessorTime::look(&controls);
    let reports = shared.reports(&processor);
    let now = Instant::now();
    let (not_ready, readiness) = shared.not_ready(&reports, now);
    let process = ProcessSample {
        identity: identity(shared),
        cpu_seconds: processor.process.as_secs_f64(),
        gopiper_cpu_seconds: processor.gopiper().as_secs_f64(),
        own_threads_cpu_seconds: processor.own_threads.as_secs_f64(),
        resident_bytes: resident_bytes(),
        not_ready,
    };
    let libraries: Vec<_> = reports
        .iter()
        .flat_map(|pipeline| &pipeline.components)
        .filter_map(|component| component.memory)
        .collect();
    let of = |pipeline: &PipelineReport| PipelineSample {
        name: pipeline.name.clone(),
        outcomes: pipeline.outcomes.named().map(|(name, count)| (name.to_owned(), count)).into(),
        components: pipeline
            .components
            .iter()
            .map(|it| ComponentSample {
                stuck_seconds: readiness.stuck(pipeline, it, now).as_secs_f64(),
                ..component(it, &libraries)
            })
            .collect(),
    };
    PipelinesSample { process, pipelines: reports.iter().map(of).collect() }
}

fn component(report: &ComponentReport, libraries: &[LibraryMemory]) -> ComponentSample {
    let counts = &report.counts;
    ComponentSample {
        id: report.name.clone(),
        kind: report.kind.name().to_owned(),
        component_type: report.component.clone(),
        next: report.next.clone(),
        workers: report.workers,
        received_messages: counts.received,
        received_bytes: counts.received_bytes,
        sent_messages: counts.sent,
        sent_bytes: counts.sent_bytes,
        dropped_messages: counts.dropped,
        missed_messages: counts.missed,
        failed_messages: counts.failed,
        dead_letters: counts.dead_letters,
        returned_messages: counts.returned,
        kept_messages: counts.kept,
        retries: counts.retries,
        panics: counts.panics,
        restarts: counts.restarts,
        abandoned_workers: counts.abandoned,
        late_reports: counts.late,
        in_flight_messages: report.in_flight,
        depth_messages: report.depth_messages,
        depth_limit_messages: report.limit_messages,
        depth_bytes: report.depth_bytes,
        depth_limit_bytes: report.limit_bytes,
        present_seconds: report.present.as_secs_f64(),
        busy_seconds: report.busy().as_secs_f64(),
        idle_seconds: report.idle.as_secs_f64(),
        blocked_seconds: report.blocked.as_secs_f64(),
        cpu_seconds: report.processor.map(|time| time.as_secs_f64()),
        memory: report.memory.map(|memory| MemorySample {
            library_bytes: memory.held_bytes(),
            components: libraries
                .iter()
                .filter(|other| memory.is_of_the_same_library(**other))
                .count(),
        }),
        stored_part: report.filled(),
        stuck_seconds: 0.0,
        calls: durations(&report.calls),
        ages: durations(&report.ages),
        failures: failures(report),
        metrics: metrics(report),
    }
}

fn failures(report: &ComponentReport) -> Vec<FailureSample> {
    let failures = report.failures.iter().map(|failure| FailureSample {
        time_seconds: failure.time as f64 / 1e9,
        status: failure.status,
        description: redact(&failure.description).into_owned(),
    });
    failures.collect()
}

fn metrics(report: &ComponentReport) -> Vec<MetricSample> {
    let metrics = report.metrics.iter().map(|metric| {
        let labels = metric.labels.iter();
        MetricSample {
            name: metric.name.clone(),
            help: metric.help.clone(),
            unit: metric.unit.clone(),
            labels: labels
                .map(|(name, value)| (name.clone(), redact(value).into_owned()))
                .collect(),
            value: value(&metric.value),
        }
    });
    metrics.collect()
}

fn durations(counts: &DurationCounts) -> DurationsSample {
    let buckets = counts.within.iter().map(|(bound, count)| (bound.as_secs_f64(), *count));
    DurationsSample {
        buckets: buckets.collect(),
        longer: counts.longer,
        sum_seconds: counts.sum.as_secs_f64(),
    }
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
