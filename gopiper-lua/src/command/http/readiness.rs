//! Whether the pipelines do their work, and if not, why.
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gopiper_core::observe::PipelineReport;

/// A component that has had messages for so long, and finished none of them, is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// A buffer or the dead letters count as full from this part of their limit on.
const FULL: f64 = 0.9;

/// The progress of each component, as it was seen.
#[derive(Default)]
pub(super) struct Readiness {
    seen: HashMap<(String, String), LastProgress>,
}

struct LastProgress {
    messages: u64,
    blocked: Duration,
    since: Instant,
}

impl Readiness {
    /// Looks at the pipelines: often enough that a stuck component is noticed in time.
    pub(super) fn look(&mut self, pipelines: &[PipelineReport], now: Instant) {
        for pipeline in pipelines {
            for component in &pipeline.components {
                let (messages, blocked) = (component.progress(), component.blocked);
                let seen = LastProgress { messages, blocked, since: now };
                let key = (pipeline.name.clone(), component.name.clone());
                let before = self.seen.entry(key).or_insert(seen);
                // One that waits for room has messages, too; a later one is the cause.
                let moves = before.messages != messages || before.blocked != blocked;
                if moves || component.depth_messages == 0 {
                    *before = LastProgress { messages, blocked, since: now };
                }
            }
        }
    }

    /// Why the pipelines are not ready; empty if they are.
    pub(super) fn reasons(&self, pipelines: &[PipelineReport], now: Instant) -> Vec<String> {
        let mut reasons = Vec::new();
        for pipeline in pipelines {
            for component in &pipeline.components {
                let of = format!("pipeline {}, component {}", pipeline.name, component.name);
                let key = (pipeline.name.clone(), component.name.clone());
                let unchanged = self.seen.get(&key).map(|seen| now.duration_since(seen.since));
                if let Some(time) = unchanged.filter(|time| *time >= STUCK) {
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
