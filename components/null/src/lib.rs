//! Takes every message and counts it: where a pipeline may end that is only measured or tried.
use gopiper_abi::{
    BatchCall, BatchComponent, Counter, Error, Factory, HandleFlags, Postponed, Report, attributes,
    export_component,
};

attributes! {
    /// Takes every message, and counts the bytes.
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

    fn create(&self, postponed: Postponed) -> Result<Null, Error> {
        let host = postponed.host();
        let bytes = host.metric("bytes_total", "Bytes of the messages received.").counter()?;
        Ok(Null { bytes })
    }

    fn durability(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The component of one worker. The messages are counted by the host; the bytes here.
pub struct Null {
    bytes: Counter,
}

impl BatchComponent for Null {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.bytes.add(call.bytes() as u64);
        call.report_all(Report::DONE)
    }
}

export_component!(sink: NullFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::testing::Harness;

    use super::*;

    #[test]
    fn counts_the_bytes() {
        let mut null = Harness::sink::<NullFactory>([]).unwrap();
        assert!(null.handle(["one", "", "three"]).iter().all(|handled| handled.status == 0));
        assert_eq!(null.metric("bytes_total"), 8.0);
    }
}
