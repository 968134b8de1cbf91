//! Messages that are kept on disk between two components.
mod common;

use std::{
    fs,
    path::Path,
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use common::{Probe, story::Gate};
use gopiper_abi::{
    BatchCall, BatchComponent, Component, Error, HandleFlags, HandledCallback, Message, Outcome,
    Postponed, Produced, Report, Source, Value, own,
};
use gopiper_core::{
    BufferOptions, ComponentMetric, ComponentOptions, ComponentSpec, Control, ManualClock,
    MetricValue, Pipeline, PipelineError, PipelineOptions, Step, Summary, WhenFull,
    dead_letters::{self, SegmentReader},
};

const DELIVERED: Outcome = Outcome::DELIVERED;

fn options(state: &Path) -> PipelineOptions {
    PipelineOptions { state_directory: Some(state.into()), ..PipelineOptions::default() }
}

fn buffered(source: ComponentSpec, sink: ComponentSpec, state: &Path) -> Pipeline {
    with_buffer(source, sink, state, BufferOptions::default())
}

fn pipeline(steps: Vec<Step>, options: PipelineOptions) -> Pipeline {
    Pipeline::new(steps, options).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn with_buffer(
    source: ComponentSpec,
    sink: ComponentSpec,
    state: &Path,
    buffer: BufferOptions,
) -> Pipeline {
    pipeline(vec![source.into(), Step::Buffer(buffer), sink.into()], options(state))
}

fn run(pipeline: Pipeline) -> Summary {
    pipeline.start().unwrap_or_else(|error| panic!("{error}")).wait()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

fn gauge(control: &Control, name: &str) -> f64 {
    let metric = control.metrics().into_iter().find(|metric| metric.name == name);
    let Some(ComponentMetric { value: MetricValue::Gauge(value), .. }) = metric else {
        panic!("no gauge {name}: {metric:?}");
    };
    value
}

/// Waits at the gate, then passes messages on.
struct Waits(Gate);

impl BatchComponent for Waits {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.0.hang();
        call.report_all(Report::DONE)
    }
}

/// Takes that many messages, then fails.
struct Breaks(usize, Postponed);

impl Component for Breaks {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if self.0 == 0 {
            self.1.host().fail("broken");
            return handled.report(message, Report::retry(0, "broken"));
        }
        self.0 -= 1;
        handled.done(message);
    }
}

fn sink<C: BatchComponent>(make: impl Fn(Postponed) -> C + Send + 'static) -> ComponentSpec {
    let factory = own::sink("sink", move |postponed| Ok(make(postponed)));
    ComponentSpec { factory, options: ComponentOptions::default() }
}

#[test]
fn all_goes_through_in_order_and_nothing_stays() {
    let state = tempfile::tempdir().unwrap();
    let mut with_attributes = Message::new("with attributes");
    with_attributes.set_attribute("key", "value");
    let probe = Probe::new([Message::new("one"), with_attributes, Message::new("three")]);
    let running = buffered(probe.source(2), probe.sink(), state.path()).start();
    let running = running.unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    let summary = running.wait();
    assert!(summary.is_success());
    assert_eq!(probe.output(), ["one", "with attributes", "three"]);
    assert_eq!(probe.outcomes(), [DELIVERED; 3]);
    probe.with_output(|out| assert_eq!(out[1].attribute("key"), Some(&"value".into())));
    assert_eq!((gauge(&control, "stored_messages"), gauge(&control, "stored_bytes")), (0.0, 0.0));
    let names: Vec<_> = summary.components.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["feed", "buffer", "buffer.out", "collect", "dead_letters"]);
}

#[test]
fn no_file_stays_open_after_it() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new(numbers(3));
    assert!(run(buffered(probe.source(1), probe.sink(), state.path())).is_success());
    let open = || -> Vec<_> {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        let files = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        files.filter(|file| file.starts_with(state.path())).collect()
    };
    let begun = Instant::now();
    while !open().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", open());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_value_that_could_not_be_read_again_fails_alone() {
    let state = tempfile::tempdir().unwrap();
    let deep = |levels| {
        let tree = (0..levels).fold(Value::NULL, |inner, _| Value::from(vec![inner]));
        let mut message = Message::new(format!("{levels} levels"));
        message.set_attribute("tree", tree);
        message
    };
    let others = |text: &str| Message::new(text.to_owned());
    let given =
        [deep(2000), others("one"), deep(129), deep(2000), others("two"), deep(128), deep(129)];
    let probe = Probe::new(given);
    let summary = run(buffered(probe.source(7), probe.sink(), state.path()));
    assert!(summary.is_success(), "{summary:?}");
    assert_eq!(probe.output(), ["one", "two", "128 levels"]);
    let failed = Outcome::DEAD_LETTERED;
    let expected = [failed, DELIVERED, failed, failed, DELIVERED, DELIVERED, failed];
    assert_eq!(probe.outcomes(), expected);
    let segments = dead_letters::segments(&state.path().join(dead_letters::FOLDER)).unwrap();
    let read = SegmentReader::open(&segments[0]).unwrap().map(|entry| entry.unwrap().letter);
    let descriptions: Vec<_> = read.map(|letter| letter.description).collect();
    assert_eq!(descriptions.len(), 4);
    assert_eq!(
        descriptions[0],
        "it cannot be buffered: attribute tree is nested more than 128 levels deep \
         (not stored: attribute tree, nested more than 128 levels deep)"
    );
}

