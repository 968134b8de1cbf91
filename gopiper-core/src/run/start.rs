//! Starts a pipeline that fits together.
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
};

use crossbeam_channel::Receiver;
use gopiper_abi::{
    Kind,
    raw::{DEFAULT_CAPACITY, Outcome},
};

use crate::{
    base::{clock::Clock, memory::Blocks, time_spent::TimeSpent},
    channel::{Channel, sequencer::Sequencer},
    dead_letters::Outbox,
    disk::state::ComponentState,
    plan::{
        error::PipelineError,
        pipeline::Pipeline,
        planned_stage::PlannedStage,
        policy::{BranchPolicy, OnFail},
        routes::Destination,
        ways::ways_to,
    },
    run::{
        attendance::Attendance,
        pool::Pool,
        running::{Control, Running},
        watchdog,
    },
    stage::{
        Failures, Linger, Outlet, Stage, Tee, component_log::ComponentLog, durations::Durations,
        inlet::Inlet, metrics::Metrics, origins::Origins, stop::Stop, taps::Taps, threads::Threads,
        traces::Traces,
    },
};

impl Pipeline {
    /// Starts all workers, the sources last.
    ///
    /// # Errors
    /// A component cannot start; then none runs any more.
    pub fn start(self) -> Result<Running, PipelineError> {
        let mut running = self.start_held()?;
        running.release();
        Ok(running)
    }

    /// Starts all workers, but the sources wait for [`Running::release`]: so that several pipelines
    /// start all or none.
    ///
    /// # Errors
    /// A component cannot start; then none runs any more.
    pub fn start_held(self) -> Result<Running, PipelineError> {
        self.prepare()?.start_held()
    }

    /// Creates the stages. No code of a component runs before [`Prepared::start_held`], but the
    /// pipeline can be stopped from here on.
    ///
    /// # Errors
    /// The system lacks something.
    pub fn prepare(mut self) -> Result<Prepared, PipelineError> {
        let system = |error: std::io::Error| PipelineError::System(error.to_string());
        let dead_letter = self.take_dead_letter()?;
        let (pipeline, clock): (Arc<str>, _) =
            (self.name.as_str().into(), self.options.clock.clone());
        let common = Common {
            stop: Arc::new(Stop::new(&self.stages).map_err(system)?),
            blocks: Arc::new(Blocks::new(self.options.memory)),
            traces: Traces::new(pipeline.clone(), clock.clone()),
            origins: Arc::default(),
            clock,
            pipeline,
            state_directory: self.options.state_directory.clone(),
        };
        let attendance = Arc::new(Attendance::new(common.clock.clone()));
        let pools = common.pools(self.stages, dead_letter, &attendance);
        let mut stages: Vec<_> = pools.iter().map(|(pool, _)| pool.stage.clone()).collect();
        // In their order; after them the dead letters, which start first and end last.
        stages.sort_by_key(|stage| stage.position);
        let limit = self.options.shutdown_timeout;
        let Common { stop, clock, .. } = common;
        let running = Running::new(self.name, stages, stop, attendance.clone(), limit);
        Ok(Prepared { running, pools, attendance, clock })
    }
}

/// A pipeline with its stages, not started yet.
pub struct Prepared {
    running: Running,
    /// In the order in which they start, each with the number of its workers.
    pools: Vec<(Arc<Pool>, usize)>,
    attendance: Arc<Attendance>,
    clock: Clock,
}

impl Prepared {
    /// Its control, which works even while it starts.
    pub fn control(&self) -> Control {
        self.running.control()
    }

    /// Starts all workers, but the sources wait for [`Running::release`]. If a temporary error
    /// keeps a component from starting (a full disk), it is tried again until the pipeline is
    /// stopped.
    ///
    /// # Errors
    /// A component cannot start; then none runs any more.
    pub fn start_held(self) -> Result<Running, PipelineError> {
        let Prepared { mut running, pools, attendance, clock } = self;
        if let Err(error) = start_all(&pools, &running.held) {
            running.cancel();
            return Err(error);
        }
        let pools = pools.into_iter().map(|(pool, _)| pool).collect();
        match watchdog::start(pools, attendance, clock) {
            Ok(watchdog) => running.watchdog = watchdog,
            Err(error) => {
                running.cancel();
                return Err(PipelineError::System(error.to_string()));
            }
        }
        Ok(running)
    }
}

/// Starts the workers of all pools, those of sources once all others have started. Of several that
/// cannot start, the error is that of the first in order.
fn start_all(pools: &[(Arc<Pool>, usize)], held: &Receiver<()>) -> Result<(), PipelineError> {
    for sources in [false, true] {
        let now = pools.iter().filter(|(pool, _)| (pool.stage.kind == Kind::SOURCE) == sources);
        let starting = now.map(|(pool, workers)| pool.start(*workers, held));
        for starting in starting.collect::<Result<Vec<_>, _>>()? {
            starting.wait()?;
        }
    }
    Ok(())
}

/// The state that all stages of a pipeline share.
struct Common {
    pipeline: Arc<str>,
    stop: Arc<Stop>,
    blocks: Arc<Blocks>,
    clock: Clock,
    state_directory: Option<PathBuf>,
    traces: Arc<Traces>,
    origins: Arc<Origins>,
}

fn channel(planned: &PlannedStage) -> Arc<Channel> {
    let (messages, bytes) = (planned.channel_size, planned.channel_bytes);
    Arc::new(match &planned.partition_by {
        Some(by) => Channel::partitioned(messages, bytes, planned.pool_size, by.clone()),
        None => Channel::new(messages, bytes),
    })
}

