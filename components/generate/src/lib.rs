//! Produces messages from a template: for trying, testing and measuring pipelines.
use gopiper_abi::{
    Error, Factory, Message, Parallel, Positions, Postponed, Produced, Source, attributes,
    export_component,
};

attributes! {
    /// Produces messages from a template.
    pub struct Attributes {
        /// How many messages to produce; without end if it is not given.
        pub count: Option<u64>,
        /// How many a second; as fast as the pipeline takes them if it is not given.
        pub rate: Option<f64>,
        /// The text of each message. `{n}` is replaced by its number, from 0 on.
        pub template: String = "{n}".into(),
        /// The length of each message, in bytes: padded with spaces, or cut off.
        pub size: Option<usize>,
    }
}

/// So many are due at once at most when the source was held up: no flood after a pause.
const BURST: f64 = 1000.0;

/// Makes the [`Generate`].
pub struct GenerateFactory(Attributes);

impl Factory for GenerateFactory {
    type Component = Generate;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        if attributes.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(Error::attribute("rate", "must be more than 0"));
        }
        if attributes.size.is_some_and(|size| size > 1 << 30) {
            return Err(Error::attribute("size", "must be 1 GB at most"));
        }
        Ok(GenerateFactory(attributes))
    }

    fn create(&self, postponed: Postponed) -> Result<Generate, Error> {
        let parts = self.0.template.split("{n}").map(|part| part.as_bytes().to_vec()).collect();
        let started = postponed.host().monotonic();
        Ok(Generate { attributes: self.0.clone(), parts, next: 0, started, postponed })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of the one worker.
pub struct Generate {
    attributes: Attributes,
    /// The texts between the numbers.
    parts: Vec<Vec<u8>>,
    next: u64,
    /// When message 0 would have been due, at the present rate.
    started: i64,
    postponed: Postponed,
}

impl Generate {
    fn message(&self, time: i64) -> Message {
        let mut text = self.parts.join(self.next.to_string().as_bytes());
        if let Some(size) = self.attributes.size {
            text.resize(size, b' ');
        }
        let mut message = Message::new(text);
        message.set_time(time);
        message
    }

    /// How many are due now by the rate; if none, when the next one is.
    fn due(&mut self, rate: f64) -> Result<u64, i64> {
        let now = self.postponed.host().monotonic();
        let due = (now - self.started) as f64 / 1e9 * rate - self.next as f64;
        if due > BURST {
            self.started += ((due - BURST) / rate * 1e9) as i64;
        }
        // Message 0 is due at once, each other one its part of a second later.
        match due.min(BURST) + 1.0 {
            due if due >= 1.0 => Ok(due as u64),
            _ => Err(self.started.saturating_add((self.next as f64 / rate * 1e9).ceil() as i64)),
        }
    }
}

impl Source for Generate {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        let left = self.attributes.count.map_or(u64::MAX, |count| count - self.next);
        if left == 0 {
            return Ok(Produced::FINISHED);
        }
        let due = match self.attributes.rate.map(|rate| self.due(rate)) {
            None => u64::MAX,
            Some(Ok(due)) => due,
            Some(Err(moment)) => return Ok(Produced::waiting_until(moment)),
        };
        let time = self.postponed.host().now();
        let (mut batch, first) = (self.postponed.batch(), self.next);
        // Large messages are not all made before the first one goes: a megabyte at a time.
        let by_size = (1 << 20) / self.attributes.size.unwrap_or(1).max(1) as u64;
        let count =
            by_size.max(1).min(left).min(due).min(batch.room() as u64).min(credit.max(1) as u64);
        for _ in 0..count {
            if batch.push(self.message(time)).is_err() {
                break;
            }
            self.next += 1;
        }
        let positions = Positions::counted("generated", "message", first + 1);
        self.postponed.send_located(batch, None, positions)?;
        Ok(Produced::MORE)
    }
}

export_component!(source: GenerateFactory);

#[cfg(test)]
mod tests {
    use gopiper_abi::testing::Harness;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn so_many_from_a_template() {
        let attributes = [("count", 3i64.into()), ("template", "<{n}|{n}>".into())];
        let mut generate = Harness::source::<GenerateFactory>(attributes).unwrap();
        while generate.produce(2).unwrap() == Produced::MORE {}
        assert_eq!(generate.sent(), [b"<0|0>", b"<1|1>", b"<2|2>"]);
    }

    #[test]
    fn of_one_size() {
        let attributes =
            [("count", 11i64.into()), ("size", 2i64.into()), ("template", "{n}-".into())];
        let mut generate = Harness::source::<GenerateFactory>(attributes).unwrap();
        while generate.produce(100).unwrap() == Produced::MORE {}
        let sent = generate.sent();
        assert_eq!((sent[9].as_slice(), sent[10].as_slice()), (&b"9-"[..], &b"10"[..]));
    }

    #[test]
    fn at_a_rate() {
        let attributes = [("rate", 10.0.into())];
        let mut generate = Harness::source::<GenerateFactory>(attributes).unwrap();
        let mut at = |seconds: f64| {
            generate.advance((seconds * SECOND as f64) as i64).unwrap();
            while generate.produce(100).unwrap() == Produced::MORE {}
            generate.sent().len()
        };
        assert_eq!(at(0.0), 1, "the first one at once");
        assert_eq!(at(0.05), 0);
        assert_eq!(at(0.05), 1);
        assert_eq!(at(1.0), 10);
        assert!((1000..1002).contains(&at(10_000.0)), "held up, it doesn't flood");
        assert_eq!(at(1.0), 10);
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        let refused = Harness::source::<GenerateFactory>([("rate", 0.0.into())]);
        assert!(
            refused.unwrap_err().to_string().starts_with("attribute rate: must be more than 0")
        );
    }
}
