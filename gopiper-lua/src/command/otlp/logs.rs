//! The lines of the log, from the threads that write them to the requests that send them.
use std::{
    collections::VecDeque,
    error::Error,
    fmt::{self, Write as _},
    sync::{Arc, OnceLock},
    thread::{self, ThreadId},
    time::{Duration, SystemTime},
};

use gopiper_core::secrets::redact;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::values::{attribute, nanoseconds, scope};

/// The most lines that wait to be sent, and about the most bytes of them. More are lost.
const MOST_LINES: usize = 10_000;
const MOST_BYTES: usize = 8 << 20;
/// The most lines of a request, and about the most bytes, unless a line is longer: many receivers
/// accept 4 MiB.
const REQUEST_LINES: usize = 500;
const REQUEST_BYTES: usize = 1 << 20;
/// About the bytes of a line or field, without its texts.
const RECORD_BYTES: usize = 64;

/// Lines that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    /// The thread that takes them. Its own lines are not put in.
    taker: OnceLock<ThreadId>,
    waiting: Mutex<WaitingLines>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct WaitingLines {
    records: VecDeque<LogRecord>,
    bytes: usize,
    lost: u64,
}

impl LogQueue {
    /// This thread takes the lines from now on.
    pub(super) fn taken_here(&self) {
        self.taker.get_or_init(|| thread::current().id());
    }

    /// Adds a line. If there is no room, the line is lost: its writer does not wait.
    fn push(&self, record: LogRecord) {
        let size = size_of(&record);
        let mut waiting = self.waiting.lock();
        if waiting.records.len() >= MOST_LINES || waiting.bytes + size > MOST_BYTES {
            waiting.lost += 1;
            return;
        }
        waiting.bytes += size;
        waiting.records.push_back(record);
        let is_enough = waiting.records.len() >= REQUEST_LINES;
        drop(waiting);
        if is_enough {
            self.wake();
        }
    }

    /// Takes the lines of a request; none if none wait.
    pub(super) fn take(&self) -> Vec<LogRecord> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let mut waiting = self.waiting.lock();
        while taken.len() < REQUEST_LINES
            && let Some(size) = waiting.records.front().map(size_of)
            && (bytes == 0 || bytes + size <= REQUEST_BYTES)
        {
            bytes += size;
            taken.extend(waiting.records.pop_front());
        }
        waiting.bytes -= bytes;
        taken
    }

    /// The number of lines that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().records.len()
    }

    /// The number of lines that found no room since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.waiting.lock().lost)
    }

    /// Waits until there are enough lines for a request, somebody calls `wake`, or this time has
    /// passed.
    pub(super) async fn wait(&self, at_most: Duration) {
        let _ = timeout(at_most, self.wake.notified()).await;
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

fn size_of(record: &LogRecord) -> usize {
    let text = |value: &Option<AnyValue>| match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.len(),
        _ => 0,
    };
    let fields = record.attributes.iter();
    let fields: usize = fields.map(|it| RECORD_BYTES + it.key.len() + text(&it.value)).sum();
    RECORD_BYTES + text(&record.body) + fields
}

/// The request that sends these lines, without secrets.
pub(super) fn request(
    mut log_records: Vec<LogRecord>,
    resource: &Resource,
) -> ExportLogsServiceRequest {
    for record in &mut log_records {
        let fields = record.attributes.iter_mut().filter_map(|it| it.value.as_mut());
        for value in fields.chain(&mut record.body) {
            if let Some(Value::StringValue(text)) = &mut value.value {
                *text = redact(text).into_owned();
            }
        }
    }
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

/// Puts the lines of the log into the queue, but not those of the thread that sends them: otherwise
/// each request would cause another one.
pub(crate) struct LogLayer(pub(super) Arc<LogQueue>);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.0.taker.get() != Some(&thread::current().id()) {
            self.0.push(record(event));
        }
    }
}

