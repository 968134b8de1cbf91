//! What an operator sees of a pipeline, while it runs and at its end.
mod common;

use std::{
    collections::BTreeSet,
    fs, iter,
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use common::{Probe, load, run, run_until, steps::block};
use gopiper_abi::{Component, Counter, HandledCallback, Message, Report, Value, own};
use gopiper_core::{
    BufferOptions, ComponentOptions, ComponentSpec, Control, ManualClock, OnFail, Pipeline,
    PipelineOptions, Step,
    observe::{ComponentReport, FAMILIES, MetricsFormat, ProcessorTime, TapOptions, metrics_text},
};

fn report(control: &Control, component: &str) -> ComponentReport {
    let pipeline = control.report(&ProcessorTime::default());
    pipeline.components.into_iter().find(|it| it.name == component).expect("there is one")
}

/// Waits twice at each message: as it begins, and before it ends.
struct Slow(Arc<Barrier>);

impl Component for Slow {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.wait();
        self.0.wait();
        handled.done(message);
    }
}

/// One message is with the sink, which takes seconds; one waits for it, and the source with the
/// third waits for room.
#[test]
fn a_slow_sink_is_busy_and_blocks_what_comes_before() {
    let (clock, barrier) = (ManualClock::new(), Arc::new(Barrier::new(2)));
    let probe = Probe::new(["one", "two", "three", "four"]);
    let sink = barrier.clone();
    let mut sink = ComponentSpec {
        factory: own::sink("slow", move |_| Ok(Slow(sink.clone()))),
        options: ComponentOptions::default(),
    };
    sink.options.channel_size = Some(2);
    let options = PipelineOptions { clock: clock.clock(), ..Default::default() };
    let (summary, control) = run_until(vec![probe.source(1), sink], options, |control| {
        barrier.wait();
        // The last thing that the source does before it waits.
        while report(control, "feed").counts.sent < 2 || !is_blocked(control, &clock) {
            thread::yield_now();
        }
        let before = [report(control, "feed"), report(control, "slow")];
        clock.advance(Duration::from_secs(3));
        let [feed, slow] = [report(control, "feed"), report(control, "slow")];
        assert_eq!(feed.blocked - before[0].blocked, Duration::from_secs(3));
        assert_eq!(slow.busy() - before[1].busy(), Duration::from_secs(3));
        assert_eq!((slow.depth_messages, slow.limit_messages, slow.workers), (2, 2, 1));
        assert_eq!((feed.limit_messages, feed.in_flight), (0, 3));
        barrier.wait();
        for _ in 0..6 {
            barrier.wait();
        }
    });
    assert!(summary.is_success(), "{summary:?}");
    let slow = report(&control, "slow");
    assert_eq!((slow.depth_messages, slow.workers, slow.counts.received_bytes), (0, 0, 15));
    let longer = |slow: &ComponentReport| -> u64 {
        slow.calls.within.iter().filter(|(bound, _)| bound.as_secs() >= 1).map(|it| it.1).sum()
    };
    assert_eq!(longer(&slow), 1, "one call took three seconds: {:?}", slow.calls);
}

/// Whether the source's time passes with waiting for room.
fn is_blocked(control: &Control, clock: &ManualClock) -> bool {
    let before = report(control, "feed").blocked;
    clock.advance(Duration::from_nanos(1));
    report(control, "feed").blocked > before
}

/// Counts words, and fails with those that begin with an f.
struct Words(Counter);

impl Component for Words {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.add(1);
        match message.data() {
            [b'f', ..] => handled.report(message, Report::fail(1, "an f")),
            _ => handled.done(message),
        }
    }
}

fn words() -> ComponentSpec {
    let factory = own::transform("words", |postponed| {
        let host = postponed.host();
        Ok(Words(host.metric("words_total", "Words.").label("of", "input").counter()?))
    });
    let on_fail = Some(OnFail::Discard);
    ComponentSpec { factory, options: ComponentOptions { on_fail, ..Default::default() } }
}

