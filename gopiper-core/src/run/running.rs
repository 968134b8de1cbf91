//! A pipeline at work.
use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    channel::wake::Wake,
    run::attendance::Attendance,
    stage::{
        Stage,
        counters::{ComponentCounts, OutcomeCounts},
        metrics::ComponentMetric,
        stop::{Stop, StopReason},
    },
};

/// How long threads may take to end once they have nothing to wait for. Those that take longer are
/// stuck.
const LEAVING: Duration = Duration::from_secs(1);

/// A pipeline at work. It ends by itself when its sources do.
pub struct Running {
    name: String,
    stages: Vec<Arc<Stage>>,
    stop: Arc<Stop>,
    attendance: Arc<Attendance>,
    shutdown_timeout: Option<Duration>,
    pub(crate) watchdog: Option<Arc<Wake>>,
    /// Sources wait until this is dropped.
    hold: Option<Sender<()>>,
    pub(crate) held: Receiver<()>,
}

/// Stops and observes a pipeline from any thread.
#[derive(Clone)]
pub struct Control {
    name: String,
    stages: Vec<Arc<Stage>>,
    stop: Arc<Stop>,
    attendance: Arc<Attendance>,
}

/// How a pipeline has ended.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its name.
    pub pipeline: String,
    /// Its components by name, in order, with their counts.
    pub components: Vec<(String, ComponentCounts)>,
    /// The outcomes of all messages that its components created (mainly those of the sources).
    pub outcomes: OutcomeCounts,
    /// Why it ended before its sources did, if it did.
    pub stopped: Option<StopReason>,
    /// Why detached branches of it ended alone, if some did.
    pub ended_branches: Vec<StopReason>,
    /// Messages without an outcome: their component kept them until it ended.
    pub unsettled: u64,
    /// If it was ended at once, the messages that its components did not process, by name: those
    /// that they have returned, and those that a stuck component has not given back.
    pub left: Vec<(String, u64)>,
}

impl Summary {
    /// Whether nothing failed, and nothing was left except on purpose.
    pub fn is_success(&self) -> bool {
        let failed = self.ends().any(|reason| matches!(reason, StopReason::Failed { .. }));
        let left = self.outcomes.returned + self.unsettled > 0 && !self.is_finished();
        let left = left || !self.left.is_empty();
        !failed && !left && self.outcomes.failed == 0
    }

    /// Whether it, or a branch of it, ended because a component wanted no more messages: the
    /// remaining ones are left on purpose.
    pub fn is_finished(&self) -> bool {
        self.ends().any(|reason| matches!(reason, StopReason::Finished { .. }))
    }

    fn ends(&self) -> impl Iterator<Item = &StopReason> {
        self.stopped.iter().chain(&self.ended_branches)
    }
}

impl Running {
    pub(crate) fn new(
        name: String,
        stages: Vec<Arc<Stage>>,
        stop: Arc<Stop>,
        attendance: Arc<Attendance>,
        shutdown_timeout: Option<Duration>,
    ) -> Self {
        let (hold, held) = bounded(0);
        stop.tell(&attendance);
        let (hold, watchdog) = (Some(hold), None);
        Running { name, stages, stop, attendance, shutdown_timeout, watchdog, hold, held }
    }

    /// Releases the sources of a pipeline that was started held.
    pub fn release(&mut self) {
        self.hold.take();
    }

    /// Ends the started part of a pipeline that cannot start as a whole.
    pub(crate) fn cancel(&mut self) {
        self.stop.request(StopReason::Requested);
        for stage in &self.stages {
            if let Some(inlet) = &stage.inlet {
                inlet.channel.close();
            }
        }
        self.release();
        self.drain();
    }

    /// Its control for other threads.
    pub fn control(&self) -> Control {
        let (name, stages, stop) = (self.name.clone(), self.stages.clone(), self.stop.clone());
        Control { name, stages, stop, attendance: self.attendance.clone() }
    }

    /// Stops it: the sources stop, and the rest drains.
    pub fn stop(&self) {
        self.stop.request(StopReason::Requested);
    }

