//! The messages: put into the work queue, and found in the other stream.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::ConnectOptions;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use async_nats::{HeaderMap, ServerAddr};
use tokio::runtime::{Builder, Runtime};

/// How many messages are published before their confirmations are awaited.
const AT_ONCE: u64 = 500;
/// Longer than a run takes.
const WINDOW: Duration = Duration::from_secs(600);

/// A client that looks into the streams.
pub(super) struct Load {
    runtime: Runtime,
    jetstream: Context,
}

/// What the stream has: the ids, and at which places each is.
#[derive(Debug)]
pub(super) struct Results {
    places: BTreeMap<String, Vec<u64>>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Load {
    /// Makes the streams.
    pub(super) fn new(servers: &[String], replicas: usize) -> Result<Load> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let jetstream = runtime.block_on(async {
            let options = ConnectOptions::new().retry_on_initial_connect();
            let servers = servers.iter().map(|server| server.parse::<ServerAddr>());
            let servers = servers.collect::<Result<Vec<_>, _>>()?;
            let client = options.connect(servers).await?;
            let jetstream = jetstream::new(client);
            let (work, done) = (RetentionPolicy::WorkQueue, RetentionPolicy::Limits);
            for (name, subject, retention) in [("WORK", "work", work), ("DONE", "done", done)] {
                let config = Config {
                    name: name.into(),
                    subjects: vec![subject.into()],
                    retention,
                    num_replicas: replicas,
                    duplicate_window: WINDOW,
                    ..Config::default()
                };
                // A cluster that has just begun has no leader yet.
                let mut tries = 0;
                while let Err(error) = jetstream.create_stream(config.clone()).await {
                    tries += 1;
                    ensure!(tries < 300, "cannot create the stream {name}: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            anyhow::Ok(jetstream)
        })?;
        Ok(Load { runtime, jetstream })
    }

    /// Puts so many messages into the work queue.
    pub(super) fn publish(&self, messages: u64) -> Result<()> {
        self.runtime.block_on(async {
            for begin in (0..messages).step_by(AT_ONCE as usize) {
                let mut confirmations = Vec::new();
                for number in begin..messages.min(begin + AT_ONCE) {
                    let mut headers = HeaderMap::new();
                    headers.insert("Nats-Msg-Id", format!("m{number}"));
                    let text = format!("message {number}");
                    let sent = self.jetstream.publish_with_headers("work", headers, text.into());
                    confirmations.push(sent.await?);
                }
                for confirmation in confirmations {
                    confirmation.await?;
                }
            }
            Ok(())
        })
    }

    /// How many messages have come out.
    pub(super) fn done(&self) -> Result<u64> {
        self.runtime.block_on(async {
            let stream = self.jetstream.get_stream("DONE");
            Ok(stream.await?.cached_info().state.messages)
        })
    }

    /// How many messages were delivered again.
    pub(super) fn redelivered(&self) -> Result<u64> {
        self.runtime.block_on(async {
            let stream = self.jetstream.get_stream("WORK").await?;
            let consumer = stream.consumer_info("scale").await?;
            let first = consumer.delivered.consumer_sequence;
            Ok(first.saturating_sub(consumer.delivered.stream_sequence))
        })
    }

    /// All that has come out.
    pub(super) fn results(&self) -> Result<Results> {
        self.runtime.block_on(async {
            let stream = self.jetstream.get_stream("DONE").await?;
            let last = stream.cached_info().state.last_sequence;
            let (mut places, mut contents) = (BTreeMap::<_, Vec<u64>>::new(), BTreeMap::new());
            for sequence in 1..=last {
                let message = stream.get_raw_message(sequence).await?;
                let text = String::from_utf8_lossy(&message.payload).into_owned();
                let id = message.headers.get("Nats-Msg-Id").context("it has an id")?;
                places.entry(text).or_default().push(sequence);
                contents.insert(id.to_string(), message.payload.to_vec());
            }
            Ok(Results { places, contents })
        })
    }

    /// When messages were stored.
    pub(super) fn times(&self, places: &[u64]) -> Result<Vec<String>> {
        self.runtime.block_on(async {
            let stream = self.jetstream.get_stream("DONE").await?;
            let mut times = Vec::new();
            for sequence in places {
                times.push(stream.get_raw_message(*sequence).await?.time.to_string());
            }
            Ok(times)
        })
    }
}

impl Results {
    pub(super) fn all(&self) -> u64 {
        self.places.values().map(|places| places.len() as u64).sum()
    }

    pub(super) fn different(&self) -> u64 {
        self.places.len() as u64
    }

    /// The messages that are there more than once.
    pub(super) fn twice(&self) -> impl Iterator<Item = (&str, &[u64])> {
        let twice = self.places.iter().filter(|(_, places)| places.len() > 1);
        twice.map(|(text, places)| (&**text, &**places))
    }

    /// Whether each of so many messages is there once.
    pub(super) fn is_right(&self, messages: u64) -> bool {
        self.all() == messages && self.different() == messages
    }

    /// Two messages of one id would be one for the server.
    pub(super) fn check_content(&self) -> Result<()> {
        ensure!(self.contents.len() == self.places.len(), "messages and ids are not the same");
        Ok(())
    }
}