#[test]
fn all_that_components_count_is_on_the_page() {
    let probe = Probe::new(["one", "four", "seven", "five"]);
    let (_, control) = run(vec![probe.source(4), words(), load("null", [])]);
    let controls = [control];
    let processor = ProcessorTime::look(&controls);
    let reports = [controls[0].report(&processor)];
    let text = metrics_text(&reports, &processor, MetricsFormat::Prometheus);
    let of = |component: &str, kind: &str| {
        format!(
            "pipeline=\"main\",component_id=\"{component}\",component_kind=\"{kind}\",\
             component_type=\"{component}\""
        )
    };
    let (feed, words, null) = (of("feed", "source"), of("words", "transform"), of("null", "sink"));
    for line in [
        format!("gopiper_component_sent_messages_total{{{feed}}} 4"),
        format!("gopiper_component_sent_bytes_total{{{feed}}} 16"),
        format!("gopiper_component_received_bytes_total{{{words}}} 16"),
        format!("gopiper_component_sent_bytes_total{{{words}}} 8"),
        format!("gopiper_component_failed_messages_total{{{words},status=\"fail\"}} 2"),
        format!("gopiper_component_failed_messages_total{{{words},status=\"retry\"}} 0"),
        format!("gopiper_component_words_total{{{words},of=\"input\"}} 4"),
        format!("gopiper_component_received_bytes_total{{{null}}} 8"),
        format!("gopiper_component_depth_messages{{{null}}} 0"),
        format!("gopiper_component_call_duration_seconds_count{{{null}}} 1"),
        format!("gopiper_component_age_seconds_bucket{{{null},le=\"+Inf\"}} 2"),
        "gopiper_pipeline_messages_total{pipeline=\"main\",outcome=\"delivered\"} 2".to_owned(),
        "gopiper_pipeline_messages_total{pipeline=\"main\",outcome=\"failed\"} 2".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in:\n{text}");
    }
}

/// Works for some time, also on a thread that it has started itself.
struct Works;

fn work() {
    let begun = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    loop {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let nanoseconds = |time: rustix::time::Timespec| time.tv_sec * 1_000_000_000 + time.tv_nsec;
        if nanoseconds(now) - nanoseconds(begun) > 30_000_000 {
            return;
        }
    }
}

impl Component for Works {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        thread::spawn(work).join().expect("it ends");
        work();
        handled.done(message);
    }
}

#[test]
fn processor_time_belongs_to_the_component_that_took_it() {
    let barrier = Arc::new(Barrier::new(2));
    let (works, waits) = (|_| Ok(Works), barrier.clone());
    let spec = |factory| ComponentSpec { factory, options: ComponentOptions::default() };
    let sink = own::sink("slow", move |_| Ok(Slow(waits.clone())));
    let probe = Probe::new(["one"]);
    let list = vec![probe.source(1), spec(own::transform("works", works)), spec(sink)];
    run_until(list, PipelineOptions::default(), |control| {
        // Its worker has worked, and has not ended.
        barrier.wait();
        let processor = ProcessorTime::look(std::slice::from_ref(control));
        let report = control.report(&processor);
        let of = |name: &str| {
            let found = report.components.iter().find(|it| it.name == name);
            found.and_then(|it| it.processor).expect("the system says it")
        };
        assert!(of("works") >= Duration::from_millis(30), "{:?}", of("works"));
        assert!(of("slow") < Duration::from_millis(30), "{:?}", of("slow"));
        barrier.wait();
    });
}

/// The memory of a message counts for the library that made it, until the message has ended.
#[test]
fn memory_belongs_to_the_library_that_allocated_it() {
    const SIZE: u64 = 10 << 20;
    let barrier = Arc::new(Barrier::new(2));
    let waits = barrier.clone();
    let sink = own::sink("slow", move |_| Ok(Slow(waits.clone())));
    let sink = ComponentSpec { factory: sink, options: ComponentOptions::default() };
    let generate = load("generate", [("count", 1u64.into()), ("size", SIZE.into())]);
    let list = vec![generate, load("pass", []), load("pass", []), sink];
    let memory = |control: &Control| -> Vec<_> {
        let report = control.report(&ProcessorTime::default());
        report.components.iter().map(|it| it.memory).collect()
    };
    let (_, control) = run_until(list, PipelineOptions::default(), |control| {
        barrier.wait();
        let [Some(generate), Some(one), Some(two), None] = *memory(control) else {
            panic!("{:?}", memory(control));
        };
        assert!(generate.held_bytes() >= SIZE, "{generate:?}");
        assert!(one.held_bytes() < SIZE && one.is_of_the_same_library(two), "{one:?}");
        assert!(!one.is_of_the_same_library(generate));
        barrier.wait();
    });
    let generate = memory(&control)[0].expect("it is counted");
    assert!(generate.held_bytes() < SIZE, "{generate:?}");
}