fn record(event: &Event<'_>) -> LogRecord {
    let metadata = event.metadata();
    let mut fields = Fields { target: metadata.target().to_owned(), ..Fields::default() };
    event.record(&mut fields);
    let severity = match *metadata.level() {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    };
    let now = nanoseconds(SystemTime::now());
    let mut attributes = fields.attributes;
    attributes.push(attribute("target", Value::StringValue(fields.target)));
    LogRecord {
        time_unix_nano: now,
        observed_time_unix_nano: now,
        severity_number: severity.into(),
        severity_text: metadata.level().as_str().to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(fields.body)) }),
        attributes,
        ..LogRecord::default()
    }
}

/// Reads the fields of a line.
#[derive(Default)]
struct Fields {
    target: String,
    body: String,
    attributes: Vec<KeyValue>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::StringValue(text)) => self.body = text,
            // A line of a library that uses the crate log.
            ("log.target", Value::StringValue(text)) => self.target = text,
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.attributes.push(attribute(name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::IntValue(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value)
            .map_or_else(|_| Value::StringValue(value.to_string()), Value::IntValue);
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::DoubleValue(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::BoolValue(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::StringValue(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, Value::StringValue(value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.put(field, Value::StringValue(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gopiper_core::secrets;
    use tracing::{Dispatch, dispatcher::with_default, event};
    use tracing_subscriber::layer::SubscriberExt;

    fn text(value: &str) -> Value {
        Value::StringValue(value.into())
    }

    #[test]
    fn a_line_has_its_level_its_text_and_its_fields() {
        secrets::keep("the-password");
        let queue = Arc::new(LogQueue::default());
        let log = tracing_subscriber::registry().with(LogLayer(queue.clone()));
        with_default(&Dispatch::new(log), || {
            event!(
                target: "gopiper::component",
                Level::ERROR,
                component = "parse",
                messages = 3_u64,
                huge = u64::MAX,
                negative = -1,
                part = 0.5,
                is_new = true,
                path = ?"/a",
                "a message failed: the-password"
            );
        });
        let request = request(queue.take(), &Resource::default());
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!((record.severity_number, &*record.severity_text), (17, "ERROR"));
        let body = record.body.clone().and_then(|body| body.value);
        assert_eq!(body, Some(text("a message failed: (secret)")));
        let expected = [
            ("component", text("parse")),
            ("messages", Value::IntValue(3)),
            ("huge", text("18446744073709551615")),
            ("negative", Value::IntValue(-1)),
            ("part", Value::DoubleValue(0.5)),
            ("is_new", Value::BoolValue(true)),
            ("path", text("\"/a\"")),
            ("target", text("gopiper::component")),
        ];
        assert_eq!(record.attributes, expected.map(|(key, value)| attribute(key, value)));
        assert!(record.time_unix_nano > 0 && record.observed_time_unix_nano > 0);
    }

    #[test]
    fn lines_of_the_sending_thread_are_not_sent() {
        let queue = Arc::new(LogQueue::default());
        let log = tracing_subscriber::registry().with(LogLayer(queue.clone()));
        let log = Dispatch::new(log);
        let write = || with_default(&log, || event!(Level::WARN, "a line"));
        thread::scope(|scope| {
            scope.spawn(|| {
                queue.taken_here();
                write();
            });
        });
        assert_eq!(queue.len(), 0);
        // Whatever its name is: a component may have that of the sender.
        thread::scope(|scope| {
            let another = thread::Builder::new().name("gopiper-otlp".into());
            another.spawn_scoped(scope, write).expect("a thread");
        });
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_requests_have_a_limit() {
        let queue = LogQueue::default();
        let line = |length: usize| LogRecord {
            body: Some(AnyValue { value: Some(Value::StringValue("x".repeat(length))) }),
            ..LogRecord::default()
        };
        (0..MOST_LINES + 5).for_each(|_| queue.push(line(10)));
        assert_eq!((queue.len(), queue.take_lost(), queue.take_lost()), (MOST_LINES, 5, 0));
        assert_eq!(queue.take().len(), REQUEST_LINES);
        while !queue.take().is_empty() {}
        for _ in 0..10 {
            queue.push(line(1 << 20));
        }
        assert_eq!((queue.len(), queue.take_lost()), (7, 3));
        assert_eq!(queue.take().len(), 1, "one that is larger is sent by itself");
    }
}