#[test]
fn unsettled_messages_come_again_without_the_source() {
    let state = tempfile::tempdir().unwrap();
    let first = Probe::new(numbers(10));
    let breaks = sink(|postponed| Breaks(4, postponed));
    assert!(!run(buffered(first.source(1), breaks, state.path())).is_success());
    // Some may not have been read any more.
    let taken = first.outcomes().iter().filter(|outcome| **outcome == DELIVERED).count();
    assert!(taken >= 5, "{taken}");
    let second = Probe::new(["more"]);
    assert!(run(buffered(second.source(1), second.sink(), state.path())).is_success());
    let expected: Vec<_> = numbers(taken).drain(4..).chain(["more".to_owned()]).collect();
    assert_eq!(second.output(), expected);
}

#[test]
fn only_returned_messages_of_a_block_come_again() {
    let state = tempfile::tempdir().unwrap();
    let first = Probe::new(numbers(4));
    let breaks = sink(|postponed| Breaks(2, postponed));
    assert!(!run(buffered(first.source(4), breaks, state.path())).is_success());
    assert_eq!(first.outcomes(), [DELIVERED; 4]);
    let second = Probe::new([""; 0]);
    assert!(run(buffered(second.source(1), second.sink(), state.path())).is_success());
    assert_eq!(second.output(), numbers(4)[2..]);
}

#[test]
fn a_full_buffer_pushes_back_until_there_is_room() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new((0..200).map(|n| format!("{n:01000}")));
    let gate = Gate::default();
    let (waits, collect) = (gate.clone(), probe.sink());
    let waits = ComponentSpec {
        factory: own::transform("waits", move |_| Ok(Waits(waits.clone()))),
        options: ComponentOptions { channel_size: Some(2), ..ComponentOptions::default() },
    };
    let buffer = BufferOptions { max_bytes: 10_000, ..BufferOptions::default() };
    let steps = vec![probe.source(1).into(), Step::Buffer(buffer), waits.into(), collect.into()];
    let running =
        pipeline(steps, options(state.path())).start().unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    gate.await_hanging(1);
    // All that it takes before it blocks.
    while gauge(&control, "stored_messages") < 9.0 {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(20));
    assert_eq!(gauge(&control, "stored_messages"), 9.0);
    gate.open();
    assert!(running.wait().is_success());
    assert_eq!(probe.output().len(), 200);
    assert_eq!(probe.outcomes(), [DELIVERED; 200]);
}

#[test]
fn a_full_buffer_drops_new_messages_if_asked_to() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new((0..50).map(|n| format!("{n:01000}")));
    let gate = Gate::default();
    let waits = gate.clone();
    let buffer = BufferOptions {
        max_bytes: 10_000,
        when_full: WhenFull::DropNewest,
        ..BufferOptions::default()
    };
    let sink = sink(move |_| Waits(waits.clone()));
    let running = with_buffer(probe.patient_source(), sink, state.path(), buffer).start();
    let running = running.unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    gate.await_hanging(1);
    while control.counts()[1].1.received < 50 {
        thread::sleep(Duration::from_millis(1));
    }
    gate.open();
    let summary = running.wait();
    assert!(summary.is_success(), "it was dropped on purpose");
    let dropped = summary.components[1].1.dropped;
    assert_eq!(dropped, 41, "nine fit");
    let of = |outcome| probe.outcomes().iter().filter(|one| **one == outcome).count() as u64;
    assert_eq!((of(DELIVERED), of(Outcome::DROPPED)), (9, 41));
}

/// Produces the messages that the test sends.
struct Gives(mpsc::Receiver<String>, Postponed);

impl Source for Gives {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let Ok(text) = self.0.recv() else { return Ok(Produced::FINISHED) };
        self.1.send(Message::new(text))?;
        Ok(Produced::MORE)
    }
}

