//! Reports of the past and the present work of a pipeline and its components.
use std::{
    ptr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use gopiper_abi::Kind;

use crate::{
    disk::{STORED_BYTES, STORED_LIMIT_BYTES},
    observe::{memory::LibraryMemory, processor::ProcessorTime},
    run::running::Control,
    stage::{
        Stage,
        counters::{ComponentCounts, OutcomeCounts},
        durations::DurationCounts,
        failure_log::recent_failures::RecentFailure,
        metrics::{ComponentMetric, MetricValue},
    },
};

/// The past and the present work of a pipeline.
#[derive(Debug, Clone)]
pub struct PipelineReport {
    /// Its name.
    pub name: String,
    /// Its components in order; after them the dead letters, if it keeps any.
    pub components: Vec<ComponentReport>,
    /// The outcomes of all messages that its components created.
    pub outcomes: OutcomeCounts,
}

/// The past and the present work of a component.
#[derive(Debug, Clone)]
pub struct ComponentReport {
    /// Its name in the pipeline.
    pub name: String,
    /// Whether it is a source, a transform or a sink.
    pub kind: Kind,
    /// The name of the component in its file, or of a component that is built into gopiper.
    pub component: String,
    /// The components that its messages go to, by their names in the pipeline.
    pub next: Vec<String>,
    /// The counts of its workers.
    pub counts: ComponentCounts,
    /// The messages that wait for it or that it is handling.
    pub depth_messages: u64,
    /// Their bytes, as its channel counts them.
    pub depth_bytes: u64,
    /// The most of both in its channel; 0 for a source, which has none.
    pub limit_messages: u64,
    /// As above.
    pub limit_bytes: u64,
    /// Messages that it created or copied, and that have no outcome yet.
    pub in_flight: u64,
    /// Workers that have not ended.
    pub workers: u64,
    /// The time of all of its workers together since each was started.
    pub present: Duration,
    /// Of that, the time that they waited for messages, or for a moment to try again.
    pub idle: Duration,
    /// Of that, the time that they waited for room in the next components.
    pub blocked: Duration,
    /// The processor time of its workers, and of threads that it has started itself. `None` if the
    /// system does not report it.
    pub processor: Option<Duration>,
    /// The memory that its library holds. `None` if the library does not count it.
    pub memory: Option<LibraryMemory>,
    /// How long its calls of `handle` took.
    pub calls: DurationCounts,
    /// The age of messages when it had finished them, if no component comes after it.
    pub ages: DurationCounts,
    /// The last reasons why its messages failed, from the oldest to the newest.
    pub failures: Vec<RecentFailure>,
    /// The metrics that it has registered.
    pub metrics: Vec<ComponentMetric>,
}

impl ComponentReport {
    /// How full a buffer or the dead letters are: from 0 to 1. `None` for other components.
    pub fn filled(&self) -> Option<f64> {
        let gauge = |name: &str| {
            self.metrics.iter().find(|metric| metric.name == name).map(|metric| &metric.value)
        };
        match (gauge(STORED_BYTES)?, gauge(STORED_LIMIT_BYTES)?) {
            (MetricValue::Gauge(stored), MetricValue::Gauge(limit)) => Some(stored / limit),
            _ => None,
        }
    }

    /// The number of messages that it has finished so far, with any outcome, and of calls that have
    /// ended: while the number stays the same, it makes no progress.
    pub fn progress(&self) -> u64 {
        let counts = &self.counts;
        let calls: u64 = self.calls.within.iter().map(|(_, count)| count).sum();
        counts.sent + counts.dropped + counts.failed + counts.kept + calls + self.calls.longer
    }

    /// The time that its workers worked: they waited neither for messages nor for room. A source
    /// that waits for input by itself counts as working, because gopiper cannot see that it waits.
    pub fn busy(&self) -> Duration {
        self.present.saturating_sub(self.idle + self.blocked)
    }
}

impl Control {
    /// Reports the past and the present work of the pipeline. `processor` is read once for the
    /// whole process, and is the same for all pipelines.
    pub fn report(&self, processor: &ProcessorTime) -> PipelineReport {
        PipelineReport {
            name: self.name().to_owned(),
            components: self
                .stages()
                .iter()
                .map(|stage| self.component(stage, processor))
                .collect(),
            outcomes: self.outcomes(),
        }
    }

    fn component(&self, stage: &Stage, processor: &ProcessorTime) -> ComponentReport {
        let load = stage.inlet.as_ref().map(|inlet| inlet.channel.load());
        let of = |get: fn(crate::channel::credit::Load) -> u64| {
            load.map_or((0, 0), |(used, limit)| (get(used), get(limit)))
        };
        let ((depth_messages, limit_messages), (depth_bytes, limit_bytes)) =
            (of(|load| load.messages()), of(|load| load.bytes()));
        ComponentReport {
            name: stage.name.clone(),
            kind: stage.kind,
            component: stage.component.clone(),
            next: self.next(stage),
            counts: stage.counts(),
            depth_messages,
            depth_bytes,
            limit_messages,
            limit_bytes,
            in_flight: stage.ledger.open.load(Relaxed),
            workers: stage.workers.load(Relaxed) as u64,
            // The parts first: they must not be more than the whole.
            idle: stage.idle.read(),
            blocked: stage.blocked.read(),
            present: stage.present.read(),
            processor: processor.of(&stage.pipeline, &stage.name),
            memory: stage.held_memory.map(LibraryMemory::look),
            calls: stage.calls.read(),
            ages: stage.ages.read(),
            failures: stage.failures.recent.read(),
            metrics: stage.metrics.read(&stage.name),
        }
    }

    /// The names of the stages that this one sends to.
    pub(super) fn next(&self, stage: &Stage) -> Vec<String> {
        let mut next = Vec::new();
        let Some(outlet) = &stage.outlet else { return next };
        outlet.each_channel(&mut |channel| {
            let is_its_own = |other: &&Arc<Stage>| {
                other.inlet.as_ref().is_some_and(|inlet| ptr::eq(&*inlet.channel, channel))
            };
            next.extend(self.stages().iter().filter(is_its_own).map(|other| other.name.clone()));
        });
        // Branches that lead to one component.
        next.dedup();
        next
    }
}
