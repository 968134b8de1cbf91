//! What depends on time, on a clock that the tests move: so none of them waits for it.
mod common;

use std::{
    env, fs,
    process::Command,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{Probe, in_process, load};
use gopiper_abi::{
    BatchCall, BatchComponent, Component, Deferred, Deliveries, Error, Factory, HandleFlags,
    HandledCallback, Kept, Message, NoAttributes, Outcome, Postponed, Report, own,
};
use gopiper_core::{
    ComponentCounts, ComponentOptions, ComponentSpec, Control, ManualClock, Pipeline,
    PipelineOptions, RetryPolicy, Running, StopReason, Summary,
};
use parking_lot::{Condvar, Mutex};

const DELIVERED: Outcome = Outcome::DELIVERED;
const FAILED: Outcome = Outcome::FAILED;
const SECOND: Duration = Duration::from_secs(1);

/// Where components hang until the test lets them go on.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    fn hang(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        state.1 += 1;
        changed.notify_all();
        while !state.0 {
            changed.wait(&mut state);
        }
    }

    fn open(&self) {
        self.0.0.lock().0 = true;
        self.0.1.notify_all();
    }

    /// Waits until so many hang there.
    fn await_hanging(&self, count: usize) {
        let mut state = self.0.0.lock();
        while state.1 < count {
            assert!(!self.0.1.wait_for(&mut state, 30 * SECOND).timed_out(), "none hangs");
        }
    }
}

/// Hangs when a message says so, and does some other things before that.
struct Hangs {
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
struct HangsWithAll(Gate);

impl BatchComponent for HangsWithAll {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        if call.messages().iter().any(|message| message.data() == b"hang") {
            self.0.hang();
        }
        call.report_all(Report::DONE)
    }
}

/// A pipeline of a source, this, and a sink, on a clock of its own.
struct Story {
    probe: Probe,
    clock: ManualClock,
    gate: Gate,
    deferred: Arc<Mutex<Vec<(Deferred, Message)>>>,
    options: ComponentOptions,
    shutdown_timeout: Option<Duration>,
}

impl Story {
    fn of(messages: &[&str]) -> Self {
        Story {
            probe: Probe::new(messages.iter().copied()),
            clock: ManualClock::new(),
            gate: Gate::default(),
            deferred: Arc::default(),
            options: ComponentOptions { timeout: Some(SECOND), ..ComponentOptions::default() },
            shutdown_timeout: None,
        }
    }

    fn hangs(&self) -> ComponentSpec {
        let (gate, deferred) = (self.gate.clone(), self.deferred.clone());
        let factory = own::transform("hangs", move |postponed| {
            let (gate, deferred) = (gate.clone(), deferred.clone());
            Ok(Hangs { gate, postponed, kept: Vec::new(), deferred })
        });
        ComponentSpec { factory, options: self.options.clone() }
    }

    fn start(&self, components: Vec<ComponentSpec>) -> Running {
        let options = PipelineOptions {
            clock: self.clock.clock(),
            shutdown_timeout: self.shutdown_timeout,
            ..PipelineOptions::default()
        };
        let pipeline = Pipeline::new(components, options);
        let pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
        pipeline.start().unwrap_or_else(|error| panic!("{error}"))
    }

    fn start_with(&self, component: ComponentSpec, batch: usize) -> Running {
        self.start(vec![self.probe.source(batch), component, self.probe.sink()])
    }

    /// Moves the clock on until the pipeline has ended: how often.
    fn end(&self, running: Running, step: Duration) -> (Summary, u32) {
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

    /// The same, when so many hang: what is not stuck must not look so.
    fn end_when_hanging(&self, running: Running, hanging: usize) -> Summary {
        self.gate.await_hanging(hanging);
        self.end(running, SECOND / 4).0
    }
}

/// Waits until the component in the middle has reported so many messages late.
fn await_late(control: &Control, late: u64) -> ComponentCounts {
    for _ in 0..3000 {
        let counts = control.counts()[1].1;
        if counts.late == late {
            return counts;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{:?}", control.counts());
}

#[test]
fn a_stuck_worker_is_given_up_and_another_goes_on_in_order() {
    let story = Story::of(&["one", "hang", "two", "three"]);
    let running = story.start_with(story.hangs(), 3);
    let control = running.control();
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["one", "two", "three"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, FAILED, DELIVERED, DELIVERED]);
    let counts = summary.components[1].1;
    assert_eq!((counts.abandoned, counts.failed, counts.late), (1, 1, 0));
    assert!(!summary.is_success());
    // The pipeline has ended without the thread; what that does now has no effect.
    story.gate.open();
    await_late(&control, 1);
    assert_eq!(story.probe.output(), ["one", "two", "three"]);
}

#[test]
fn what_was_reported_before_a_worker_got_stuck_stands() {
    let story = Story::of(&["keep", "done, then hang", "two"]);
    let running = story.start_with(story.hangs(), 3);
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["done, then hang", "two"]);
    assert_eq!(story.probe.outcomes(), [FAILED, DELIVERED, DELIVERED], "the kept one has failed");
    assert_eq!(summary.components[1].1.unsent, 1);
    story.gate.open();
}

#[test]
fn what_was_sent_before_a_worker_got_stuck_stands_and_nothing_after() {
    let story = Story::of(&["send and hang", "two"]);
    let running = story.start_with(story.hangs(), 2);
    let control = running.control();
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["sent", "two"]);
    assert_eq!(story.probe.outcomes(), [FAILED, DELIVERED]);
    assert_eq!(summary.outcomes.delivered, 2, "the one that it sent counts too");
    story.gate.open();
    await_late(&control, 1);
    assert_eq!(story.probe.output(), ["sent", "two"]);
}