/// The destination of a stage's messages, among the stages that exist.
fn outlet(next: &Destination, made: &BTreeMap<usize, Arc<Inlet>>) -> Option<Outlet> {
    Some(match next {
        // The outlet of a buffer is a source of its own.
        Destination::Nothing | Destination::Stored(_) => return None,
        Destination::To(planned) => Outlet::To(made.get(planned)?.clone()),
        Destination::Tee(branches) => {
            let mut tee = Tee::default();
            for (policy, next) in branches {
                let branches = match policy {
                    BranchPolicy::Detach => &mut tee.detached,
                    BranchPolicy::Drop => &mut tee.lossy,
                    BranchPolicy::Block => &mut tee.waited_for,
                };
                branches.push(outlet(next, made)?);
            }
            Outlet::Tee(tee)
        }
        Destination::Route(branches) => {
            let all = branches.iter().map(|(_, next)| outlet(next, made));
            Outlet::Route(all.collect::<Option<_>>()?)
        }
    })
}

impl Common {
    /// The pools of all stages, in the order in which they start.
    fn pools(
        &self,
        planned: Vec<PlannedStage>,
        dead_letter: Option<PlannedStage>,
        attendance: &Arc<Attendance>,
    ) -> Vec<(Arc<Pool>, usize)> {
        let mut pools = Vec::new();
        let mut add = |stage: Stage, workers| {
            pools.push((Pool::new(Arc::new(stage), attendance.clone()), workers));
        };
        let count = planned.len();
        let keeps = |planned: &PlannedStage| planned.on_fail == Some(OnFail::DeadLetter);
        let outbox = dead_letter.map(|planned| {
            let (workers, channel) = (planned.pool_size, channel(&planned));
            let mut stage = self.stage(planned, count, Some(channel.clone()), None, None);
            stage.delivers = Outcome::DEAD_LETTERED;
            add(stage, workers);
            Outbox::new(self.pipeline.to_string(), channel, &self.clock)
        });
        // From the end on: a stage has those that it leads to.
        let (mut made, mut ways) = (BTreeMap::new(), ways_to(&planned));
        for (position, planned) in planned.into_iter().enumerate().rev() {
            let workers = planned.pool_size;
            let channel = (planned.factory.kind() != Kind::SOURCE).then(|| channel(&planned));
            let outbox = outbox.clone().filter(|_| keeps(&planned));
            let outlet = outlet(&planned.next, &made);
            outlet.iter().for_each(Outlet::begin);
            outbox.iter().for_each(|outbox| outbox.begin());
            let mut stage = self.stage(planned, position, channel, outlet, outbox);
            stage.ways = ways.pop().unwrap_or_default().join("\n");
            made.extend(stage.inlet.clone().map(|inlet| (position, inlet)));
            add(stage, workers);
        }
        pools
    }

    fn stage(
        &self,
        planned: PlannedStage,
        position: usize,
        channel: Option<Arc<Channel>>,
        outlet: Option<Outlet>,
        dead_letters: Option<Arc<Outbox>>,
    ) -> Stage {
        let (kind, component) = (planned.factory.kind(), planned.factory.name().to_owned());
        let held_memory = planned.factory.held_memory();
        let in_order = planned.ordered && kind == Kind::TRANSFORM;
        let state =
            ComponentState::new(self.state_directory.clone(), &self.pipeline, &planned.name);
        let failures =
            Failures::new(self.pipeline.clone(), planned.name.clone(), self.clock.clone());
        let failures = Arc::new(failures);
        let log =
            ComponentLog::new(self.pipeline.clone(), planned.name.clone(), self.clock.clone());
        let inlet = channel.map(|channel| Arc::new(Inlet::new(channel, failures.clone())));
        let ledger = inlet.as_ref().map(|inlet| inlet.ledger.clone()).unwrap_or_default();
        let of_linger = if planned.linger.is_some() { DEFAULT_CAPACITY as usize } else { 1 };
        let of_call = planned.gathers.max(of_linger);
        Stage {
            pipeline: self.pipeline.clone(),
            name: planned.name,
            ways: String::new(),
            position,
            kind,
            is_buffer: planned.next.stored_at().is_some(),
            factory: planned.factory.into(),
            counters: Default::default(),
            inlet,
            outlet,
            retry: planned.retry,
            on_fail: planned.on_fail.unwrap_or(OnFail::Discard),
            dead_letters,
            delivers: Outcome::DELIVERED,
            sequencer: in_order.then(Sequencer::new),
            holds_back: planned.ordered && kind == Kind::SINK,
            timeout: planned.timeout,
            linger: Linger {
                time: planned.linger.unwrap_or_default(),
                gathers: planned.gathers > 0,
                // Half of the channel at most, among all: the rest has to come in meanwhile.
                messages: (planned.channel_size / (2 * planned.pool_size)).clamp(1, of_call),
                bytes: planned.channel_bytes / (2 * planned.pool_size),
            },
            clock: self.clock.clone(),
            ledger,
            stop: self.stop.clone(),
            blocks: self.blocks.clone(),
            state,
            origins: self.origins.clone(),
            metrics: Metrics::default(),
            component,
            held_memory,
            present: TimeSpent::new(self.clock.clone()),
            idle: TimeSpent::new(self.clock.clone()),
            blocked: TimeSpent::new(self.clock.clone()),
            threads: Threads::default(),
            taps: Taps::default(),
            traces: self.traces.clone(),
            calls: Durations::default(),
            ages: Durations::default(),
            senders: AtomicUsize::new(planned.pool_size),
            workers: AtomicUsize::new(planned.pool_size),
            failures,
            log,
            pool_size: planned.pool_size,
            failure_stops: Default::default(),
        }
    }
}
