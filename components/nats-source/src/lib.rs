//! Receives messages from NATS: from a stream of JetStream through a durable consumer, from plain
//! subjects, or from a key-value bucket.
//!
//! A thread with a runtime of its own holds the connection (`receiving`). It asks the server for as
//! many messages as the pipeline has room for, and puts them into a queue that the worker's thread
//! takes them from (`shared`). When a message has ended, the worker's thread passes its answer
//! back.
mod arrival;
mod receiving;
mod settings;
mod shared;
mod source;

use gopiper_abi::{Error, Factory, Parallel, Postponed, attributes, export_component};
use nats_client::Connection;

use crate::settings::{Origin, Settings};
pub use crate::source::NatsSource;

attributes! {
    /// Receives messages from NATS: from a stream of JetStream, from subjects, or from a key-value
    /// bucket.
    ///
    /// Give one of `stream` (with `consumer`), `subjects` and `bucket`.
    pub struct Attributes {
        /// The servers, and how to connect to them.
        pub connection: Connection,
        /// The stream to read through a durable pull consumer. Any number of processes may share
        /// the consumer: each message goes to one of them.
        pub stream: Option<String>,
        /// The name of the durable consumer of `stream`.
        pub consumer: Option<String>,
        /// Create the consumer if it does not exist; `{}` with the server's defaults. A consumer
        /// that exists must have these settings.
        pub create: Option<NewConsumer>,
        /// Subjects to subscribe to without a stream: `*` stands for one word, `>` for the rest.
        /// What is sent while nobody is subscribed is lost.
        pub subjects: Option<Vec<String>>,
        /// With `subjects`: the subscribers with this name share the messages.
        pub queue_group: Option<String>,
        /// The key-value bucket to watch: the present values, and then each change.
        pub bucket: Option<String>,
        /// With `bucket`: the keys to watch; `*` stands for one word, `>` for the rest.
        pub keys: Option<Vec<String>>,
        /// How many messages may be in the pipeline, received and not settled. This also limits
        /// the memory that they need.
        pub max_in_flight: usize = 1000,
        /// Wait until the server has confirmed each acknowledgement.
        #[serde(default)]
        pub double_ack: bool,
        /// How long the server waits before it sends a returned message again, in milliseconds.
        pub nak_delay_ms: u64 = 1000,
        /// An attribute to put the subject into (of a bucket: the key); none if it is empty.
        pub subject_attribute: String = "subject".into(),
        /// What the names of attributes begin with that are headers.
        pub header_prefix: String = nats_client::HEADER_PREFIX.into(),
    }
}

attributes! {
    /// The settings of a consumer that the source creates.
    pub struct NewConsumer {
        /// The subjects of the stream to receive; all if it is not given. Several need server 2.10.
        pub filter_subjects: Option<Vec<String>>,
        /// Where to begin.
        pub deliver: Deliver = Deliver::All,
        /// How long the server waits for an answer before it sends a message again, in
        /// milliseconds. The source reports messages that are still in the pipeline as in progress.
        pub ack_wait_ms: Option<u64>,
        /// How often a message is sent at most; without a limit if it is not given.
        pub max_deliver: Option<u32>,
        /// How many messages may be unanswered at once, in all processes.
        pub max_ack_pending: Option<u32>,
        /// How long the server waits before each repetition, in milliseconds, if no answer came.
        pub backoff_ms: Option<Vec<u64>>,
    }
}

attributes! {
    /// Where a new consumer begins.
    #[derive(Copy)]
    pub enum Deliver {
        /// With the first message of the stream.
        All,
        /// With the messages that come from now on.
        New,
        /// With the last message.
        Last,
        /// With the last message of each subject.
        LastPerSubject,
    }
}

/// Creates the [`NatsSource`].
pub struct NatsSourceFactory {
    settings: Settings,
}

impl Factory for NatsSourceFactory {
    type Component = NatsSource;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(NatsSourceFactory { settings: Settings::new(attributes)? })
    }

    fn check(&self) -> Result<(), Error> {
        self.settings.connection.check()
    }

    fn create(&self, postponed: Postponed) -> Result<NatsSource, Error> {
        NatsSource::new(self.settings.clone(), postponed)
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }

    fn durability(&self) -> Result<(), String> {
        match &self.settings.origin {
            Origin::Stream { .. } => Ok(()),
            Origin::Subjects { .. } => Err("subjects without a stream".into()),
            Origin::Bucket { .. } => Err("bucket".into()),
        }
    }

    fn exactly_once(&self) -> Result<(), String> {
        match &self.settings.origin {
            Origin::Stream { .. } => Ok(()),
            Origin::Subjects { .. } => Err("subjects without a stream".into()),
            Origin::Bucket { .. } => Err("a bucket".into()),
        }
    }
}

export_component!(source: NatsSourceFactory);
