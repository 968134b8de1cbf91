//! From one topic to another, or to nothing, as one would write it without gopiper. The settings of
//! librdkafka are those of `kafka_source` and `kafka_sink`.
//!
//! An offset is committed when it and all before it in its partition have been written. It is the
//! only member of its group.
//!
//! COMMIT_MS is how often to commit. SESSION_MS is the timeout of sessions: a broker may hold the
//! first assignment back for half of that.
use std::{
    collections::VecDeque,
    env,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, DeliveryResult, Message as _},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
    topic_partition_list::{Offset, TopicPartitionList},
};

use crate::{Result, client, number, partitions};

/// As the `max_in_flight` of `kafka_sink`.
const MOST_OPEN: usize = 8192;
/// How many messages are taken before reports are.
const ROUND: usize = 512;
/// How long to wait for a message while no reports are expected, and while some are.
const IDLE: Duration = Duration::from_millis(100);
const BUSY: Duration = Duration::from_millis(5);
/// How long to wait for reports alone.
const REPORTS: Duration = Duration::from_millis(1);

/// What of a partition is under way.
#[derive(Default)]
struct Ledger {
    /// The messages from the first one on that is not written: its offset, and whether it is.
    messages: VecDeque<(i64, bool)>,
    /// How many messages were before these.
    passed: usize,
    /// The first offset that may not be committed yet.
    position: Option<i64>,
    committed: Option<i64>,
}

impl Ledger {
    /// A message is to be written; returns its number.
    fn begin(&mut self, offset: i64) -> usize {
        self.messages.push_back((offset, false));
        self.passed + self.messages.len() - 1
    }

    fn end(&mut self, number: usize) {
        if let Some((_, is_written)) = self.messages.get_mut(number - self.passed) {
            *is_written = true;
        }
        while let Some((offset, true)) = self.messages.front() {
            self.position = Some(offset + 1);
            self.messages.pop_front();
            self.passed += 1;
        }
    }
}

#[derive(Default)]
struct State {
    ledgers: Vec<Ledger>,
    open: usize,
    failure: Option<KafkaError>,
}

struct Reports(Mutex<State>);

impl Reports {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {}

/// The bits of a report's number for the message; those above are for the partition.
const BITS: u32 = 44;

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let mut state = self.state();
        state.open -= 1;
        match result {
            Ok(_) => {
                state.ledgers[opaque >> BITS].end(opaque & ((1 << BITS) - 1));
            }
            Err((error, _)) => state.failure = Some(error.clone()),
        }
    }
}

fn consumer(broker: &str, group: &str) -> Result<BaseConsumer> {
    let mut config = client(broker);
    config
        .set("client.id", "bench")
        .set("allow.auto.create.topics", "false")
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", "4096")
        .set("fetch.queue.backoff.ms", "2")
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky");
    if let Ok(session) = env::var("SESSION_MS") {
        config.set("session.timeout.ms", session);
    }
    Ok(config.create()?)
}

fn producer(broker: &str, reports: Reports) -> Result<BaseProducer<Reports>> {
    let mut config = client(broker);
    config
        .set("client.id", "bench")
        .set("allow.auto.create.topics", "false")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("message.timeout.ms", "120000")
        .set("compression.codec", "none")
        .set("partitioner", "murmur2_random");
    Ok(config.create_with_context(reports)?)
}

/// Until it `ended`.
pub(crate) fn run(
    broker: &str,
    group: &str,
    from: &str,
    to: Option<&str>,
    ended: &AtomicBool,
) -> Result<()> {
    let interval = env::var("COMMIT_MS").unwrap_or_else(|_| "1000".into());
    let interval = Duration::from_millis(number(&interval)?);
    let consumer = consumer(broker, group)?;
    let ledgers = (0..partitions(&consumer, from)?).map(|_| Ledger::default()).collect();
    let state = State { ledgers, ..State::default() };
    consumer.subscribe(&[from])?;
    match to {
        None => read(&consumer, from, state, interval, ended),
        Some(to) => {
            let producer = producer(broker, Reports(Mutex::new(state)))?;
            carry(&consumer, &producer, (from, to), interval, ended)
        }
    }
}

/// A message is done when it has come.
fn read(
    consumer: &BaseConsumer,
    from: &str,
    mut state: State,
    interval: Duration,
    ended: &AtomicBool,
) -> Result<()> {
    let mut next_commit = Instant::now() + interval;
    while !ended.load(Ordering::Relaxed) {
        let mut wait = IDLE.min(interval);
        for _ in 0..ROUND {
            let Some(message) = consumer.poll(wait) else { break };
            let message = message?;
            state.ledgers[message.partition() as usize].position = Some(message.offset() + 1);
            wait = Duration::ZERO;
        }
        if Instant::now() >= next_commit {
            commit(consumer, from, &mut state, CommitMode::Async)?;
            next_commit = Instant::now() + interval;
        }
    }
    commit(consumer, from, &mut state, CommitMode::Sync)
}

/// A message is done when the brokers have it.
fn carry(
    consumer: &BaseConsumer,
    producer: &BaseProducer<Reports>,
    (from, to): (&str, &str),
    interval: Duration,
    ended: &AtomicBool,
) -> Result<()> {
    let reports = &**producer.context();
    let mut next_commit = Instant::now() + interval;
    while !ended.load(Ordering::Relaxed) {
        let open = reports.state().open;
        let most = ROUND.min(MOST_OPEN - open);
        let mut wait = if open > 0 { BUSY } else { IDLE.min(interval) };
        for _ in 0..most {
            let Some(message) = consumer.poll(wait) else { break };
            write(producer, reports, &message?, to)?;
            wait = Duration::ZERO;
        }
        producer.poll(if most == 0 { REPORTS } else { Duration::ZERO });
        if let Some(error) = reports.state().failure.take() {
            return Err(error.into());
        }
        if Instant::now() >= next_commit {
            commit(consumer, from, &mut reports.state(), CommitMode::Async)?;
            next_commit = Instant::now() + interval;
        }
    }
    while reports.state().open > 0 {
        producer.poll(REPORTS);
    }
    commit(consumer, from, &mut reports.state(), CommitMode::Sync)
}

fn write(
    producer: &BaseProducer<Reports>,
    reports: &Reports,
    message: &BorrowedMessage<'_>,
    to: &str,
) -> Result<()> {
    let partition = message.partition() as usize;
    let mut state = reports.state();
    let number = state.ledgers[partition].begin(message.offset());
    state.open += 1;
    drop(state);
    let mut record = BaseRecord::with_opaque_to(to, partition << BITS | number);
    record.payload = message.payload();
    record.key = message.key();
    record.timestamp = message.timestamp().to_millis();
    record.headers = message.headers().map(|headers| headers.detach());
    while let Err((error, back)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        producer.poll(REPORTS);
        record = back;
    }
    Ok(())
}

fn commit(consumer: &BaseConsumer, from: &str, state: &mut State, mode: CommitMode) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for (partition, ledger) in (0..).zip(&mut state.ledgers) {
        if let Some(position) = ledger.position
            && ledger.committed != ledger.position
        {
            list.add_partition_offset(from, partition, Offset::Offset(position))?;
            ledger.committed = ledger.position;
        }
    }
    if list.count() > 0 {
        consumer.commit(&list, mode)?;
    }
    Ok(())
}
