//! A pipeline at work.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use gopiper_abi::raw::Metric;

use crate::{
    counters::{ComponentCounts, OutcomeCounts},
    stage::Stage,
    stop::{Stop, StopReason},
};

/// A pipeline at work. It ends by itself when its sources do.
pub struct Running {
    name: String,
    pub(crate) stages: Vec<Arc<Stage>>,
    stop: Arc<Stop>,
    pub(crate) drained: Arc<AtomicBool>,
    /// Sources wait until this is dropped.
    hold: Option<Sender<()>>,
    pub(crate) held: Receiver<()>,
    sources: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
}

/// Stops a pipeline from any thread, and looks at it.
#[derive(Clone)]
pub struct Control {
    name: String,
    stages: Vec<Arc<Stage>>,
    stop: Arc<Stop>,
}

/// How a pipeline has ended.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What it was called.
    pub pipeline: String,
    /// Its components by name, in order, with what they have done.
    pub components: Vec<(String, ComponentCounts)>,
    /// What became of all that its components made themselves (the sources' messages above all).
    pub outcomes: OutcomeCounts,
    /// Why it ended before its sources did, if it did.
    pub stopped: Option<StopReason>,
    /// Messages that nobody settled: kept by a component that has ended all the same.
    pub unsettled: u64,
}

impl Summary {
    /// Whether nothing failed and nothing was left, or was meant to be left.
    pub fn is_success(&self) -> bool {
        let finished = matches!(self.stopped, Some(StopReason::Finished { .. }));
        let failed = matches!(self.stopped, Some(StopReason::Failed { .. }));
        let left = self.outcomes.returned + self.unsettled > 0 && !finished;
        !failed && !left && self.outcomes.failed == 0
    }
}

impl Running {
    pub(crate) fn new(name: String, stop: Arc<Stop>) -> Self {
        let (hold, held) = bounded(0);
        Running {
            name,
            stages: Vec::new(),
            stop,
            drained: Arc::default(),
            hold: Some(hold),
            held,
            sources: Vec::new(),
            others: Vec::new(),
        }
    }

    pub(crate) fn add_thread(&mut self, is_source: bool, thread: JoinHandle<()>) {
        if is_source { self.sources.push(thread) } else { self.others.push(thread) }
    }

    /// Lets the sources of a pipeline go that was started held.
    pub fn release(&mut self) {
        self.hold.take();
    }

    /// Ends what has started of a pipeline that can't start whole.
    pub(crate) fn abort(&mut self) {
        self.stop.request(StopReason::Requested);
        let stages = std::mem::take(&mut self.stages);
        for stage in &stages {
            if let Some(inlet) = &stage.inlet {
                inlet.close();
            }
        }
        self.drained.store(true, SeqCst);
        self.release();
        self.join();
    }

    /// What stops it from another thread.
    pub fn control(&self) -> Control {
        let (name, stages, stop) = (self.name.clone(), self.stages.clone(), self.stop.clone());
        Control { name, stages, stop }
    }

    /// Ends it: the sources stop, the rest drains.
    pub fn stop(&self) {
        self.stop.request(StopReason::Requested);
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> Summary {
        self.release();
        self.join();
        let control = self.control();
        let open = |stage: &Arc<Stage>| stage.ledger.open.load(SeqCst);
        Summary {
            components: control.counts(),
            outcomes: control.outcomes(),
            stopped: self.stop.reason(),
            unsettled: self.stages.iter().map(open).sum(),
            pipeline: self.name,
        }
    }

    /// The sources stay until all that they produced is settled, or everybody else has ended.
    fn join(&mut self) {
        for thread in self.others.drain(..) {
            if thread.join().is_err() {
                tracing::error!(pipeline = %self.name, "a worker's thread has panicked: a fault of gopiper");
            }
        }
        self.drained.store(true, SeqCst);
        for stage in &self.stages {
            stage.ledger.wakes.lock().iter().for_each(|wake| wake.nudge());
        }
        for thread in self.sources.drain(..) {
            if thread.join().is_err() {
                tracing::error!(pipeline = %self.name, "a source's thread has panicked: a fault of gopiper");
            }
        }
    }
}

impl Control {
    /// What the pipeline is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends it: the sources stop, the rest drains.
    pub fn stop(&self) {
        self.stop.request(StopReason::Requested);
    }

    /// What each component has done so far, by name, in order.
    pub fn counts(&self) -> Vec<(String, ComponentCounts)> {
        self.stages.iter().map(|stage| (stage.name.clone(), stage.counters.read())).collect()
    }

    /// What became so far of all that components made themselves.
    pub fn outcomes(&self) -> OutcomeCounts {
        self.stages.iter().fold(OutcomeCounts::default(), |sum, stage| {
            let one = stage.ledger.outcomes.read();
            OutcomeCounts {
                delivered: sum.delivered + one.delivered,
                dropped: sum.dropped + one.dropped,
                failed: sum.failed + one.failed,
                returned: sum.returned + one.returned,
            }
        })
    }

    /// The metrics that components have registered: component, metric, value.
    pub fn metrics(&self) -> Vec<(String, String, u64)> {
        let of = |stage: &Arc<Stage>| {
            let metrics = stage.metrics.lock();
            let read = |(name, metric): (&String, &&Metric)| {
                (stage.name.clone(), name.clone(), metric.value.load(SeqCst))
            };
            metrics.iter().map(read).collect::<Vec<_>>()
        };
        self.stages.iter().flat_map(of).collect()
    }

    /// The messages that wait for a component or are in its hands, by name.
    pub fn left(&self) -> Vec<(String, u64)> {
        let left = self.stages.iter().filter_map(|stage| {
            let inlet = stage.inlet.as_ref()?;
            Some((stage.name.clone(), inlet.messages()))
        });
        left.filter(|(_, messages)| *messages > 0).collect()
    }
}
