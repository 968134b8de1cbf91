//! The producer of a worker, with the thread that takes its delivery reports.
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use gopiper_abi::{Error, Host, Report};
use kafka_client::{Asked, Watcher, ask};
use rdkafka::{
    client::ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Message as _},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};

use crate::{Writing, record::Record, verdict::verdict};

/// How long a poll lasts: it serves what comes at once, and the thread ends at most so much later.
const POLL: Duration = Duration::from_millis(100);

/// So often a message looks for room that no report announces.
const ROOM: Duration = Duration::from_millis(5);
/// How long a message may find no room although no others are on their way.
const ALONE: Duration = Duration::from_secs(5);

/// What the worker's thread and that of the producer share.
pub(crate) struct Desk {
    watcher: Watcher,
    call: Mutex<Deliveries>,
    /// Messages of the call have ended.
    ended: Condvar,
    /// The producer can write no more: another one is needed.
    is_broken: AtomicBool,
    is_closing: AtomicBool,
}

/// The messages of a call.
#[derive(Default)]
struct Deliveries {
    reports: Vec<Option<Report>>,
    /// How many are on their way.
    open: usize,
    /// A message waits for the report of another one.
    wants_room: bool,
}

impl Desk {
    fn call(&self) -> MutexGuard<'_, Deliveries> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, error: &KafkaError) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.is_broken.store(true, Ordering::Release);
        }
    }
}

/// The context of a producer: a type of ours, for a trait of the library.
struct Reports(Arc<Desk>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.watcher.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.note(&error);
        self.0.watcher.error(&error, reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ProducerContext for Reports {
    /// The place of the message in its call.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let report = match result {
            Ok(_) => Report::DONE,
            Err((error, message)) => {
                self.0.note(error);
                verdict(error, message.topic())
            }
        };
        let mut call = self.0.call();
        if let Some(empty @ None) = call.reports.get_mut(place) {
            *empty = Some(report);
            call.open -= 1;
        }
        // The worker's thread is not woken for each of thousands of messages.
        if call.open == 0 || call.wants_room {
            call.wants_room = false;
            self.0.ended.notify_all();
        }
    }
}

/// A producer at work.
pub(crate) struct Producing {
    producer: Arc<BaseProducer<Reports>>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Producing {
    pub(crate) fn new(writing: &Writing, host: &Host) -> Result<Self, Error> {
        let desk = Arc::new(Desk {
            watcher: Watcher::new(host.clone()),
            call: Mutex::default(),
            ended: Condvar::new(),
            is_broken: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        });
        let producer: BaseProducer<Reports> = writing
            .config()?
            .create_with_context(Reports(desk.clone()))
            .map_err(|error| Error::attribute("connection", error.to_string()))?;
        if let Some(topic) = writing.topic.fixed() {
            let poll = || producer.poll(Duration::ZERO);
            let asked = Asked { attribute: "topic", topic };
            ask(producer.client(), poll, &desk.watcher, &writing.access, asked)?;
        }
        let producer = Arc::new(producer);
        let (polled, host, ours) = (producer.clone(), host.clone(), desk.clone());
        let thread = thread::Builder::new().name("kafka".into()).spawn(move || {
            host.scope(|| {
                while !ours.is_closing.load(Ordering::Acquire) {
                    polled.poll(POLL);
                }
            });
        })?;
        Ok(Producing { producer, desk, thread: Some(thread) })
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.desk.is_broken.load(Ordering::Acquire)
    }

    /// Begins a call of so many messages.
    pub(crate) fn begin(&self, count: usize) {
        *self.desk.call() = Deliveries { reports: vec![None; count], ..Deliveries::default() };
    }

    /// Writes a message of the call; waits for room in the queue of librdkafka.
    pub(crate) fn write(&self, place: usize, record: Record<'_>) {
        // Before its report can come.
        self.desk.call().open += 1;
        let mut wanted = BaseRecord::with_opaque_to(&record.topic, place);
        wanted.partition = record.partition;
        wanted.key = record.key.as_deref();
        wanted.payload = record.payload;
        wanted.timestamp = record.timestamp;
        wanted.headers = record.headers;
        let mut alone_since = None;
        loop {
            let Err((error, back)) = self.producer.send(wanted) else { return };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            let mut call = self.desk.call();
            // There is room again a while after the reports of others, when librdkafka frees them.
            // If there are none for long, it is too large.
            let since = match call.open {
                ..=1 => *alone_since.get_or_insert_with(Instant::now),
                _ => Instant::now(),
            };
            if is_full && since.elapsed() < ALONE && !self.has_stopped() {
                wanted = back;
                call.wants_room = true;
                let waited = self.desk.ended.wait_timeout(call, ROOM);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            self.desk.note(&error);
            let report = match is_full {
                true => Report::fail(3, "larger than queue.buffering.max.kbytes"),
                false => verdict(&error, &record.topic),
            };
            drop(call);
            self.refuse(place, report);
            self.desk.call().open -= 1;
            return;
        }
    }

    /// A message of the call that is not written.
    pub(crate) fn refuse(&self, place: usize, report: Report) {
        if let Some(empty) = self.desk.call().reports.get_mut(place) {
            *empty = Some(report);
        }
    }

    /// Whether no more reports come: its thread has panicked.
    fn has_stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until all messages of the call have ended; returns their reports.
    pub(crate) fn finish(&self) -> Vec<Option<Report>> {
        let mut call = self.desk.call();
        while call.open > 0 {
            if self.has_stopped() {
                self.desk.is_broken.store(true, Ordering::Release);
                break;
            }
            let waited = self.desk.ended.wait_timeout(call, POLL);
            call = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut call.reports)
    }
}

impl Drop for Producing {
    /// Nothing is on its way: each call has waited for its messages.
    fn drop(&mut self) {
        self.desk.is_closing.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread of the producer has panicked");
        }
    }
}
