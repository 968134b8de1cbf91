//! A pipeline on a clock that its test moves, with a component that hangs on request.
use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use gopiper_abi::{
    BatchCall, BatchComponent, Component, Deferred, Deliveries, HandleFlags, HandledCallback, Kept,
    Message, Postponed, Report, own,
};
use gopiper_core::{
    ComponentCounts, ComponentOptions, ComponentSpec, Control, ManualClock, Pipeline,
    PipelineOptions, Running, Summary,
};
use parking_lot::{Condvar, Mutex};

use super::Probe;

pub const SECOND: Duration = Duration::from_secs(1);

/// The gate where components hang until the test lets them continue.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    pub fn hang(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        state.1 += 1;
        changed.notify_all();
        while !state.0 {
            changed.wait(&mut state);
        }
    }

    pub fn open(&self) {
        self.0.0.lock().0 = true;
        self.0.1.notify_all();
    }

    /// Waits until that many hang there.
    pub fn await_hanging(&self, count: usize) {
        let mut state = self.0.0.lock();
        while state.1 < count {
            assert!(!self.0.1.wait_for(&mut state, 30 * SECOND).timed_out(), "none hangs");
        }
    }
}

/// Hangs when a message says so, and does some other things before that.
pub struct Hangs {
    gate: Gate,
    postponed: Postponed,
    kept: Vec<Kept>,
    deferred: Arc<Mutex<Vec<(Deferred, Message)>>>,
}

impl Component for Hangs {
    fn handle(&mut self, mut message: Message, handled: HandledCallback) {
        match message.data() {
            b"hang" => {
                self.gate.hang();
                message.set_data("late");
                handled.done(message);
            }
            b"done, then hang" => {
                handled.done(message);
                self.gate.hang();
            }
            b"send and hang" => {
                let _ = self.postponed.send(Message::new("sent"));
                self.gate.hang();
                let _ = self.postponed.send(Message::new("sent late"));
            }
            b"keep" => self.kept.push(handled.keep(message)),
            b"send kept" => {
                let kept = std::mem::take(&mut self.kept);
                let made = kept.into_iter().fold(Deliveries::default(), |mut all, one| {
                    all.add(one);
                    all
                });
                let _ = self.postponed.send_from(made, [Message::new("made of kept")]);
                handled.done(message);
            }
            b"defer" => self.deferred.lock().push((handled.defer(), message)),
            _ => handled.done(message),
        }
    }
}

/// The same for a whole batch.
pub struct HangsWithAll(pub Gate);

impl BatchComponent for HangsWithAll {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        if call.messages().iter().any(|message| message.data() == b"hang") {
            self.0.hang();
        }
        call.report_all(Report::DONE)
    }
}

/// A pipeline of a source, this, and a sink, on a clock of its own.
pub struct Story {
    pub probe: Probe,
    pub clock: ManualClock,
    pub gate: Gate,
    pub deferred: Arc<Mutex<Vec<(Deferred, Message)>>>,
    pub options: ComponentOptions,
    pub shutdown_timeout: Option<Duration>,
}

impl Story {
    pub fn of(messages: &[&str]) -> Self {
        Story {
            probe: Probe::new(messages.iter().copied()),
            clock: ManualClock::new(),
            gate: Gate::default(),
            deferred: Arc::default(),
            options: ComponentOptions { timeout: Some(SECOND), ..ComponentOptions::default() },
            shutdown_timeout: None,
        }
    }

    pub fn hangs(&self) -> ComponentSpec {
        let (gate, deferred) = (self.gate.clone(), self.deferred.clone());
        let factory = own::transform("hangs", move |postponed| {
            let (gate, deferred) = (gate.clone(), deferred.clone());
            Ok(Hangs { gate, postponed, kept: Vec::new(), deferred })
        });
        ComponentSpec { factory, options: self.options.clone() }
    }

    pub fn start(&self, components: Vec<ComponentSpec>) -> Running {
        let options = PipelineOptions {
            clock: self.clock.clock(),
            shutdown_timeout: self.shutdown_timeout,
            ..PipelineOptions::default()
        };
        let pipeline = Pipeline::new(components, options);
        let pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
        pipeline.start().unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn start_with(&self, component: ComponentSpec, batch: usize) -> Running {
        self.start(vec![self.probe.source(batch), component, self.probe.sink()])
    }

    /// Moves the clock on until the pipeline has ended. Returns how often.
    pub fn end(&self, running: Running, step: Duration) -> (Summary, u32) {
        let (tell, hear) = mpsc::channel();
        let control = running.control();
        thread::spawn(move || drop(tell.send(running.wait())));
        for steps in 0..100_000 {
            match hear.recv_timeout(Duration::from_micros(300)) {
                Ok(summary) => return (summary, steps),
                Err(_) => self.clock.advance(step),
            }
        }
        panic!("the pipeline hangs; left: {:?}", control.left());
    }

    /// The same, when that many hang: a component that is not stuck must not look so.
    pub fn end_when_hanging(&self, running: Running, hanging: usize) -> Summary {
        self.gate.await_hanging(hanging);
        self.end(running, SECOND / 4).0
    }
}

/// Waits until the component in the middle has reported that many messages late.
pub fn await_late(control: &Control, late: u64) -> ComponentCounts {
    for _ in 0..3000 {
        let counts = control.counts()[1].1;
        if counts.late == late {
            return counts;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{:?}", control.counts());
}
