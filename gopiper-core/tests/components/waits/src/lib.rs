//! Takes a time for each message, as a call of a service or a computation does.
use std::{
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{Component, HandledCallback, Message, attributes, export_component};

attributes! {
    /// Takes a time for each message.
    pub struct Waits {
        /// How long.
        pub microseconds: u64,
        /// Whether it keeps the processor busy.
        #[serde(default)]
        pub busy: bool,
    }
}

impl Component for Waits {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let time = Duration::from_micros(self.microseconds);
        if self.busy {
            let begun = Instant::now();
            while begun.elapsed() < time {
                std::hint::spin_loop();
            }
        } else {
            thread::sleep(time);
        }
        handled.done(message);
    }
}

export_component!(transform: Waits);
