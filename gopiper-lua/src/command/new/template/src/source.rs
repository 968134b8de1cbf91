//! Produces the numbers from 1 on.
use std::ops::Range;

use gopiper_abi::{
    Error, Factory, Message, Outcome, Parallel, Postponed, Produced, Source, attributes,
    export_component,
};

attributes! {
    /// Produces the numbers from 1 on.
    pub struct Attributes {
        /// The last one.
        pub last: u64,
        /// The text before each.
        pub prefix: String = String::new(),
    }
}

/// Created once from the attributes; creates the component.
pub struct TemplateFactory(Attributes);

impl Factory for TemplateFactory {
    type Component = Template;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(TemplateFactory(attributes))
    }

    fn create(&self, postponed: Postponed) -> Result<Template, Error> {
        Ok(Template { attributes: self.0.clone(), postponed, next: 1, returned: 0 })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of one worker: only one thread calls it.
pub struct Template {
    attributes: Attributes,
    postponed: Postponed,
    next: u64,
    returned: usize,
}

impl Source for Template {
    /// Sends messages for which there is room, and returns whether there are more.
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        let token = self.next;
        while self.next <= self.attributes.last && batch.len() < credit && batch.room() > 0 {
            let pushed = batch.push(Message::new(format!("{}{}", self.attributes.prefix, self.next)));
            debug_assert!(pushed.is_ok(), "there is room");
            self.next += 1;
        }
        if !batch.is_empty() {
            self.postponed.send_tracked(batch, token)?;
        }
        Ok(if self.next > self.attributes.last { Produced::FINISHED } else { Produced::MORE })
    }

    /// The outcome of the messages at these places in the batch that was sent as `token`. A source
    /// that can send a message again remembers which of them have ended.
    fn settled(&mut self, token: u64, places: Range<u32>, outcome: Outcome) {
        if !outcome.is_final() {
            self.returned += places.len();
            log::debug!("{places:?} of the batch that began with {token} came back");
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        if self.returned > 0 {
            log::warn!("{} numbers were not processed", self.returned);
        }
    }
}

export_component!(source: TemplateFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::testing::Harness;

    use super::*;

    #[test]
    fn counts_as_far_as_it_may() {
        let mut harness = Harness::source::<TemplateFactory>([("last", 3_i64.into())]).unwrap();
        assert_eq!(harness.produce(2).unwrap(), Produced::MORE);
        assert_eq!(harness.sent(), [b"1", b"2"]);
        assert_eq!(harness.produce(2).unwrap(), Produced::FINISHED);
        assert_eq!(harness.sent_as(Outcome::RETURNED), [b"3"]);
        harness.tell_settled();
        drop(harness);
    }
}
