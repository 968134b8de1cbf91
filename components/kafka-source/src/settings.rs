//! The attributes, checked.
use std::time::Duration;

use gopiper_abi::Error;
use kafka_client::{ClusterAccess, Reserved};
use rdkafka::ClientConfig;

use crate::{Attributes, FirstOffset, GroupProtocol};

const COMMITS: &str = "gopiper commits what has ended: set commit and commit_interval_ms";
const RESERVED: &[Reserved] = &[
    ("enable.auto.commit", COMMITS),
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("offset.store.method", COMMITS),
    ("auto.offset.reset", "set from"),
    ("group.id", "set group"),
    ("group.protocol", "set group_protocol"),
    ("enable.partition.eof", "the end of a partition is no message"),
    ("consume.callback.max.messages", "gopiper takes messages one by one"),
];

/// How long librdkafka allows between two polls by default, in milliseconds.
const MAX_POLL_INTERVAL: u64 = 300_000;

/// What and how to read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) access: ClusterAccess,
    pub(crate) topics: Vec<String>,
    pub(crate) group: String,
    pub(crate) from: FirstOffset,
    pub(crate) commit: bool,
    pub(crate) commit_interval: Duration,
    pub(crate) protocol: GroupProtocol,
    pub(crate) assignment_timeout: Duration,
    pub(crate) rebalance_wait: Duration,
    pub(crate) queue_messages: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) fields: Fields,
}

/// The attributes of messages.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    /// Empty if it is not wanted; the same holds for the next two.
    pub(crate) key: String,
    pub(crate) topic: String,
    pub(crate) tombstone: String,
    pub(crate) partition: Option<String>,
    pub(crate) offset: Option<String>,
    pub(crate) header_prefix: String,
}

fn positive(name: &str, number: u64) -> Result<Duration, Error> {
    match number {
        0 => Err(Error::attribute(name, "must be 1 or more")),
        _ => Ok(Duration::from_millis(number)),
    }
}

impl Reading {
    pub(crate) fn new(attributes: Attributes) -> Result<Self, Error> {
        let access = attributes.connection;
        access.validate(RESERVED)?;
        if attributes.topics.is_empty() {
            return Err(Error::attribute("topics", "is empty: name a topic"));
        }
        for topic in &attributes.topics {
            let is_name = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
            let is_wrong = topic.is_empty() || topic.len() > 249 || !topic.chars().all(is_name);
            if is_wrong && (!topic.starts_with('^') || topic.contains('\0')) {
                let problem = format!(
                    "'{topic}' is not a name of a topic: letters, digits, '.', '_' and '-'; a \
                     pattern begins with '^'"
                );
                return Err(Error::attribute("topics", problem));
            }
        }
        if attributes.group.is_empty() || attributes.group.contains('\0') {
            return Err(Error::attribute("group", "must be a name"));
        }
        if attributes.queue_messages == 0 || attributes.queue_bytes == 0 {
            let name =
                if attributes.queue_messages == 0 { "queue_messages" } else { "queue_bytes" };
            return Err(Error::attribute(name, "must be 1 or more"));
        }
        let max_poll = match access.properties.get("max.poll.interval.ms").map(|it| it.parse()) {
            None => MAX_POLL_INTERVAL,
            Some(Ok(given)) => given,
            Some(Err(_)) => {
                let problem = "'max.poll.interval.ms' must be a number of milliseconds";
                return Err(Error::attribute("connection.properties", problem));
            }
        };
        let longest = max_poll / 5 * 4;
        if attributes.rebalance_wait_ms.is_some_and(|wait| wait > longest) {
            let problem = format!(
                "must be {longest} at most: the group puts a member out that is silent for \
                 {max_poll} ms (max.poll.interval.ms)"
            );
            return Err(Error::attribute("rebalance_wait_ms", problem));
        }
        Ok(Reading {
            access,
            topics: attributes.topics,
            group: attributes.group,
            from: attributes.from,
            commit: attributes.commit,
            commit_interval: positive("commit_interval_ms", attributes.commit_interval_ms)?,
            protocol: attributes.group_protocol,
            assignment_timeout: positive(
                "assignment_timeout_ms",
                attributes.assignment_timeout_ms,
            )?,
            rebalance_wait: Duration::from_millis(attributes.rebalance_wait_ms.unwrap_or(longest)),
            queue_messages: attributes.queue_messages,
            queue_bytes: attributes.queue_bytes,
            fields: Fields {
                key: attributes.key_attribute,
                topic: attributes.topic_attribute,
                tombstone: attributes.tombstone_attribute,
                partition: attributes.partition_attribute,
                offset: attributes.offset_attribute,
                header_prefix: attributes.header_prefix,
            },
        })
    }

    /// The configuration of librdkafka.
    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        let first = match self.from {
            FirstOffset::Beginning => "earliest",
            FirstOffset::End => "latest",
        };
        let mut own = vec![
            ("group.id", self.group.clone()),
            ("enable.auto.commit", "false".to_owned()),
            ("enable.auto.offset.store", "false".to_owned()),
            ("auto.offset.reset", first.to_owned()),
            // What librdkafka itself holds in memory. Its own default is 64 MB.
            ("queued.max.messages.kbytes", "4096".to_owned()),
            // How long librdkafka fetches nothing once it holds that much. By default a second, in
            // which the pipeline has long taken all of it, and stands still. With 10 ms, two
            // thirds of the rate were seen.
            ("fetch.queue.backoff.ms", "2".to_owned()),
        ];
        match self.protocol {
            // The brokers choose how to share, and librdkafka refuses another wish.
            GroupProtocol::Consumer => own.push(("group.protocol", "consumer".to_owned())),
            GroupProtocol::Classic => {
                own.push(("group.protocol", "classic".to_owned()));
                own.push(("partition.assignment.strategy", "cooperative-sticky".to_owned()));
            }
        }
        self.access.config(&own)
    }

    /// The first topic that is no pattern.
    pub(crate) fn topic(&self) -> Option<&str> {
        self.topics.iter().map(String::as_str).find(|topic| !topic.starts_with('^'))
    }
}
