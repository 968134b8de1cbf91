//! Writes messages to topics of Kafka.
//!
//! A call brings what has arrived. All of it goes into librdkafka's queue at once, which makes
//! batches for the brokers, and sends them again as long as it may. The call waits for the delivery
//! reports, which a thread of the producer takes (`producing`): each message is done when all
//! replicas that are in sync have it.
mod producing;
mod record;
mod sink;
#[cfg(test)]
mod tests;
mod topic;
mod verdict;

use gopiper_abi::{Error, Factory, Parallel, Postponed, attributes, export_component};
use kafka_client::{ClusterAccess, Reserved};
use rdkafka::ClientConfig;

pub use crate::sink::KafkaSink;
use crate::topic::TopicTemplate;

attributes! {
    /// Writes messages to topics of Kafka, and reports each as done when all replicas that are in
    /// sync have it.
    pub struct Attributes {
        /// The brokers, and how to connect to them.
        pub connection: ClusterAccess,
        /// The topic. `{name}` is replaced by an attribute of the message (text or a whole number).
        pub topic: String,
        /// The attribute with the key: text, bytes, or a number. A message without it has no key.
        pub key_attribute: String = "key".into(),
        /// The attribute with the number of the partition. Without it, the key decides; messages
        /// without a key go anywhere.
        pub partition_attribute: Option<String>,
        /// The attribute that is true for a message without a value (a tombstone). Its data must be
        /// empty.
        pub tombstone_attribute: String = "tombstone".into(),
        /// What the names of attributes begin with that become headers.
        pub header_prefix: String = kafka_client::HEADER_PREFIX.into(),
        /// The compression of batches.
        pub compression: Compression = Compression::None,
        /// How a key decides on the partition. `'murmur2'` as the clients in Java do, `'crc32'` as
        /// librdkafka's other clients do by default.
        pub partitioner: Partitioner = Partitioner::Murmur2,
        /// Have the broker leave out what librdkafka sends twice, and keep the order when it sends
        /// again.
        pub idempotent: bool = true,
        /// How long to wait for more messages of a batch, in milliseconds.
        pub linger_ms: u64 = 5,
        /// How long to try before a message counts as not written, in milliseconds. Then `retry`
        /// applies.
        pub delivery_timeout_ms: u64 = 120_000,
        /// How many messages may be written at once.
        pub max_in_flight: usize = 8192,
    }
}

attributes! {
    /// A compression; in Lua `'none'`, `'gzip'`, `'snappy'`, `'lz4'` or `'zstd'`.
    #[derive(Copy)]
    pub enum Compression {
        /// None.
        None,
        /// Gzip: small and slow.
        Gzip,
        /// Snappy: fast.
        Snappy,
        /// LZ4: fast.
        Lz4,
        /// Zstandard: small and fast.
        Zstd,
    }
}

attributes! {
    /// How a key decides on the partition.
    #[derive(Copy)]
    pub enum Partitioner {
        /// As the clients in Java.
        Murmur2,
        /// As librdkafka by default.
        Crc32,
    }
}

const RESERVED: &[Reserved] = &[
    ("acks", "a message is done when all replicas in sync have it"),
    ("request.required.acks", "a message is done when all replicas in sync have it"),
    ("enable.idempotence", "set idempotent"),
    ("transactional.id", "gopiper writes without transactions"),
    ("delivery.report.only.error", "gopiper needs each report"),
    ("message.timeout.ms", "set delivery_timeout_ms"),
    ("delivery.timeout.ms", "set delivery_timeout_ms"),
    ("linger.ms", "set linger_ms"),
    ("queue.buffering.max.ms", "set linger_ms"),
    ("compression.codec", "set compression"),
    ("compression.type", "set compression"),
    ("partitioner", "set partitioner"),
];

/// The attributes, checked.
#[derive(Debug, Clone)]
pub(crate) struct Writing {
    pub(crate) access: ClusterAccess,
    pub(crate) topic: TopicTemplate,
    pub(crate) key: String,
    pub(crate) partition: Option<String>,
    pub(crate) tombstone: String,
    pub(crate) header_prefix: String,
    pub(crate) max_in_flight: usize,
    own: Vec<(&'static str, String)>,
}

impl Writing {
    fn new(attributes: Attributes) -> Result<Self, Error> {
        attributes.connection.validate(RESERVED)?;
        if attributes.max_in_flight == 0 {
            return Err(Error::attribute("max_in_flight", "must be 1 or more"));
        }
        let (least, linger) = (attributes.delivery_timeout_ms, attributes.linger_ms);
        if least == 0 || least <= linger {
            return Err(Error::attribute("delivery_timeout_ms", "must be more than linger_ms"));
        }
        if linger > 900_000 {
            return Err(Error::attribute("linger_ms", "must be 900000 at most"));
        }
        let compression = match attributes.compression {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        };
        let partitioner = match attributes.partitioner {
            Partitioner::Murmur2 => "murmur2_random",
            Partitioner::Crc32 => "consistent_random",
        };
        Ok(Writing {
            access: attributes.connection,
            topic: TopicTemplate::parse(&attributes.topic)?,
            key: attributes.key_attribute,
            partition: attributes.partition_attribute,
            tombstone: attributes.tombstone_attribute,
            header_prefix: attributes.header_prefix,
            max_in_flight: attributes.max_in_flight,
            own: vec![
                ("acks", "all".to_owned()),
                ("enable.idempotence", attributes.idempotent.to_string()),
                ("linger.ms", linger.to_string()),
                ("message.timeout.ms", attributes.delivery_timeout_ms.to_string()),
                ("compression.codec", compression.to_owned()),
                ("partitioner", partitioner.to_owned()),
            ],
        })
    }

    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        self.access.config(&self.own)
    }
}

/// Creates the [`KafkaSink`].
pub struct KafkaSinkFactory {
    writing: Writing,
}

impl Factory for KafkaSinkFactory {
    type Component = KafkaSink;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(KafkaSinkFactory { writing: Writing::new(attributes)? })
    }

    fn check(&self) -> Result<(), Error> {
        self.writing.access.check()?;
        kafka_client::check_config(&self.writing.config()?)
    }

    fn create(&self, postponed: Postponed) -> Result<KafkaSink, Error> {
        KafkaSink::new(self.writing.clone(), postponed.host())
    }

    fn gathers(&self) -> usize {
        self.writing.max_in_flight
    }

    fn parallel(&self) -> Parallel {
        Parallel::ANY
    }

    fn durability(&self) -> Result<(), String> {
        Ok(())
    }

    fn exactly_once(&self) -> Result<(), String> {
        Err("a broker of Kafka leaves out duplicates of one producer alone: what comes again after a \
             restart or a retry is written again"
            .into())
    }
}

export_component!(sink: KafkaSinkFactory);
