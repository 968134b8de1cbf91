//! Takes every message: where a pipeline may end that is only measured or tried.
use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Postponed, Report, attributes,
    export_component,
};

attributes! {
    /// Takes every message, and forgets it. gopiper counts messages and bytes.
    pub struct Attributes {}
}

/// Makes [`Null`]s.
pub struct NullFactory;

impl Factory for NullFactory {
    type Component = Null;
    type Attributes = Attributes;

    fn new(_: Attributes) -> Result<Self, Error> {
        Ok(NullFactory)
    }

    fn create(&self, _postponed: Postponed) -> Result<Null, Error> {
        Ok(Null)
    }

    fn durability(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The component of one worker.
pub struct Null;

impl BatchComponent for Null {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.report_all(Report::DONE)
    }
}

export_component!(sink: NullFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::testing::Harness;

    use super::*;

    #[test]
    fn takes_every_message() {
        let mut null = Harness::sink::<NullFactory>([]).unwrap();
        assert!(null.handle(["one", "", "three"]).iter().all(|handled| handled.status == 0));
    }
}
