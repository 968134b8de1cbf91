//! Proves the interface: a source whose messages come from tasks of a tokio runtime of its own, and
//! which learns the outcome of each.
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use gopiper_abi::{
    Counter, Error, Factory, Message, Outcome, Parallel, Postponed, Produced, Source, attributes,
    export_component,
};
use tokio::runtime::Runtime;

attributes! {
    /// Produces numbered messages from tokio's tasks.
    pub struct Attributes {
        /// How many tasks.
        pub tasks: usize,
        /// How many messages each of them sends, in batches of three.
        pub messages: usize,
    }
}

/// Makes the [`TokioSource`].
pub struct TokioFactory(Attributes);

impl Factory for TokioFactory {
    type Component = TokioSource;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(TokioFactory(attributes))
    }

    fn create(&self, postponed: Postponed) -> Result<TokioSource, Error> {
        let host = postponed.host();
        let counter = |name: &str| host.metric(name, "Messages whose outcome is known.").counter();
        Ok(TokioSource {
            attributes: self.0.clone(),
            delivered: counter("heard_delivered_total")?,
            dropped: counter("heard_dropped_total")?,
            failed: counter("heard_failed_total")?,
            open: Arc::new(AtomicUsize::new(0)),
            runtime: None,
            postponed,
        })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of the one worker.
pub struct TokioSource {
    attributes: Attributes,
    postponed: Postponed,
    delivered: Counter,
    dropped: Counter,
    failed: Counter,
    /// Tasks that are still sending.
    open: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
}

impl Source for TokioSource {
    fn start(&mut self) -> Result<(), Error> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
        let Attributes { tasks, messages } = self.attributes;
        self.open.store(tasks, SeqCst);
        for task in 0..tasks {
            let (postponed, open) = (self.postponed.clone(), self.open.clone());
            runtime.spawn(async move {
                for first in (0..messages).step_by(3) {
                    tokio::time::sleep(Duration::from_micros(10)).await;
                    let mut batch = postponed.batch();
                    for number in first..(first + 3).min(messages) {
                        let _ = batch.push(Message::new(format!("{task}:{number}")));
                    }
                    let token = (task * messages + first) as u64;
                    // Waits for room in the channel, which is not for a task to do on its thread.
                    let sender = postponed.clone();
                    let sent =
                        tokio::task::spawn_blocking(move || sender.send_tracked(batch, token));
                    if !matches!(sent.await, Ok(Ok(()))) {
                        break;
                    }
                }
                open.fetch_sub(1, SeqCst);
                postponed.host().wake();
            });
        }
        self.runtime = Some(runtime);
        Ok(())
    }

    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let done = self.open.load(SeqCst) == 0;
        Ok(if done { Produced::FINISHED } else { Produced::WAITING })
    }

    fn settled(&mut self, _token: u64, indices: Range<u32>, outcome: Outcome) {
        let count = indices.len() as u64;
        match outcome {
            Outcome::DELIVERED => self.delivered.add(count),
            Outcome::DROPPED => self.dropped.add(count),
            _ => self.failed.add(count),
        }
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        // The tasks' threads go with it; none of them is left when the component is dropped.
        drop(self.runtime.take());
        Ok(())
    }
}

export_component!(source: TokioFactory);