/// The page for operators has each metric, with the help that it is published with.
#[test]
fn the_reference_page_has_every_metric() {
    let page = include_str!("../../docs/operators/metrics.md");
    let rows = |text: &str| -> BTreeSet<String> {
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let names = rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned);
        names.filter(|name| name.contains('_')).collect()
    };
    for family in FAMILIES {
        let kind = format!("{:?}", family.kind).to_lowercase();
        let row = format!("| `gopiper_component_{}` | {kind} | {} |", family.name, family.help);
        assert!(page.lines().any(|line| line == row), "the page lacks: {row}");
    }
    // A pipeline with a buffer and dead letters publishes all of them, and nothing else.
    let (probe, state) = (Probe::new(["four"]), tempfile::tempdir().expect("a folder"));
    let buffer = Step::Buffer(BufferOptions { max_bytes: 1 << 20, ..BufferOptions::default() });
    let mut words = words();
    words.options.on_fail = None;
    let steps = vec![probe.source(1).into(), buffer, words.into(), probe.sink().into()];
    let state_directory = Some(state.path().to_owned());
    let options = PipelineOptions { state_directory, ..Default::default() };
    let (_, control) = common::run_with(steps, options);
    let controls = [control];
    let processor = ProcessorTime::look(&controls);
    let text =
        metrics_text(&[controls[0].report(&processor)], &processor, MetricsFormat::Prometheus);
    let published = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut published: BTreeSet<_> = published.map(str::to_owned).collect();
    // Of the test's component.
    assert!(published.remove("gopiper_component_words_total"));
    assert_eq!(published, rows(page));
}

/// Lines that lie in one block (a run), workers that could change their order, lent batches,
/// copies.
#[test]
fn a_tap_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lines");
    let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}")).collect();
    fs::write(&file, lines.join("\n")).expect("written");
    let untapped = run_tapped(&file, None);
    let each = TapOptions { per_second: 1e12, contains: b"7".to_vec(), side: None };
    let tapped = run_tapped(&file, Some(&each));
    assert_eq!(tapped.0, lines);
    assert_eq!(untapped.0, lines);
    assert_eq!(tapped.1, untapped.1);
}

/// The lines at the end, in order, and the counts of each component.
fn run_tapped(file: &Path, options: Option<&TapOptions>) -> (Vec<String>, Vec<(String, [u64; 4])>) {
    let paths = Value::from(vec![Value::from(file.to_str().expect("text"))]);
    let source = load("file_source", [("paths", paths), ("checkpoint", false.into())]);
    let mut pass = load("pass", []);
    pass.options.timeout = Some(Duration::from_secs(60));
    pass.options.pool_size = Some(3);
    let probe = Probe::new(["unused"]);
    let tee =
        Step::Tee(vec![block(vec![load("null", []).into()]), block(vec![probe.sink().into()])]);
    let pipeline = Pipeline::new(vec![source.into(), pass.into(), tee], PipelineOptions::default());
    let prepared = pipeline.expect("a pipeline").prepare().expect("prepared");
    let mut running = prepared.start_held().expect("started");
    let control = running.control();
    let names = control.counts().into_iter().map(|(name, _)| name);
    let taps: Vec<_> =
        names.filter_map(|name| Some(control.tap(&name, options?).expect("room"))).collect();
    running.release();
    let summary = running.wait();
    assert!(summary.is_success(), "{summary:?}");
    let seen: usize = taps.iter().map(|tap| iter::from_fn(|| tap.take()).count()).sum();
    assert_eq!(seen > 0, options.is_some());
    let counts = summary.components.into_iter().map(|(name, counts)| {
        (name, [counts.received, counts.received_bytes, counts.sent, counts.sent_bytes])
    });
    (probe.output(), counts.collect())
}
