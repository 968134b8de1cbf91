//! The threads of a component's workers.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, Sender, bounded};
use gopiper_abi::raw::RawError;
use parking_lot::Mutex;

use crate::{
    base::at_work,
    plan::error::PipelineError,
    run::attendance::Attendance,
    stage::Stage,
    worker::{
        Called, Worker, handled::HandledBatch, host::WorkerHost, instance::Instance,
        source::SourceWorker, watched::Watched,
    },
};

/// How long a component may take to start before that is reported.
const PATIENCE: Duration = Duration::from_secs(3);

/// A worker's stack. A Lua function that recurses through Lua's library (`string.gsub`, say) takes
/// up to 20 MB before it reaches Lua's own limit. Only the used part takes memory.
const STACK: usize = 32 << 20;

/// The workers of one component.
pub(crate) struct Pool {
    pub(crate) stage: Arc<Stage>,
    pub(crate) attendance: Arc<Attendance>,
    /// The current call of each worker, for the watchdog.
    pub(crate) posts: Mutex<Vec<Post>>,
    /// How many workers have begun: the number of the last one.
    begun: AtomicUsize,
}

/// One worker's thread, as others see it.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) host: Arc<WorkerHost>,
    pub(crate) watched: Arc<Watched<Called>>,
    /// The call that the watchdog has seen last, and when first.
    pub(crate) seen: (u64, i64),
}

type Started = Result<(), RawError>;

impl Pool {
    pub(crate) fn new(stage: Arc<Stage>, attendance: Arc<Attendance>) -> Arc<Self> {
        Arc::new(Pool { stage, attendance, posts: Mutex::default(), begun: AtomicUsize::new(0) })
    }

    /// Starts the workers, each on its thread. Sources wait until `held` is disconnected.
    pub(crate) fn start(
        self: &Arc<Self>,
        workers: usize,
        held: &Receiver<()>,
    ) -> Result<Starting, PipelineError> {
        let (tell, hear) = bounded(workers);
        for number in 0..workers {
            let (tell, held) = (tell.clone(), held.clone());
            let spawned = match &self.stage.inlet {
                None => self.spawn_source(tell, held).map_err(|(error, _)| error),
                Some(inlet) => {
                    let worker = Worker::new(self.stage.clone(), inlet.channel.receiver(number));
                    self.spawn_worker(worker, None, move |instance| {
                        let made = instance.start();
                        let started = made.is_ok();
                        let _ = tell.send(made);
                        started
                    })
                    .map_err(|(error, _)| error)
                }
            };
            spawned.map_err(|error| PipelineError::System(error.to_string()))?;
        }
        Ok(Starting { stage: self.stage.clone(), workers, hear })
    }

    /// Lets a new thread continue as a worker that was stuck, with its batch. If there can be no
    /// thread, the pipeline has failed, and the calling thread returns the worker's messages until
    /// no more come: otherwise senders would wait forever.
    pub(crate) fn replace(
        self: &Arc<Self>,
        stuck: &Post,
        worker: Box<Worker>,
        begun: HandledBatch,
    ) {
        self.posts.lock().retain(|post| !Arc::ptr_eq(&post.host, &stuck.host));
        if let Err((error, work)) = self.spawn_worker(worker, Some(begun), |_| true) {
            let stage = &self.stage;
            // Before it goes on: so no component is called, nor made, on this thread.
            stage.stop.done_with(stage.position);
            stage.fail(&format!("cannot replace a stuck worker: {error}"));
            work();
        }
    }

    fn spawn_worker(
        self: &Arc<Self>,
        worker: Box<Worker>,
        begun: Option<HandledBatch>,
        start: impl FnOnce(&mut Instance) -> bool + Send + 'static,
    ) -> Result<(), (io::Error, impl FnOnce())> {
        let number = self.next_number();
        let host = WorkerHost::new(self.stage.clone(), worker.inbox.clone(), number);
        let post = Post { host, watched: Arc::new(Watched::new()), seen: (0, 0) };
        if self.stage.timeout.is_some() {
            self.posts.lock().push(post.clone());
        }
        let present = Present::new(self, begun.is_some());
        self.spawn(number, move || {
            // It goes after the instance: the factory has to outlive that.
            let mut present = present;
            let mut instance = Instance::new(post.host);
            present.stays =
                start(&mut instance) && worker.run(&mut instance, &post.watched, begun).is_none();
        })
    }

