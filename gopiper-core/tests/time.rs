//! Behaviour that depends on time, on a clock that the tests move: so none of them waits.
mod common;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use common::{
    load,
    story::{Gate, HangsWithAll, SECOND, Story},
};
use gopiper_abi::{
    BatchCall, BatchComponent, Component, HandleFlags, HandledCallback, Message, Outcome,
    Postponed, Report, own,
};
use gopiper_core::{ComponentOptions, ComponentSpec, RetryPolicy, StopReason};
use parking_lot::Mutex;

const DELIVERED: Outcome = Outcome::DELIVERED;
const FAILED: Outcome = Outcome::FAILED;

/// Notes how many messages come at once.
struct Sizes(Arc<Mutex<Vec<usize>>>);

impl BatchComponent for Sizes {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.0.lock().push(call.messages().len());
        call.report_all(Report::DONE)
    }
}

fn sizes(options: ComponentOptions) -> (ComponentSpec, Arc<Mutex<Vec<usize>>>) {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let noted = sizes.clone();
    let factory = own::transform("sizes", move |_| Ok(Sizes(noted.clone())));
    (ComponentSpec { factory, options }, sizes)
}

#[test]
fn a_worker_that_lingers_fills_its_batches() {
    let messages: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let story = Story::of(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    let linger = Some(Duration::from_secs(3600));
    let (component, sizes) =
        sizes(ComponentOptions { linger, channel_size: Some(64), ..Default::default() });
    // The clock does not move, so only a full batch and the end of the input count.
    let summary = story.start_with(component, 1).wait();
    assert_eq!(*sizes.lock(), [32, 32, 32, 4]);
    assert_eq!(story.probe.output(), messages);
    assert!(summary.is_success());
}

#[test]
fn workers_that_linger_make_room_for_a_sender() {
    let messages: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let story = Story::of(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    let linger = Some(Duration::from_secs(3600));
    let pool_size = Some(2);
    let (component, sizes) =
        sizes(ComponentOptions { linger, pool_size, channel_size: Some(64), ..Default::default() });
    // Batches of 20: each worker has one, a third one waits in the queue, and there is no room for
    // a fourth. No batch is full, and the clock does not move.
    let running = story.start(vec![story.probe.source(20), component, story.probe.sink()]);
    let summary = running.wait();
    assert_eq!(story.probe.output(), messages);
    assert!(summary.is_success());
    assert!(sizes.lock().iter().sum::<usize>() == 200);
}

/// Holds the first call until the test opens the gate.
struct Held(Sizes, Gate, bool);

impl BatchComponent for Held {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        if !std::mem::replace(&mut self.2, true) {
            self.1.hang();
        }
        self.0.handle_batch(call)
    }
}

#[test]
fn messages_that_arrive_during_a_call_come_in_the_next_one() {
    let messages: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    let story = Story::of(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    let (sizes, gate) = (Arc::new(Mutex::new(Vec::new())), Gate::default());
    let (noted, held) = (sizes.clone(), gate.clone());
    let factory = own::committing_sink("commits", 1_500, move |_| {
        Ok(Held(Sizes(noted.clone()), held.clone(), false))
    });
    let commits = ComponentSpec { factory, options: ComponentOptions::default() };
    let running = story.start(vec![story.probe.source(10), commits]);
    gate.await_hanging(1);
    // All of it has arrived: the clock stands still, and nothing waits for company.
    while running.control().counts()[0].1.sent < 2_000 {
        thread::yield_now();
    }
    gate.open();
    assert!(running.wait().is_success());
    let sizes = sizes.lock();
    assert_eq!(sizes.iter().sum::<usize>(), 2_000);
    // How much had arrived before the first call is a matter of luck.
    assert_eq!(sizes[1], (2_000 - sizes[0]).min(1_500), "{sizes:?}");
    assert!(sizes.len() <= 3, "{sizes:?}");
}

#[test]
fn a_sink_that_commits_and_lingers_gathers_as_many_as_it_asks_for() {
    let messages: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    let story = Story::of(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let noted = sizes.clone();
    let factory = own::committing_sink("commits", 1_500, move |_| Ok(Sizes(noted.clone())));
    let linger = Some(Duration::from_secs(3600));
    let commits =
        ComponentSpec { factory, options: ComponentOptions { linger, ..Default::default() } };
    let running = story.start(vec![story.probe.source(10), commits]);
    assert!(running.wait().is_success());
    assert_eq!(*sizes.lock(), [1_500, 500]);
}

#[test]
fn a_worker_lingers_only_so_long() {
    let story = Story::of(&["one", "two", "three"]);
    let (component, sizes) = sizes(ComponentOptions { linger: Some(SECOND), ..Default::default() });
    // Its source waits for each to be settled, so no second one comes.
    let running = story.start(vec![story.probe.patient_source(), component, story.probe.sink()]);
    let (summary, steps) = story.end(running, SECOND);
    assert_eq!(*sizes.lock(), [1, 1, 1]);
    assert!(summary.is_success() && steps >= 3, "{steps}");
}

#[test]
fn a_component_that_keeps_panicking_is_recreated_after_a_while() {
    let story = Story::of(&["panic"; 8]);
    let running = story.start_with(load("faults", []), 8);
    let (summary, steps) = story.end(running, Duration::from_millis(1));
    assert_eq!(story.probe.outcomes(), [FAILED; 8]);
    assert_eq!(summary.components[1].1.panics, 8);
    // Three at once, then after 10, 20, 40, 80 ms; the last one needs none after it.
    assert!(steps >= 150, "{steps}");
}

#[test]
fn a_retry_waits_for_its_time() {
    let mut story = Story::of(&["retry 1", "done"]);
    let hour = Duration::from_secs(3600);
    story.options.retry = RetryPolicy { max_attempts: 2, initial_backoff: hour, max_backoff: hour };
    let component = ComponentSpec { options: story.options.clone(), ..load("faults", []) };
    let running = story.start_with(component, 2);
    let (summary, steps) = story.end(running, 60 * SECOND);
    assert_eq!(story.probe.output(), ["retry 1 done", "done"]);
    assert!(summary.is_success() && steps >= 30, "half an hour at least: {steps}");
}

#[test]
fn draining_has_a_limit_and_the_rest_is_reported() {
    let mut story = Story::of(&["one", "hang", "two", "three"]);
    story.options.timeout = None;
    story.shutdown_timeout = Some(SECOND);
    let running = story.start_with(story.hangs(), 1);
    story.gate.await_hanging(1);
    let control = running.control();
    control.stop();
    let (summary, _) = story.end(running, SECOND / 4);
    assert_eq!(summary.left[0].0, "hangs");
    assert!(summary.left[0].1 >= 1, "{:?}", summary.left);
    assert_eq!(summary.stopped, Some(StopReason::Requested));
    assert!(!summary.is_success());
    assert_eq!(story.probe.output(), ["one"]);
    story.gate.open();
}

#[test]
fn a_pipeline_can_be_ended_at_once() {
    let mut story = Story::of(&["one", "retry", "two"]);
    let hour = Duration::from_secs(3600);
    story.options.retry = RetryPolicy { max_attempts: 2, initial_backoff: hour, max_backoff: hour };
    let component = ComponentSpec { options: story.options.clone(), ..load("faults", []) };
    let running = story.start_with(component, 3);
    let control = running.control();
    while control.counts()[1].1.retries == 0 {
        thread::yield_now();
    }
    control.abort();
    let summary = running.wait();
    let returned = [Outcome::RETURNED; 3];
    assert_eq!(story.probe.outcomes(), returned, "they wait for the one that is tried again");
    // Two were done there, and reached the next component when nothing was delivered any more.
    assert_eq!(summary.left, [("faults".to_owned(), 1), ("collect".to_owned(), 2)]);
    assert!(!summary.is_success());
}

/// Hangs, and then needs no more messages.
struct HasEnough(Gate, Postponed);

impl Component for HasEnough {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.hang();
        self.1.host().finish();
        handled.done(message);
    }
}

#[test]
fn a_waiting_sender_learns_that_the_receiver_has_finished_also_after_a_stop() {
    let mut story = Story::of(&["retry", "done"]);
    let hour = Duration::from_secs(3600);
    story.options.retry = RetryPolicy { max_attempts: 2, initial_backoff: hour, max_backoff: hour };
    story.options.ordered = Some(false);
    let component = ComponentSpec { options: story.options.clone(), ..load("faults", []) };
    let gate = story.gate.clone();
    let sink = own::sink("enough", move |postponed| Ok(HasEnough(gate.clone(), postponed)));
    let sink = ComponentSpec { factory: sink, options: ComponentOptions::default() };
    let running = story.start(vec![story.probe.source(2), component, sink]);
    let control = running.control();
    story.gate.await_hanging(1);
    control.stop();
    // So that it waits for the hour to pass.
    thread::sleep(Duration::from_millis(50));
    story.gate.open();
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || drop(tell.send(running.wait())));
    // The clock does not move.
    hear.recv_timeout(10 * SECOND).expect("it ends");
    assert_eq!(story.probe.outcomes(), [Outcome::RETURNED, DELIVERED]);
}

#[test]
fn a_component_that_is_stopped_may_ask_for_a_stop() {
    let story = Story::of(&["hang"]);
    let gate = story.gate.clone();
    let transform = own::transform("complains", move |postponed: Postponed| {
        let (gate, host) = (gate.clone(), postponed.host().clone());
        let opens = gate.clone();
        postponed.on_stop(move || {
            host.fail("it was not done yet");
            opens.open();
        });
        Ok(HangsWithAll(gate))
    });
    let component = ComponentSpec { factory: transform, options: ComponentOptions::default() };
    let running = story.start_with(component, 1);
    story.gate.await_hanging(1);
    let control = running.control();
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || {
        control.stop();
        drop(tell.send(running.wait()));
    });
    let summary = hear.recv_timeout(10 * SECOND).expect("it ends");
    let error = "it was not done yet".to_owned();
    assert_eq!(
        summary.stopped,
        Some(StopReason::Failed { component: "complains".to_owned(), error })
    );
}
