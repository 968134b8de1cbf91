//! The thread of the connection: asks for messages, puts them into the queue, and sends answers.
mod answers;
mod bucket;
mod consumer;
mod pulling;
mod stream;
mod subjects;

use gopiper_abi::{Counter, Error, Gauge, Host};
use nats_client::{Connected, Driver, connect};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

pub(crate) use self::answers::Answer;
use crate::{
    settings::{Origin, Settings},
    shared::Shared,
};

/// The name of the thread.
const THREAD: &str = "gopiper-nats";
/// A subscription has room for so many messages beyond those that were asked for.
const SPARE: usize = 1024;
/// A subscription without a stream has room for so many messages at least: the server does not
/// wait.
const LEAST: usize = 1 << 16;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metrics {
    /// Messages that were sent before.
    pub(crate) redelivered: Counter,
    /// Messages that found no room.
    pub(crate) lost: Counter,
    /// What the consumer has not been sent.
    pub(crate) pending: Gauge,
}

impl Metrics {
    pub(crate) fn new(host: &Host) -> Result<Self, Error> {
        Ok(Metrics {
            redelivered: host
                .metric("redelivered_messages_total", "Messages that the server sent again.")
                .counter()?,
            lost: host
                .metric("lost_messages_total", "Messages without a stream that found no room.")
                .counter()?,
            pending: host
                .metric(
                    "pending_messages",
                    "Messages of the stream that the consumer has not sent.",
                )
                .gauge()?,
        })
    }
}

/// What the receiving parts share.
pub(crate) struct Line {
    pub(crate) connected: Connected,
    pub(crate) settings: Settings,
    pub(crate) shared: Shared,
    pub(crate) metrics: Metrics,
}

/// Connects, finds what to receive, and starts to do so. The thread ends when the sender of answers
/// is dropped.
///
/// # Errors
/// No connection, or nothing to receive.
pub(crate) fn start(
    settings: &Settings,
    shared: &Shared,
    host: &Host,
    metrics: Metrics,
) -> Result<(UnboundedSender<Answer>, Driver), Error> {
    let (answers, answers_in) = mpsc::unbounded_channel();
    let (settings, shared, for_log) = (settings.clone(), shared.clone(), host.clone());
    let (driver, ()) = Driver::start_with(THREAD, host, async move |begun| {
        let capacity = match settings.origin {
            Origin::Stream { .. } => settings.max_in_flight.saturating_mul(2) + SPARE,
            _ => settings.max_in_flight.max(LEAST),
        };
        let lost = move || metrics.lost.add(1);
        let connected = connect(&settings.connection, capacity, &for_log, lost).await;
        match connected {
            Err(error) => begun.with(Err(error)),
            Ok(connected) => {
                let line = Line { connected, settings, shared, metrics };
                run(line, answers_in, |result| begun.with(result)).await;
            }
        }
    })?;
    Ok((answers, driver))
}

async fn run(
    line: Line,
    answers: UnboundedReceiver<Answer>,
    begun: impl FnOnce(Result<(), Error>),
) {
    match &line.settings.origin {
        Origin::Stream { stream, consumer, create } => {
            match consumer::find(&line, stream, consumer, create.as_ref()).await {
                Ok(found) => {
                    // Without the permission to ask, the messages have no identities.
                    let info = line.connected.ask(&format!("STREAM.INFO.{stream}"), None).await;
                    let info = info.ok();
                    let made = info.as_ref().and_then(|info| info["created"].as_str());
                    made.into_iter().for_each(|made| line.shared.set_stream(stream, made));
                    begun(Ok(()));
                    stream::run(line, found, answers).await;
                }
                Err(error) => begun(Err(error)),
            }
        }
        Origin::Subjects { subjects, queue_group } => {
            match subjects::subscribe(&line, subjects, queue_group.as_deref()).await {
                Ok(subscribers) => {
                    begun(Ok(()));
                    subjects::run(line, subscribers, answers).await;
                }
                Err(error) => begun(Err(error)),
            }
        }
        Origin::Bucket { bucket, keys } => {
            let (bucket, keys) = (bucket.clone(), keys.clone());
            match bucket::watch(&line, &bucket, &keys).await {
                Ok(watch) => {
                    begun(Ok(()));
                    bucket::run(line, &bucket, &keys, watch, answers).await;
                }
                Err(error) => begun(Err(error)),
            }
        }
    }
}
