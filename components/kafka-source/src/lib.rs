//! Reads topics of Kafka as a member of a consumer group.
//!
//! A thread of its own polls the consumer of librdkafka (`receiving`): it puts what has come into a
//! queue (`shared`), commits what is settled (`committing`), and serves rebalances (`group`). The
//! worker's thread takes messages from the queue, and writes their outcomes into the ledger of
//! their partition (`progress`). A ledger knows the first offset that has not ended: no commit
//! passes it. A partition that goes to another member is kept until what is under way has ended.
mod arrival;
mod committing;
mod group;
mod progress;
mod receiving;
mod settings;
mod shared;
mod source;
#[cfg(test)]
mod tests;

use gopiper_abi::{Error, Factory, Parallel, Postponed, attributes, export_component};
use kafka_client::ClusterAccess;

use crate::settings::Reading;
pub use crate::source::KafkaSource;

attributes! {
    /// Reads topics of Kafka as a member of a consumer group.
    ///
    /// The offset of a message is committed when it and all before it in its partition have ended.
    /// Messages that had not ended come again after a restart, or at another member of the group.
    pub struct Attributes {
        /// The brokers, and how to connect to them.
        pub connection: ClusterAccess,
        /// The topics. One that begins with `^` is a pattern of names.
        pub topics: Vec<String>,
        /// The consumer group. Its members share the partitions.
        pub group: String,
        /// Where to start in a partition without a committed offset.
        pub from: FirstOffset = FirstOffset::Beginning,
        /// Commit the offsets of messages that have ended. Without it, nothing is remembered: each
        /// start begins at the group's offset, or as `from` says.
        pub commit: bool = true,
        /// How often to commit, in milliseconds. Offsets are also committed at the end, and before
        /// a partition goes to another member.
        pub commit_interval_ms: u64 = 1000,
        /// How messages are shared: `'classic'`, or `'consumer'` (KIP-848), which brokers before
        /// 4.0 do not know.
        pub group_protocol: GroupProtocol = GroupProtocol::Classic,
        /// How long to wait for the group's answer at the start, in milliseconds, until that is an
        /// error.
        pub assignment_timeout_ms: u64 = 60_000,
        /// How long a partition that goes to another member waits for its messages under way, in
        /// milliseconds. As long as the group allows if it is not given: four fifths of
        /// `max.poll.interval.ms`.
        pub rebalance_wait_ms: Option<u64>,
        /// How many messages may wait for the pipeline.
        pub queue_messages: usize = 4096,
        /// How many bytes may wait for the pipeline.
        pub queue_bytes: usize = 8 << 20,
        /// The attribute for the key; without one, if the message has none. Not set if it is empty.
        pub key_attribute: String = "key".into(),
        /// The attribute for the topic. Not set if it is empty.
        pub topic_attribute: String = "topic".into(),
        /// The attribute that is true if the message has no value (a tombstone). Not set if it is
        /// empty.
        pub tombstone_attribute: String = "tombstone".into(),
        /// The attribute for the partition; none if it is not given.
        pub partition_attribute: Option<String>,
        /// The attribute for the offset; none if it is not given.
        pub offset_attribute: Option<String>,
        /// What the names of attributes begin with that are headers.
        pub header_prefix: String = kafka_client::HEADER_PREFIX.into(),
    }
}

attributes! {
    /// The offset at which a partition is begun.
    #[derive(Copy)]
    pub enum FirstOffset {
        /// The first one that there is.
        Beginning,
        /// The next one: only messages that come from now on.
        End,
    }
}

attributes! {
    /// How the members of a group share its partitions.
    #[derive(Copy)]
    pub enum GroupProtocol {
        /// Each broker knows it. Partitions that stay with their member go on during a rebalance.
        Classic,
        /// The brokers share the partitions (KIP-848).
        Consumer,
    }
}

/// Creates the [`KafkaSource`].
pub struct KafkaSourceFactory {
    reading: Reading,
}

impl Factory for KafkaSourceFactory {
    type Component = KafkaSource;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(KafkaSourceFactory { reading: Reading::new(attributes)? })
    }

    fn check(&self) -> Result<(), Error> {
        self.reading.access.check()?;
        kafka_client::check_config(&self.reading.config()?)
    }

    fn create(&self, postponed: Postponed) -> Result<KafkaSource, Error> {
        KafkaSource::new(&self.reading, postponed)
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }

    fn durability(&self) -> Result<(), String> {
        match (self.reading.commit, self.reading.from) {
            (true, FirstOffset::Beginning) => Ok(()),
            (true, FirstOffset::End) => Err("from = 'end', until the first commit".into()),
            (false, _) => Err("commit = false".into()),
        }
    }

    fn exactly_once(&self) -> Result<(), String> {
        if self.reading.commit { Ok(()) } else { Err("commit = false".into()) }
    }
}

export_component!(source: KafkaSourceFactory);
