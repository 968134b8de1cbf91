//! From a pipeline that fits together to one at work.
use std::sync::{Arc, atomic::AtomicUsize};

use gopiper_abi::{Kind, raw::DEFAULT_CAPACITY};

use crate::{
    attendance::Attendance,
    channel::Channel,
    error::PipelineError,
    memory::Blocks,
    pipeline::Pipeline,
    pool::Pool,
    running::Running,
    sequencer::Sequencer,
    stage::{Linger, Stage},
    stop::Stop,
    watchdog,
};

impl Pipeline {
    /// Starts all workers, the sources last.
    ///
    /// # Errors
    /// When a component can't start; then none runs any more.
    pub fn start(self) -> Result<Running, PipelineError> {
        let mut running = self.start_held()?;
        running.release();
        Ok(running)
    }

    /// Starts all workers, but the sources wait for [`Running::release`]: so that several pipelines
    /// start all or none.
    ///
    /// # Errors
    /// When a component can't start; then none runs any more.
    pub fn start_held(self) -> Result<Running, PipelineError> {
        let system = |error: std::io::Error| PipelineError::System(error.to_string());
        let stop = Arc::new(Stop::new().map_err(system)?);
        let blocks = Arc::new(Blocks::new(self.options.memory));
        let clock = self.options.clock;
        let attendance = Arc::new(Attendance::new(clock.clone()));
        let mut pools: Vec<(Arc<Pool>, usize)> = Vec::new();
        let mut outlet = None;
        for (position, part) in self.parts.into_iter().enumerate().rev() {
            let kind = part.factory.kind();
            let (messages, bytes) = (part.channel_size, part.channel_bytes);
            let channel = || match part.partition_by {
                Some(by) => Arc::new(Channel::partitioned(messages, bytes, part.pool_size, by)),
                None => Arc::new(Channel::new(messages, bytes)),
            };
            let inlet = (kind != Kind::SOURCE).then(channel);
            let in_order = part.ordered && kind == Kind::TRANSFORM;
            let stage = Stage {
                name: part.name,
                position,
                kind,
                factory: part.factory.into(),
                counters: Default::default(),
                inlet: inlet.clone(),
                outlet,
                retry: part.retry,
                on_fail: part.on_fail,
                sequencer: in_order.then(Sequencer::new),
                timeout: part.timeout,
                linger: Linger {
                    time: part.linger.unwrap_or_default(),
                    // Half of the channel at most, among all: the rest has to come in meanwhile.
                    messages: (messages / (2 * part.pool_size)).clamp(1, DEFAULT_CAPACITY as usize),
                    bytes: bytes / (2 * part.pool_size),
                },
                clock: clock.clone(),
                ledger: Default::default(),
                stop: stop.clone(),
                blocks: blocks.clone(),
                state_directory: self.options.state_directory.clone(),
                metrics: Default::default(),
                senders: AtomicUsize::new(part.pool_size),
                workers: AtomicUsize::new(part.pool_size),
                failures_told: Default::default(),
            };
            outlet = inlet;
            pools.push((Pool::new(Arc::new(stage), attendance.clone()), part.pool_size));
        }
        let stages = pools.iter().rev().map(|(pool, _)| pool.stage.clone()).collect();
        let limit = self.options.shutdown_timeout;
        let mut running = Running::new(self.name, stages, stop, attendance.clone(), limit);
        for (pool, workers) in &pools {
            if let Err(error) = pool.start(*workers, &running.held) {
                running.cancel();
                return Err(error);
            }
        }
        let pools = pools.into_iter().map(|(pool, _)| pool).collect();
        match watchdog::start(pools, attendance, clock) {
            Ok(watchdog) => running.watchdog = watchdog,
            Err(error) => {
                running.cancel();
                return Err(system(error));
            }
        }
        Ok(running)
    }
}
