//! From a pipeline that fits together to one at work.
use std::{
    sync::{Arc, atomic::AtomicUsize},
    thread,
};

use gopiper_abi::Kind;

use crate::{
    channel::Channel, error::PipelineError, memory::Blocks, pipeline::Pipeline, running::Running,
    sequencer::Sequencer, side::Side, source::SourceWorker, stage::Stage, stop::Stop,
    worker::Worker,
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
        let mut stages: Vec<(Arc<Stage>, usize)> = Vec::new();
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
            stages.push((Arc::new(stage), part.pool_size));
        }
        let mut running = Running::new(self.name, stop);
        for (stage, pool_size) in stages {
            running.stages.insert(0, stage.clone());
            if let Err(error) = start_workers(&mut running, &stage, pool_size) {
                running.abort();
                return Err(error);
            }
        }
        Ok(running)
    }
}

/// Starts a stage's workers, each on its thread, and waits until their components have started.
fn start_workers(
    running: &mut Running,
    stage: &Arc<Stage>,
    pool_size: usize,
) -> Result<(), PipelineError> {
    let (tell, hear) = crossbeam_channel::bounded(pool_size);
    for worker in 0..pool_size {
        let (stage, tell, drained) = (stage.clone(), tell.clone(), running.drained.clone());
        let held = running.held.clone();
        // The kernel shows 15 bytes of a thread's name.
        let name = stage.name.chars().take(15).collect();
        let is_source = stage.kind == Kind::SOURCE;
        let work = move || {
            let _gone = OnDrop(|| stage.worker_ended());
            let sent_all = OnDrop(|| stage.sender_ended());
            let _fault = OnDrop(|| {
                if thread::panicking() {
                    stage.fail("its worker's thread has panicked: a fault of gopiper");
                }
            });
            let side = Side::new(stage.clone());
            if let Some(inlet) = &stage.inlet {
                match Worker::new(side, inlet.receiver(worker)) {
                    Ok(worker) => {
                        let _ = tell.send(Ok(()));
                        worker.run();
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            } else {
                match SourceWorker::new(side, drained) {
                    Ok(mut source) => {
                        let _ = tell.send(Ok(()));
                        // Disconnected when the pipeline is released; nothing is ever sent.
                        let _ = held.recv();
                        source.produce();
                        drop(sent_all);
                        source.hear_out();
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            }
        };
        let spawned = thread::Builder::new().name(name).spawn(work);
        let spawned = spawned.map_err(|error| PipelineError::System(error.to_string()))?;
        running.add_thread(is_source, spawned);
    }
    drop(tell);
    for _ in 0..pool_size {
        match hear.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(PipelineError::cannot_start(&stage.name, error)),
            Err(_) => {
                let error = "its thread ended before it started".into();
                return Err(PipelineError::Start { component: stage.name.clone(), error });
            }
        }
    }
    Ok(())
}

/// Does something when a worker's thread comes to that point, however it does.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