#[test]
fn finished_messages_take_no_room() {
    let state = tempfile::tempdir().unwrap();
    let (probe, (give, get)) = (Probe::new([""; 0]), mpsc::channel());
    let get = Mutex::new(Some(get));
    let gives = own::source("gives", move |postponed| {
        Ok(Gives(get.lock().unwrap().take().expect("made once"), postponed))
    });
    let gives = ComponentSpec { factory: gives, options: ComponentOptions::default() };
    // The clock does not move: nothing is sent because of a pause in the input.
    let clock = ManualClock::new();
    let options = PipelineOptions { clock: clock.clock(), ..options(state.path()) };
    let buffer = BufferOptions {
        max_bytes: 1000,
        when_full: WhenFull::DropNewest,
        ..BufferOptions::default()
    };
    let steps = vec![gives.into(), Step::Buffer(buffer), probe.sink().into()];
    let running = pipeline(steps, options).start().unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    for n in 1..=3 {
        give.send("x".repeat(900)).unwrap();
        let begun = Instant::now();
        while probe.output().len() < n || gauge(&control, "stored_messages") > 0.0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "message {n} is dropped, or stays");
            thread::sleep(Duration::from_millis(1));
        }
    }
    drop(give);
    let summary = running.wait();
    assert_eq!((summary.components[1].1.dropped, gauge(&control, "stored_bytes")), (0, 0.0));
}

#[test]
fn messages_under_way_at_a_stop_are_kept_though_the_buffer_is_full() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new((0..300).map(|n| format!("{n:0100}")));
    let gate = Gate::default();
    let waits = gate.clone();
    let buffer = BufferOptions { max_bytes: 1000, ..BufferOptions::default() };
    let sink = sink(move |_| Waits(waits.clone()));
    let running = with_buffer(probe.source(1), sink, state.path(), buffer).start();
    let running = running.unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    gate.await_hanging(1);
    while control.counts()[0].1.sent < 20 {
        thread::sleep(Duration::from_millis(1));
    }
    control.stop();
    gate.open();
    let summary = running.wait();
    assert!(summary.is_success(), "{summary:?}");
    let given = probe.outcomes();
    assert!(given.len() >= 20 && given.iter().all(|outcome| *outcome == DELIVERED));
    let again = Probe::new([""; 0]);
    let summary = run(buffered(again.source(1), again.sink(), state.path()));
    let all = summary.components[3].1.received + summary_of_waits(&control);
    assert_eq!(all as usize, given.len());
}

/// The messages that the sink of a pipeline has taken.
fn summary_of_waits(control: &Control) -> u64 {
    control.counts()[3].1.sent
}

#[test]
fn two_buffers_and_their_errors() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new(numbers(3));
    let buffer = || Step::Buffer(BufferOptions::default());
    let steps = vec![probe.source(1).into(), buffer(), buffer(), probe.sink().into()];
    assert!(run(pipeline(steps, options(state.path()))).is_success());
    assert_eq!(probe.output(), numbers(3));
    let refused = |place, options: PipelineOptions, buffer| {
        let mut steps: Vec<Step> = vec![probe.source(1).into(), probe.sink().into()];
        steps.insert(place, Step::Buffer(buffer));
        let mut errors = Pipeline::new(steps, options).err().expect("refused");
        errors.remove(0)
    };
    let plain = BufferOptions::default;
    let error = refused(0, options(state.path()), plain());
    assert_eq!(error, PipelineError::BufferAtTheEnd("buffer".into()));
    let error = refused(1, PipelineOptions::default(), plain());
    assert_eq!(error, PipelineError::NoPlaceForBuffer("buffer".into()));
    let error = refused(1, options(state.path()), BufferOptions { max_bytes: 0, ..plain() });
    assert!(matches!(error, PipelineError::OutOfRange { option: "max_bytes", .. }));
    let named = BufferOptions { name: Some("feed".into()), ..plain() };
    assert_eq!(refused(1, options(state.path()), named), PipelineError::SameName("feed".into()));
}

#[test]
fn a_buffer_that_another_pipeline_has_open_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let (first, second) = (Probe::new([""; 0]), Probe::new([""; 0]));
    let running = buffered(first.source(1), first.sink(), state.path()).start_held();
    let running = running.unwrap_or_else(|error| panic!("{error}"));
    let Err(error) = buffered(second.source(1), second.sink(), state.path()).start() else {
        panic!("started")
    };
    assert!(error.to_string().contains("in use by process"), "{error}");
    running.wait();
    assert!(run(buffered(second.source(1), second.sink(), state.path())).is_success());
}
