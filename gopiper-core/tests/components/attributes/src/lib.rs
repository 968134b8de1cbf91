//! Sets attributes on every message: for measuring what they cost.
use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Message, Postponed, attributes, export_component,
};

attributes! {
    /// Sets attributes, each to a text of 12 bytes.
    pub struct Attributes {
        /// How many.
        pub count: usize = 3,
    }
}

/// Makes [`Setter`]s.
pub struct SetterFactory(Attributes);

impl Factory for SetterFactory {
    type Component = Setter;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(SetterFactory(attributes))
    }

    fn create(&self, _postponed: Postponed) -> Result<Setter, Error> {
        Ok(Setter { names: (0..self.0.count).map(|number| format!("field_{number}")).collect() })
    }
}

/// The component of one worker.
pub struct Setter {
    names: Vec<String>,
}

impl Component for Setter {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        for name in &self.names {
            message.set_attribute(name, "twelve bytes");
        }
        handled.done(message);
    }
}

export_component!(transform: SetterFactory);