    fn spawn_source(
        self: &Arc<Self>,
        tell: Sender<Started>,
        held: Receiver<()>,
    ) -> Result<(), (io::Error, impl FnOnce())> {
        let present = Present::new(self, false);
        let (stage, number) = (self.stage.clone(), self.next_number());
        self.spawn(number, move || {
            let mut present = present;
            match SourceWorker::new(stage, number) {
                Ok(mut source) => {
                    let _ = tell.send(Ok(()));
                    // Disconnected when the pipeline is released; nothing is ever sent.
                    let _ = held.recv();
                    source.produce();
                    present.has_sent_all();
                    source.hear_out();
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })
    }

    /// The number of the next worker. A worker that replaces another one gets a new number.
    fn next_number(&self) -> u64 {
        self.begun.fetch_add(1, Relaxed) as u64 + 1
    }

    /// Returns the work if there can be no thread for it.
    fn spawn<W: FnOnce() + Send + 'static>(
        &self,
        number: u64,
        work: W,
    ) -> Result<(), (io::Error, W)> {
        let name = thread_name(&self.stage.name);
        let (component, pipeline) = (&self.stage.name, &self.stage.pipeline);
        let words = format!("component {component} (pipeline {pipeline}, worker {number})");
        // The new thread takes it from here: a thread that cannot start would drop its argument.
        let work = Arc::new(Mutex::new(Some(work)));
        let (its, stage) = (work.clone(), self.stage.clone());
        let spawned = thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
            at_work::begin(words);
            let _present = (stage.present.begin(), stage.threads.enter());
            let work = its.lock().take();
            if let Some(work) = work {
                work();
            }
        });
        let Err(error) = spawned else { return Ok(()) };
        let work = work.lock().take();
        work.map_or(Ok(()), |work| Err((error, work)))
    }
}

/// The name of a component's threads. The kernel shows 15 bytes.
pub(crate) fn thread_name(component: &str) -> String {
    let end = (0..=15.min(component.len())).rev().find(|end| component.is_char_boundary(*end));
    component[..end.unwrap_or(0)].to_owned()
}

/// Workers whose components are starting.
pub(crate) struct Starting {
    stage: Arc<Stage>,
    workers: usize,
    hear: Receiver<Started>,
}

impl Starting {
    /// Waits until the components of all workers have started.
    ///
    /// # Errors
    /// One cannot start.
    pub(crate) fn wait(self) -> Result<(), PipelineError> {
        for _ in 0..self.workers {
            match self.next() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(PipelineError::cannot_start(&self.stage.name, error)),
                Err(_) => {
                    let error = "its thread ended before the component started".into();
                    let component = self.stage.name.clone();
                    let attribute = String::new();
                    return Err(PipelineError::Start { component, attribute, error });
                }
            }
        }
        Ok(())
    }

    /// Waits for the result of the next worker's start. The log names a component that takes long:
    /// nothing else would show the reason for the wait.
    fn next(&self) -> Result<Started, RecvError> {
        match self.hear.recv_timeout(PATIENCE) {
            Ok(started) => Ok(started),
            Err(RecvTimeoutError::Disconnected) => Err(RecvError),
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    pipeline = &*self.stage.pipeline,
                    component = self.stage.name,
                    code = "slow_start",
                    "it has not started in {PATIENCE:?}: the pipeline waits for it"
                );
                self.hear.recv()
            }
        }
    }
}

/// A worker at work. When it goes, for whatever reason, the others learn of it.
struct Present {
    pool: Arc<Pool>,
    sends: bool,
    /// Another thread is this worker now.
    stays: bool,
}

impl Present {
    /// `again`: another thread continues as a worker that is counted already.
    fn new(pool: &Arc<Pool>, again: bool) -> Self {
        if !again {
            pool.attendance.enter(pool.stage.kind);
        }
        Present { pool: pool.clone(), sends: true, stays: false }
    }

    fn has_sent_all(&mut self) {
        if std::mem::take(&mut self.sends) {
            self.pool.stage.sender_ended();
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let stage = &self.pool.stage;
        if self.stays {
            return stage.worker_ended();
        }
        if thread::panicking() {
            stage.fail("its worker's thread has panicked: a bug in gopiper");
        }
        self.has_sent_all();
        let stage = &self.pool.stage;
        stage.worker_ended();
        self.pool.attendance.leave(stage.kind);
    }
}