#[test]
fn what_was_made_of_kept_messages_before_a_worker_got_stuck_stands() {
    let story = Story::of(&["keep", "send kept", "keep", "hang"]);
    let running = story.start_with(story.hangs(), 4);
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["made of kept", "send kept"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, DELIVERED, FAILED, FAILED]);
    let counts = summary.components[1].1;
    assert_eq!((counts.kept, counts.unsent), (2, 1), "one was sent");
    story.gate.open();
}

#[test]
fn only_what_was_not_reported_in_time_is_late() {
    let story = Story::of(&["defer", "one", "hang", "two"]);
    let running = story.start_with(story.hangs(), 4);
    let control = running.control();
    story.end_when_hanging(running, 1);
    assert_eq!(story.probe.outcomes(), [FAILED, DELIVERED, FAILED, DELIVERED]);
    story.gate.open();
    await_late(&control, 2);
}

static STUCK: LazyLock<Gate> = LazyLock::new(Gate::default);
/// Components that were dropped, and then 100 for their factory; 1000 for one that came after that.
static ENDED: AtomicUsize = AtomicUsize::new(0);

struct Fleeting;
struct HangsFleetingly;

impl Factory for Fleeting {
    type Component = HangsFleetingly;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(Fleeting)
    }

    fn create(&self, _: Postponed) -> Result<HangsFleetingly, Error> {
        Ok(HangsFleetingly)
    }

    fn destroy(&mut self) {
        ENDED.fetch_add(100, SeqCst);
    }
}

impl Component for HangsFleetingly {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if message.data() == b"hang" {
            STUCK.hang();
            assert_eq!(ENDED.load(SeqCst), 1, "only the one in its place has gone");
        }
        handled.done(message);
    }
}

impl Drop for HangsFleetingly {
    fn drop(&mut self) {
        if ENDED.fetch_add(1, SeqCst) >= 100 {
            ENDED.fetch_add(1000, SeqCst);
        }
    }
}

