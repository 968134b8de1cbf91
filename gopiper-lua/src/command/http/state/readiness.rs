//! Readiness: whether the pipelines do their work, and the reasons if they do not.
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gopiper_core::observe::{ComponentReport, PipelineReport};

/// A component that has had messages for this long, and finished none of them, is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// The part of their limit from which on a buffer or the dead letters count as full.
const FULL: f64 = 0.9;

/// The last progress of each component.
#[derive(Default)]
pub(in crate::command::http) struct Readiness {
    seen: HashMap<(String, String), LastProgress>,
}

struct LastProgress {
    messages: u64,
    blocked: Duration,
    since: Instant,
}

impl Readiness {
    /// Records the progress of the pipelines. It must be called often enough that a stuck component
    /// is noticed in time.
    pub(in crate::command::http) fn look(&mut self, pipelines: &[PipelineReport], now: Instant) {
        for pipeline in pipelines {
            for component in &pipeline.components {
                let (messages, blocked) = (component.progress(), component.blocked);
                let seen = LastProgress { messages, blocked, since: now };
                let key = (pipeline.name.clone(), component.name.clone());
                let before = self.seen.entry(key).or_insert(seen);
                // A component that waits for room has messages, too, but a later one is the cause.
                let moves = before.messages != messages || before.blocked != blocked;
                if moves || component.depth_messages == 0 {
                    *before = LastProgress { messages, blocked, since: now };
                }
            }
        }
    }

    /// The time for which a component has had messages, finished none of them, and waited for no
    /// later component.
    pub(in crate::command::http) fn stuck(
        &self,
        pipeline: &PipelineReport,
        component: &ComponentReport,
        now: Instant,
    ) -> Duration {
        let key = (pipeline.name.clone(), component.name.clone());
        let seen = self.seen.get(&key);
        seen.map_or(Duration::ZERO, |seen| now.duration_since(seen.since))
    }

    /// The reasons why the pipelines are not ready; empty if they are ready.
    pub(in crate::command::http) fn reasons(
        &self,
        pipelines: &[PipelineReport],
        now: Instant,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        for pipeline in pipelines {
            for component in &pipeline.components {
                let of = format!("pipeline {}, component {}", pipeline.name, component.name);
                let time = self.stuck(pipeline, component, now);
                if time >= STUCK {
                    reasons.push(format!(
                        "{of}: {} messages wait, and none was finished for {} s",
                        component.depth_messages,
                        time.as_secs()
                    ));
                }
                if let Some(filled) = component.filled().filter(|filled| *filled >= FULL) {
                    reasons.push(format!("{of}: {:.0} % of its limit is stored", filled * 100.0));
                }
            }
        }
        reasons
    }
}

#[cfg(test)]
pub(in crate::command::http) mod tests {
    use gopiper_abi::Kind;
    use gopiper_core::{MetricValue, observe::ComponentReport};

    use super::*;

    pub(in crate::command::http) fn component(depth_messages: u64) -> ComponentReport {
        ComponentReport {
            name: "store".into(),
            kind: Kind::SINK,
            component: "store".into(),
            next: Vec::new(),
            counts: Default::default(),
            depth_messages,
            depth_bytes: 0,
            limit_messages: 10,
            limit_bytes: 1000,
            in_flight: 0,
            workers: 1,
            present: Duration::ZERO,
            idle: Duration::ZERO,
            blocked: Duration::ZERO,
            processor: None,
            memory: None,
            calls: Default::default(),
            ages: Default::default(),
            failures: Vec::new(),
            metrics: Vec::new(),
        }
    }

    /// The reasons after looks at these, so many seconds after the first one.
    fn reasons(looks: &[(u64, &ComponentReport)]) -> Vec<String> {
        let (mut readiness, begin) = (Readiness::default(), Instant::now());
        let mut last = Vec::new();
        for (seconds, component) in looks {
            let now = begin + Duration::from_secs(*seconds);
            let components = vec![(*component).clone()];
            let (name, outcomes) = ("main".into(), Default::default());
            let pipelines = [PipelineReport { name, components, outcomes }];
            readiness.look(&pipelines, now);
            last = readiness.reasons(&pipelines, now);
        }
        last
    }

    #[test]
    fn a_component_that_finishes_nothing_for_a_minute_is_stuck() {
        let waits = component(3);
        assert!(reasons(&[(0, &waits), (59, &waits)]).is_empty());
        let said =
            "pipeline main, component store: 3 messages wait, and none was finished for 60 s";
        assert_eq!(reasons(&[(0, &waits), (60, &waits)]), [said]);
        let mut works = component(3);
        works.counts.sent = 1;
        assert!(reasons(&[(0, &waits), (59, &works), (70, &works)]).is_empty());
        let mut held_up = component(3);
        held_up.blocked = Duration::from_secs(30);
        assert!(
            reasons(&[(0, &waits), (59, &held_up), (70, &held_up)]).is_empty(),
            "not the cause"
        );
        let idle = component(0);
        assert!(reasons(&[(0, &idle), (100, &idle)]).is_empty());
    }

    #[test]
    fn a_store_that_is_almost_full_is_not_ready() {
        let stored = |bytes: f64| {
            let gauge = |name: &str, value| gopiper_core::ComponentMetric {
                component: "buffer".into(),
                name: name.into(),
                help: String::new(),
                unit: "bytes".into(),
                labels: Vec::new(),
                value: MetricValue::Gauge(value),
            };
            let metrics = vec![gauge("stored_bytes", bytes), gauge("stored_limit_bytes", 1000.0)];
            ComponentReport { metrics, ..component(0) }
        };
        assert!(reasons(&[(0, &stored(899.0))]).is_empty());
        let said = "pipeline main, component store: 90 % of its limit is stored";
        assert_eq!(reasons(&[(0, &stored(900.0))]), [said]);
    }
}