    /// Waits until it has ended. After a stop, that takes no longer than its `shutdown_timeout`,
    /// and a second or two to return the remaining messages to their source.
    pub fn wait(mut self) -> Summary {
        self.release();
        self.drain();
        let control = self.control();
        let open = |stage: &Arc<Stage>| stage.ledger.open.load(SeqCst);
        Summary {
            components: control.counts(),
            outcomes: control.outcomes(),
            stopped: self.stop.reason(),
            ended_branches: self.stop.ended_branches(),
            unsettled: self.stages.iter().map(open).sum(),
            left: self.unprocessed(),
            pipeline: self.name,
        }
    }

    /// Waits for the workers: first all except the sources, which stay until all their messages are
    /// settled. Returns the remaining messages to them if that takes too long.
    fn drain(&self) {
        if !self.wait_until(|| self.attendance.others_gone()) {
            if let (Some(limit), false) = (self.shutdown_timeout, self.stop.is_aborted()) {
                tracing::error!(
                    pipeline = self.name,
                    code = "not_drained",
                    "the pipeline did not drain within {} s: the remaining messages are returned to \
                     their sources",
                    limit.as_secs_f64()
                );
            }
            self.control().abort();
            self.wait_until(|| self.attendance.others_gone());
        }
        self.stop.drained();
        if let Some(watchdog) = &self.watchdog {
            watchdog.nudge();
        }
        self.wait_until(|| self.attendance.all_gone());
        self.stages.iter().for_each(|stage| stage.state.unlock());
    }

    /// The messages that components left, if it was ended at once. Counted at the end: messages on
    /// their way at the moment of the abort are returned by the stages that they still reach.
    fn unprocessed(&self) -> Vec<(String, u64)> {
        if !self.stop.is_aborted() {
            return Vec::new();
        }
        let left = self.stages.iter().map(|stage| {
            let stuck = stage.inlet.as_ref().map_or(0, |inlet| inlet.channel.messages());
            (stage.name.clone(), stage.counts().returned + stuck)
        });
        left.filter(|(_, messages)| *messages > 0).collect()
    }

    /// Waits for a condition, for as long as draining may take, or leaving once the pipeline is
    /// aborted. Returns whether it holds.
    fn wait_until(&self, is_so: impl Fn() -> bool) -> bool {
        let wake = &self.attendance.wake;
        let (mut until, aborted) = (i64::MAX, self.stop.is_aborted());
        let limit = if aborted { Some(LEAVING) } else { self.shutdown_timeout };
        loop {
            wake.take_nudge();
            if is_so() {
                return true;
            }
            if let (i64::MAX, Some(limit), true) = (until, limit, self.stop.is_requested()) {
                until = wake.clock.after(limit);
            }
            let time_is_over = until != i64::MAX && wake.clock.monotonic() >= until;
            if time_is_over || self.stop.is_aborted() != aborted {
                return false;
            }
            wake.wait(until);
        }
    }
}

impl Control {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stops it: the sources stop, and the rest drains.
    pub fn stop(&self) {
        self.stop.request(StopReason::Requested);
    }

    /// Ends it at once: unsettled messages return to their source.
    pub fn abort(&self) {
        self.stop.abort();
        self.attendance.wake.nudge();
    }

    /// The counts of each component so far, by name, in order.
    pub fn counts(&self) -> Vec<(String, ComponentCounts)> {
        self.stages.iter().map(|stage| (stage.name.clone(), stage.counts())).collect()
    }

    /// The outcomes so far of all messages that components created.
    pub fn outcomes(&self) -> OutcomeCounts {
        self.stages.iter().fold(OutcomeCounts::default(), |sum, stage| {
            let one = stage.ledger.outcomes.read();
            OutcomeCounts {
                delivered: sum.delivered + one.delivered,
                dropped: sum.dropped + one.dropped,
                dead_lettered: sum.dead_lettered + one.dead_lettered,
                failed: sum.failed + one.failed,
                returned: sum.returned + one.returned,
            }
        })
    }

    pub(crate) fn stages(&self) -> &[Arc<Stage>] {
        &self.stages
    }

    /// The metrics that components have registered.
    pub fn metrics(&self) -> Vec<ComponentMetric> {
        self.stages.iter().flat_map(|stage| stage.metrics.read(&stage.name)).collect()
    }

    /// The messages that wait for a component or that it is handling, by name.
    pub fn left(&self) -> Vec<(String, u64)> {
        let left = self.stages.iter().filter_map(|stage| {
            let inlet = stage.inlet.as_ref()?;
            Some((stage.name.clone(), inlet.channel.messages()))
        });
        left.filter(|(_, messages)| *messages > 0).collect()
    }
}
