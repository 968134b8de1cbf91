//! Keeps the messages that contain a word, and counts its occurrences in an attribute.
use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Message, Postponed, attributes, export_component,
};

attributes! {
    /// Keeps the messages that contain a word, and counts its occurrences in an attribute.
    pub struct Attributes {
        /// The word.
        pub word: String,
        /// The attribute for the count.
        pub attribute: String = "times".into(),
    }
}

/// Created once from the attributes; creates a component for each worker.
pub struct TemplateFactory(Attributes);

impl Factory for TemplateFactory {
    type Component = Template;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        if attributes.word.is_empty() {
            return Err(Error::attribute("word", "is empty: every message contains that"));
        }
        Ok(TemplateFactory(attributes))
    }

    fn create(&self, _postponed: Postponed) -> Result<Template, Error> {
        Ok(Template(self.0.clone()))
    }
}

/// The component of one worker: only one thread calls it.
pub struct Template(Attributes);

impl Component for Template {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        let times = String::from_utf8_lossy(message.data()).matches(&self.0.word).count();
        if times == 0 {
            return handled.discard(message);
        }
        message.set_attribute(&self.0.attribute, times as i64);
        handled.done(message);
    }
}

export_component!(transform: TemplateFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::{Value, testing::Harness};

    use super::*;

    #[test]
    fn keeps_what_contains_the_word() {
        let mut harness = Harness::transform::<TemplateFactory>([("word", "an".into())]).unwrap();
        harness.handle(["banana", "cherry"]);
        let sent = harness.sent_messages();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].data(), b"banana");
        assert_eq!(sent[0].attribute("times").and_then(Value::as_i64), Some(2));
    }

    #[test]
    fn an_empty_word_is_refused() {
        let error = Harness::transform::<TemplateFactory>([("word", "".into())]).unwrap_err();
        assert!(error.to_string().contains("word"), "{error}");
    }
}
