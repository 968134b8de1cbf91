//! Passes every message on as it is: for measuring what a stage costs.
use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Message, Postponed, attributes, export_component,
};

attributes! {
    /// Passes every message on as it is.
    pub struct Attributes {}
}

/// Makes [`Pass`]es.
pub struct PassFactory;

impl Factory for PassFactory {
    type Component = Pass;
    type Attributes = Attributes;

    fn new(_: Attributes) -> Result<Self, Error> {
        Ok(PassFactory)
    }

    fn create(&self, _postponed: Postponed) -> Result<Pass, Error> {
        Ok(Pass)
    }
}

/// The component of one worker.
pub struct Pass;

impl Component for Pass {
    #[inline]
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        handled.done(message);
    }
}

export_component!(transform: PassFactory);
