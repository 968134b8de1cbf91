//! A source that misbehaves. The variable `FAULTS` names a test of `gopiper verify`, which then
//! does not pass, while the others do. `faults` is the same for components that receive
//! messages.
use std::{
    env,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use gopiper_abi::{
    Error, Factory, Message, NoAttributes, Outcome, Parallel, Postponed, Produced, Source,
    export_component,
};

/// The number of its messages.
const COUNT: u64 = 100;

/// How far the last one came, of all that there were in this process.
static SENT: AtomicU64 = AtomicU64::new(0);

fn is(test: &str) -> bool {
    env::var("FAULTS").is_ok_and(|named| named == test)
}

/// Makes [`Numbers`].
pub struct NumbersFactory;

impl Factory for NumbersFactory {
    type Component = Numbers;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(NumbersFactory)
    }

    fn create(&self, postponed: Postponed) -> Result<Numbers, Error> {
        // It claims this below, but does not do it.
        let next = if is("sources::return") { SENT.load(SeqCst) } else { 0 };
        Ok(Numbers { next, postponed })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }

    fn durability(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The component of the one worker.
pub struct Numbers {
    next: u64,
    postponed: Postponed,
}

impl Source for Numbers {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        while batch.len() < 10 && self.next < COUNT {
            let _ = batch.push(Message::new(self.next.to_string()));
            self.next += 1;
        }
        if batch.is_empty() {
            return Ok(Produced::WAITING);
        }
        SENT.store(self.next, SeqCst);
        self.postponed.send_tracked(batch, self.next)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, _token: u64, _indices: Range<u32>, outcome: Outcome) {
        let expected = outcome != Outcome::DROPPED || !is("sources::outcomes");
        assert!(expected, "it cannot be that a message is dropped");
    }
}

export_component!(source: NumbersFactory);
