//! Publishes messages to a stream of NATS.
//!
//! A call brings what has arrived. The worker's thread passes it to the thread with the connection,
//! which publishes many messages at once, and waits until the server has confirmed or refused each.
//! An answer that does not come means that nothing is known: the message is published again with
//! the same id, and the server leaves out the second one.
mod answer;
mod outgoing;
mod publishing;
mod sink;
mod subject;
mod window;

use std::time::Duration;

use gopiper_abi::{Error, Factory, Parallel, Postponed, attributes, export_component};
use nats_client::{Connection, Headers};

pub use crate::sink::NatsSink;
use crate::subject::Subject;

attributes! {
    /// Publishes messages to streams of JetStream, and reports each as done when the server has
    /// confirmed it.
    pub struct Attributes {
        /// The servers, and how to connect to them.
        pub connection: Connection,
        /// The subject. `{name}` is replaced by an attribute of the message (text, a whole number,
        /// true or false); `{{` and `}}` by braces.
        pub subject: String,
        /// The stream that has to take the messages. It must exist at the start. Without it, the
        /// server chooses the stream by the subject.
        pub stream: Option<String>,
        /// An attribute with the message's id. Without it, the id is the message's identity, or
        /// random if it has none. The stream stores messages with equal ids once within its
        /// duplicate window: so messages that are made from one another need ids of their own.
        pub id_attribute: Option<String>,
        /// What the names of attributes begin with that become headers.
        pub header_prefix: String = nats_client::HEADER_PREFIX.into(),
        /// How many messages may be published and not confirmed.
        pub max_in_flight: usize = 512,
        /// Keep the order at any price: publish a message when the one before it is confirmed.
        #[serde(default)]
        pub in_order: bool,
        /// How long to wait for a confirmation before the message is published again, in
        /// milliseconds.
        pub confirm_ms: u64 = 5000,
        /// How long to try before the message counts as not published, in milliseconds: while the
        /// server is away, or its stream is full. Then `retry` applies. Without it, the sink waits
        /// as long as it takes.
        pub give_up_ms: Option<u64>,
    }
}

/// The most messages of a call. They are confirmed together.
const GATHERED: usize = 8192;

/// The attributes, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connection: Connection,
    pub(crate) subject: Subject,
    pub(crate) stream: Option<String>,
    pub(crate) id_attribute: Option<String>,
    pub(crate) headers: Headers,
    /// 1 if the order is kept.
    pub(crate) max_in_flight: usize,
    pub(crate) in_order: bool,
    pub(crate) confirm: Duration,
    pub(crate) give_up: Option<Duration>,
}

/// Creates the [`NatsSink`].
pub struct NatsSinkFactory {
    settings: Settings,
}

impl Factory for NatsSinkFactory {
    type Component = NatsSink;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        attributes.connection.validate()?;
        if attributes.max_in_flight == 0 {
            return Err(Error::attribute("max_in_flight", "must be 1 or more"));
        }
        if attributes.confirm_ms == 0 {
            return Err(Error::attribute("confirm_ms", "must be 1 or more"));
        }
        Ok(NatsSinkFactory {
            settings: Settings {
                subject: Subject::parse(&attributes.subject)?,
                connection: attributes.connection,
                stream: attributes.stream,
                id_attribute: attributes.id_attribute,
                headers: Headers::new(&attributes.header_prefix),
                max_in_flight: if attributes.in_order { 1 } else { attributes.max_in_flight },
                in_order: attributes.in_order,
                confirm: Duration::from_millis(attributes.confirm_ms),
                give_up: attributes.give_up_ms.map(Duration::from_millis),
            },
        })
    }

    fn check(&self) -> Result<(), Error> {
        self.settings.connection.check()
    }

    fn create(&self, postponed: Postponed) -> Result<NatsSink, Error> {
        NatsSink::new(self.settings.clone(), &postponed)
    }

    fn gathers(&self) -> usize {
        GATHERED
    }

    fn parallel(&self) -> Parallel {
        if self.settings.in_order { Parallel::SINGLE } else { Parallel::ANY }
    }

    fn durability(&self) -> Result<(), String> {
        Ok(())
    }

    fn exactly_once(&self) -> Result<(), String> {
        Err("the server removes duplicates within the stream's duplicate window".into())
    }
}

export_component!(sink: NatsSinkFactory);
