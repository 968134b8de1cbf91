//! Proves the interface: an aggregator that merges messages into one, by count or by time, and
//! settles all of them with its outcome.
use gopiper_abi::{
    Component, Deliveries, Error, Factory, HandledCallback, Message, Postponed, attributes,
    export_component,
};

attributes! {
    /// Merges messages into one, separated by commas.
    pub struct Attributes {
        /// How many.
        pub count: usize = 10,
        /// How long the first of them waits at most, in milliseconds.
        pub milliseconds: i64 = 1000,
    }
}

/// Makes [`Merge`]s.
pub struct MergeFactory(Attributes);

impl Factory for MergeFactory {
    type Component = Merge;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(MergeFactory(attributes))
    }

    fn create(&self, postponed: Postponed) -> Result<Merge, Error> {
        let attributes = self.0.clone();
        Ok(Merge { attributes, parts: Vec::new(), settles: Deliveries::default(), postponed })
    }
}

/// The component of one worker.
pub struct Merge {
    attributes: Attributes,
    parts: Vec<Message>,
    settles: Deliveries,
    postponed: Postponed,
}

impl Merge {
    fn send(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let parts: Vec<_> = self.parts.drain(..).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Message::data).collect();
        let merged = Message::new(parts.join(&b","[..]));
        // Closed: then they have failed, and their source learns it.
        let _ = self.postponed.send_from(std::mem::take(&mut self.settles), [merged]);
    }
}

impl Component for Merge {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let (message, settles) = handled.keep(message).split();
        if self.parts.is_empty() {
            let host = self.postponed.host();
            host.wake_at(host.monotonic() + self.attributes.milliseconds * 1_000_000);
        }
        self.parts.push(message);
        self.settles.add(settles);
        if self.parts.len() == self.attributes.count {
            self.send();
        }
    }

    fn timer(&mut self, _now: i64) -> Result<(), Error> {
        self.send();
        Ok(())
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        self.send();
        Ok(())
    }
}

export_component!(transform: MergeFactory);
