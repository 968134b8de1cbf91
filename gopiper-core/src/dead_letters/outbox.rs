//! Passes failed messages to the dead letters.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use gopiper_abi::{Identity, raw::Batch};

use super::about;
use crate::{
    base::{clock::Clock, random::random_name, secrets::redact, time_spent::TimeSpent},
    channel::Channel,
};

/// The place where the stages of a pipeline put messages that have failed.
pub(crate) struct Outbox {
    pipeline: String,
    inlet: Arc<Channel>,
    /// The prefix of the ids of this run: the time and the process, so that it is unique.
    run: String,
    ids: AtomicU64,
    /// The origin of messages that came without an identity: no other run in the world has it.
    origin: String,
    unidentified: AtomicU64,
}

impl Outbox {
    pub(crate) fn new(pipeline: String, inlet: Arc<Channel>, clock: &Clock) -> Arc<Self> {
        let started = clock.now().unsigned_abs() / 1_000_000;
        let run = format!("{}-{}", base36(started), base36(std::process::id().into()));
        let origin = random_name();
        Arc::new(Outbox {
            pipeline,
            inlet,
            run,
            ids: AtomicU64::new(0),
            origin,
            unidentified: AtomicU64::new(0),
        })
    }

    /// The id of the next dead letter.
    pub(crate) fn next_id(&self) -> String {
        format!("{}-{}", self.run, self.ids.fetch_add(1, Relaxed) + 1)
    }

    /// One more stage may put messages in.
    pub(crate) fn begin(&self) {
        self.inlet.begin_sending();
    }

    /// Sends failed messages of a component, each with the details of its failure. Waits for room;
    /// `waits` counts that time. If the dead letters cannot be written, the pipeline stalls.
    pub(crate) fn put(&self, (component, ways): (&str, &str), mut batch: Batch, waits: &TimeSpent) {
        let (mut description, mut identity) = (String::new(), Identity::default());
        for message in batch.messages_mut() {
            let (status, attempts) = (message.status(), message.attempts());
            // It goes to disk, and `dlq list` knows no secrets.
            redact(message.description()).as_ref().clone_into(&mut description);
            if let Some(position) = message.position() {
                message.set_attribute(about::POSITION, position);
            }
            if !message.write_id(&mut identity) {
                let number = self.unidentified.fetch_add(1, Relaxed) + 1;
                identity.set(&self.origin, number, &[]);
            }
            message.set_attribute(about::IDENTITY, identity.to_string());
            message.set_attribute(about::PIPELINE, self.pipeline.as_str());
            message.set_attribute(about::COMPONENT, component);
            message.set_attribute(about::STATUS, i64::from(status));
            message.set_attribute(about::DESCRIPTION, &*description);
            message.set_attribute(about::ATTEMPTS, i64::from(attempts) + 1);
            message.set_attribute(about::WAYS, ways);
            message.set_status(0);
            message.set_attempts(0);
        }
        // Closed: the pipeline has ended at once, and the messages are returned.
        drop(self.inlet.send(batch, waits));
    }

    /// A stage puts no more messages in; after the last one, the dead letters have ended.
    pub(crate) fn end(&self) {
        self.inlet.end_sending();
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit((number % 36) as u32, 36));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}