#[test]
fn a_factory_outlives_a_component_that_is_stuck() {
    let mut story = Story::of(&["hang", "one"]);
    story.gate = STUCK.clone();
    let options = story.options.clone();
    let component = ComponentSpec { options, ..in_process::<Fleeting>("fleeting") };
    let running = story.start_with(component, 2);
    let control = running.control();
    story.end_when_hanging(running, 1);
    assert_eq!(ENDED.load(SeqCst), 1, "one component has gone, and not its factory");
    story.gate.open();
    let counts = await_late(&control, 1);
    assert_eq!(counts.panics, 0);
    for _ in 0..3000 {
        // Both have gone, and the factory.
        if ENDED.load(SeqCst) >= 102 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(ENDED.load(SeqCst), 102);
}

#[test]
fn a_worker_that_gets_stuck_again_and_again_is_given_up_each_time() {
    let story = Story::of(&["hang", "hang", "one", "hang"]);
    let running = story.start_with(story.hangs(), 4);
    for hanging in 1..=3 {
        story.gate.await_hanging(hanging);
        (0..5).for_each(|_| {
            story.clock.advance(SECOND / 2);
            thread::sleep(Duration::from_millis(1));
        });
    }
    let (summary, _) = story.end(running, SECOND / 4);
    assert_eq!(story.probe.outcomes(), [FAILED, FAILED, DELIVERED, FAILED]);
    assert_eq!(summary.components[1].1.abandoned, 3);
    story.gate.open();
}

#[test]
fn a_whole_batch_has_failed_if_its_component_takes_it_at_once() {
    let story = Story::of(&["one", "hang", "two"]);
    let gate = story.gate.clone();
    let component = ComponentSpec {
        factory: own::transform("all", move |_| Ok(HangsWithAll(gate.clone()))),
        options: story.options.clone(),
    };
    let running = story.start_with(component, 2);
    let summary = story.end_when_hanging(running, 1);
    assert_eq!(story.probe.output(), ["two"]);
    assert_eq!(story.probe.outcomes(), [FAILED, FAILED, DELIVERED]);
    assert_eq!(summary.components[1].1.abandoned, 1);
    story.gate.open();
}

#[test]
fn a_deferred_message_that_is_not_reported_in_time_is_tried_again() {
    let mut story = Story::of(&["one", "defer", "two"]);
    let backoff = Duration::from_secs(60);
    story.options.retry =
        RetryPolicy { max_attempts: 3, initial_backoff: backoff, max_backoff: backoff };
    let running = story.start_with(story.hangs(), 3);
    let control = running.control();
    let (summary, _) = story.end(running, SECOND);
    assert_eq!(story.probe.output(), ["one", "two"]);
    assert_eq!(story.probe.outcomes(), [DELIVERED, FAILED, DELIVERED]);
    let counts = summary.components[1].1;
    assert_eq!((counts.retries, counts.failed, counts.abandoned), (2, 1, 0));
    // Three attempts, three reports, and none of them counts any more.
    let late: Vec<_> = std::mem::take(&mut *story.deferred.lock());
    assert_eq!(late.len(), 3);
    late.into_iter().for_each(|(deferred, message)| deferred.done(message));
    await_late(&control, 3);
    assert_eq!(story.probe.output(), ["one", "two"]);
}

#[test]
fn a_deferred_message_that_is_reported_in_time_goes_on_as_usual() {
    let story = Story::of(&["one", "defer", "two"]);
    let running = story.start_with(story.hangs(), 3);
    let deferred = story.deferred.clone();
    let reports = thread::spawn(move || {
        loop {
            if let Some((deferred, message)) = deferred.lock().pop() {
                return deferred.done(message);
            }
            thread::yield_now();
        }
    });
    let summary = running.wait();
    reports.join().expect("reported");
    assert_eq!(story.probe.output(), ["one", "defer", "two"]);
    assert!(summary.is_success());
}

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
    // The clock stands still, so nothing but a full batch and the end of the input counts.
    let summary = story.start_with(component, 1).wait();
    assert_eq!(*sizes.lock(), [32, 32, 32, 4]);
    assert_eq!(story.probe.output(), messages);
    assert!(summary.is_success());
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
fn what_panics_again_and_again_is_made_anew_after_a_while() {
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
fn draining_has_a_limit_and_what_is_left_is_said() {
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
    assert_eq!(summary.left, [("faults".to_owned(), 3)]);
    assert!(!summary.is_success());
}

/// Hangs, and then has no use for more.
struct HasEnough(Gate, Postponed);

impl Component for HasEnough {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.hang();
        self.1.host().finish();
        handled.done(message);
    }
}

#[test]
fn who_waits_hears_that_nobody_wants_more_also_after_a_stop() {
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
    // The clock stands still.
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

/// The address space of this process.
fn kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Nothing as large as a thread's stack can be had from here on.
fn have_no_more_threads() {
    let limit = Some((kilobytes() + 1024) * 1024);
    let limit = rustix::process::Rlimit { current: limit, maximum: limit };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
}

#[test]
fn a_pipeline_ends_though_nobody_can_take_the_place_of_a_stuck_worker() {
    const NAME: &str = "a_pipeline_ends_though_nobody_can_take_the_place_of_a_stuck_worker";
    if kilobytes() > 1 << 32 {
        // A sanitizer's: it needs what it can get.
        return;
    }
    if env::var_os("GOPIPER_TEST_ALONE").is_none() {
        // The limit is a process's. With one arena the allocator needs no more large pieces.
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", NAME])
            .envs([("GOPIPER_TEST_ALONE", "1"), ("MALLOC_ARENA_MAX", "1")])
            .status();
        return assert!(status.unwrap().success());
    }
    let messages: Vec<_> = (0..100).map(|n| if n == 1 { "hang" } else { "one" }).collect();
    let mut story = Story::of(&messages);
    // Its source waits for room, so it hears of the end only if somebody makes some.
    story.options.channel_size = Some(4);
    let running = story.start_with(story.hangs(), 1);
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || drop(tell.send(running.wait())));
    story.gate.await_hanging(1);
    have_no_more_threads();
    for _ in 0..1000 {
        let Ok(summary) = hear.recv_timeout(Duration::from_millis(10)) else {
            story.clock.advance(SECOND / 4);
            continue;
        };
        assert!(matches!(summary.stopped, Some(StopReason::Failed { .. })));
        assert_eq!(summary.unsettled, 0);
        let outcomes = story.probe.outcomes();
        assert_eq!(outcomes[0], DELIVERED);
        // That it had failed is not said any more.
        assert_eq!(outcomes[1..], vec![Outcome::RETURNED; outcomes.len() - 1]);
        return;
    }
    panic!("it hangs");
}
