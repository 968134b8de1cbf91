//! The metrics of each component: their names, and where their values come from.
use std::time::Duration;

use crate::observe::component::ComponentReport;
use crate::stage::durations::DurationCounts;

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts durations by their length.
    Histogram,
}

/// A metric that every component has.
pub struct Family {
    /// Its name, without the prefix `gopiper_component_`.
    pub name: &'static str,
    /// Its kind.
    pub kind: FamilyKind,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
    /// What it counts or measures.
    pub help: &'static str,
    /// Its values of a component, two at most, each with a label of its own if it has one.
    pub(super) read: fn(&ComponentReport) -> [Option<Sample>; 2],
}

/// A value of a metric.
pub(super) struct Sample {
    pub(super) label: Option<(&'static str, &'static str)>,
    pub(super) value: SampleValue,
}

pub(super) enum SampleValue {
    Whole(u64),
    Seconds(Duration),
    Durations(DurationCounts),
}

fn one(value: SampleValue) -> [Option<Sample>; 2] {
    [Some(Sample { label: None, value }), None]
}

fn whole(value: u64) -> [Option<Sample>; 2] {
    one(SampleValue::Whole(value))
}

fn seconds(value: Duration) -> [Option<Sample>; 2] {
    one(SampleValue::Seconds(value))
}

/// Not published until there is one: a component that never calls has no histogram.
fn durations(value: &DurationCounts) -> [Option<Sample>; 2] {
    let is_empty = value.longer == 0 && value.within.iter().all(|(_, count)| *count == 0);
    if is_empty { [None, None] } else { one(SampleValue::Durations(value.clone())) }
}

macro_rules! families {
    ($($kind:ident $name:literal $unit:literal $help:literal = $read:expr;)*) => {
        /// The metrics that every component has, in the order in which they are published.
        pub const FAMILIES: &[Family] = &[$(Family {
            name: $name,
            kind: FamilyKind::$kind,
            unit: $unit,
            help: $help,
            read: $read,
        }),*];
    };
}

families! {
    Counter "received_messages_total" "" "Messages that the component received."
        = |it| whole(it.counts.received);
    Counter "received_bytes_total" "bytes" "Bytes of the payloads that it received."
        = |it| whole(it.counts.received_bytes);
    Counter "sent_messages_total" "" "Messages that it passed on or created, or delivered (a sink)."
        = |it| whole(it.counts.sent);
    Counter "sent_bytes_total" "bytes" "Bytes of the payloads that it passed on or created."
        = |it| whole(it.counts.sent_bytes);
    Counter "dropped_messages_total" "" "Messages that it dropped on purpose."
        = |it| whole(it.counts.dropped);
    Counter "missed_messages_total" "" "Messages that were dropped because it had no room."
        = |it| whole(it.counts.missed);
    Counter "failed_messages_total" "" "Messages that failed here: at once (`fail`), or after the last attempt (`retry`)."
        = |it| {
            let of = |status, count| {
                let label = Some(("status", status));
                Some(Sample { label, value: SampleValue::Whole(count) })
            };
            [
                of("fail", it.counts.failed.saturating_sub(it.counts.exhausted)),
                of("retry", it.counts.exhausted),
            ]
        };
    Counter "dead_letters_total" "" "Failed messages that became dead letters."
        = |it| whole(it.counts.dead_letters);
    Counter "returned_messages_total" "" "Messages that went back to their source because the pipeline ended."
        = |it| whole(it.counts.returned);
    Counter "kept_messages_total" "" "Messages that it kept, to create other messages from them."
        = |it| whole(it.counts.kept);
    Counter "retries_total" "" "Attempts after the first."
        = |it| whole(it.counts.retries);
    Counter "panics_total" "" "Panics in the component, each of which recreates it."
        = |it| whole(it.counts.panics);
    Counter "restarts_total" "" "Times that it was created again, after a panic for example."
        = |it| whole(it.counts.restarts);
    Counter "abandoned_workers_total" "" "Workers that were replaced because they were stuck."
        = |it| whole(it.counts.abandoned);
    Counter "late_reports_total" "" "Reports that came too late: nothing waited for them any more."
        = |it| whole(it.counts.late);
    Gauge "workers" "" "Workers that have not ended."
        = |it| whole(it.workers);
    Gauge "in_flight_messages" "" "Messages that it created and that have no outcome yet."
        = |it| whole(it.in_flight);
    Gauge "depth_messages" "" "Messages that wait for it or that it is handling."
        = |it| whole(it.depth_messages);
    Gauge "depth_limit_messages" "" "The most messages that may wait for it; 0 for a source."
        = |it| whole(it.limit_messages);
    Gauge "depth_bytes" "bytes" "Bytes of the messages that wait for it or that it is handling."
        = |it| whole(it.depth_bytes);
    Gauge "depth_limit_bytes" "bytes" "The most bytes that may wait for it; 0 for a source."
        = |it| whole(it.limit_bytes);
    Counter "busy_seconds_total" "seconds" "Time that all of its workers worked."
        = |it| seconds(it.busy());
    Counter "idle_seconds_total" "seconds" "Time that all of its workers waited for messages."
        = |it| seconds(it.idle);
    Counter "blocked_seconds_total" "seconds" "Time that all of its workers waited for room in the next components."
        = |it| seconds(it.blocked);
    Counter "cpu_seconds_total" "seconds" "Processor time of its workers and of threads that it started."
        = |it| it.processor.map_or([None, None], seconds);
    Gauge "library_memory_bytes" "bytes" "Memory that its library holds, for it and for other components of the library."
        = |it| it.memory.map_or([None, None], |memory| whole(memory.held_bytes()));
    Histogram "call_duration_seconds" "seconds" "Duration of a call, which handles a batch."
        = |it| durations(&it.calls);
    Histogram "age_seconds" "seconds" "Age of messages when the last component had finished them, by their time."
        = |it| durations(&it.ages);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::metrics::HOST_METRICS;

    /// What gopiper publishes, no component may register.
    #[test]
    fn each_name_is_refused_to_components() {
        let names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names, HOST_METRICS);
    }

    #[test]
    fn names_end_in_their_unit() {
        for family in FAMILIES {
            let measured = family.name.strip_suffix("_total").unwrap_or(family.name);
            assert_eq!(measured != family.name, family.kind == FamilyKind::Counter);
            assert!(family.unit.is_empty() || measured.ends_with(family.unit), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }
}
