//! Failed messages are kept, and can be replayed.
mod common;

use std::{fs, path::Path, thread, time::Duration};

use common::{Probe, load};
use gopiper_abi::{Component, HandledCallback, Message, Outcome, Postponed, Report, Value, own};
use gopiper_core::{
    ComponentOptions, ComponentSpec, OnFail, Pipeline, PipelineError, PipelineOptions, RetryPolicy,
    Summary,
    dead_letters::{self, Letter, SegmentReader, segments},
};

const DELIVERED: Outcome = Outcome::DELIVERED;
const DEAD_LETTERED: Outcome = Outcome::DEAD_LETTERED;

fn options(state: &Path) -> PipelineOptions {
    PipelineOptions { state_directory: Some(state.into()), ..PipelineOptions::default() }
}

fn pipeline(components: Vec<ComponentSpec>, options: PipelineOptions) -> Pipeline {
    Pipeline::new(components, options).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn through_faults(probe: &Probe, state: &Path) -> Pipeline {
    let mut faults = load("faults", []);
    let (initial_backoff, max_backoff) = (Duration::from_millis(1), Duration::from_millis(1));
    faults.options.retry = RetryPolicy { max_attempts: 5, initial_backoff, max_backoff };
    pipeline(vec![probe.source(3), faults, probe.sink()], options(state))
}

fn run(pipeline: Pipeline) -> Summary {
    pipeline.start().unwrap_or_else(|error| panic!("{error}")).wait()
}

fn letters(state: &Path) -> Vec<Letter<'static>> {
    let segments = segments(&state.join(dead_letters::FOLDER)).unwrap();
    let read = |path| SegmentReader::open(path).unwrap().map(|entry| entry.unwrap().letter);
    segments.iter().flat_map(|path| read(path)).collect()
}

fn undone(state: &Path) -> usize {
    let segments = segments(&state.join(dead_letters::FOLDER)).unwrap();
    let done = segments.iter().map(|path| dead_letters::done(path).unwrap().len());
    letters(state).len() - done.sum::<usize>()
}

#[test]
fn failed_messages_are_kept_as_received_and_the_source_learns_it() {
    let state = tempfile::tempdir().unwrap();
    let mut fails = Message::new("fail");
    fails.set_attribute("key", "value");
    fails.set_time(7);
    let given = [Message::new("done"), fails, Message::new("retry 9"), Message::new("done")];
    let probe = Probe::new(given);
    let summary = run(through_faults(&probe, state.path()));
    assert_eq!(probe.outcomes(), [DELIVERED, DEAD_LETTERED, DEAD_LETTERED, DELIVERED]);
    assert!(summary.is_success(), "nothing is lost");
    assert_eq!(summary.outcomes.dead_lettered, 2);
    let letters = letters(state.path());
    let said: Vec<_> = letters
        .iter()
        .map(|one| (&*one.component, one.status, &*one.description, one.attempts))
        .collect();
    assert_eq!(said, [("faults", 204, "as told", 1), ("faults", 101, "not yet", 5)]);
    let message = letters[0].message();
    assert_eq!((message.data(), message.time()), (&b"fail"[..], 7));
    assert_eq!(message.attribute("key").and_then(Value::as_str), Some("value"));
    assert_eq!(message.attribute("changed"), None, "whatever the component did to it");
    assert_eq!(letters[0].pipeline, "main");
}

#[test]
fn a_pipeline_without_failures_leaves_no_trace() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().join("state");
    let probe = Probe::new(["done"]);
    run(through_faults(&probe, &state));
    assert!(!state.exists());
}

#[test]
fn replayed_letters_are_settled_unless_they_come_back() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new(["fail", "panic", "retry 9", "done"]);
    run(through_faults(&probe, state.path()));
    assert_eq!(undone(state.path()), 3);
    // Through something that does not fail.
    let again = Probe::new(["never asked for"]);
    let pass = || load("grep", [("word", "retry".into()), ("invert", true.into())]);
    let mut faults = pass();
    faults.options.name = Some("faults".into());
    let replay =
        pipeline(vec![again.source(1), pass(), faults, again.sink()], options(state.path()))
            .replaying("faults", false)
            .unwrap();
    assert_eq!(replay.components().collect::<Vec<_>>(), ["replay", "faults", "collect"]);
    let summary = run(replay);
    assert!(summary.is_success());
    assert_eq!(again.output(), ["fail", "panic"], "one is dropped");
    assert_eq!(undone(state.path()), 0);
    // A message that fails again is a new letter.
    let probe = Probe::new(["fail"]);
    run(through_faults(&probe, state.path()));
    run(through_faults(&probe, state.path()).replaying("faults", false).unwrap());
    assert_eq!(undone(state.path()), 1);
    assert_eq!(letters(state.path()).len(), 5);
    let Err(error) = through_faults(&probe, state.path()).replaying("gone", false) else {
        panic!("replayed")
    };
    assert!(matches!(error, PipelineError::NoSuchComponent { .. }), "{error}");
}

/// Passes the first message on, and fails at the second.
struct Breaks(bool, Postponed);

impl Component for Breaks {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        if self.0 {
            self.1.host().fail("broken");
            return handled.report(message, Report::retry(0, "broken"));
        }
        self.0 = true;
        handled.done(message);
    }
}

#[test]
fn an_interrupted_replay_continues_where_it_was() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new(["fail", "panic", "silent"]);
    run(through_faults(&probe, state.path()));
    let again = Probe::new([""; 0]);
    let factory = own::transform("faults", |postponed| Ok(Breaks(false, postponed)));
    let breaks = ComponentSpec { factory, options: ComponentOptions::default() };
    let replay = pipeline(vec![again.source(1), breaks, again.sink()], options(state.path()));
    assert!(!run(replay.replaying("faults", false).unwrap()).is_success());
    assert_eq!((again.output(), undone(state.path())), (vec!["fail".to_owned()], 2));
    let mut pass = load("grep", [("word", "\0".into()), ("invert", true.into())]);
    pass.options.name = Some("faults".into());
    let replay = pipeline(vec![again.source(1), pass, again.sink()], options(state.path()));
    assert!(run(replay.replaying("faults", false).unwrap()).is_success());
    assert_eq!(again.output(), ["fail", "panic", "silent"]);
    assert_eq!(undone(state.path()), 0);
}

#[test]
fn a_component_of_the_operators_choice_gets_failed_messages() {
    let (probe, dead) = (Probe::new(["fail", "done"]), Probe::new([""; 0]));
    let mut sink = dead.sink();
    sink.options.name = Some("graveyard".into());
    let components = vec![probe.source(2), load("faults", []), probe.sink()];
    let pipeline = pipeline(components, PipelineOptions::default());
    let summary = run(pipeline.dead_letters_to(sink).unwrap_or_else(|errors| panic!("{errors:?}")));
    assert_eq!(probe.outcomes(), [DEAD_LETTERED, DELIVERED]);
    assert!(summary.is_success());
    dead.with_output(|messages| {
        assert_eq!(messages[0].data(), b"fail");
        let about = |key| messages[0].attribute(key).cloned();
        assert_eq!(about("gopiper.component"), Some("faults".into()));
        assert_eq!(about("gopiper.status"), Some(204i64.into()));
        assert_eq!(about("gopiper.description"), Some("as told".into()));
    });
}

#[test]
fn without_a_place_for_letters_it_says_so_or_discards() {
    let probe = Probe::new(["fail"]);
    let faults = || load("faults", []);
    let plain = PipelineOptions::default();
    let summary = run(pipeline(vec![probe.source(1), faults(), probe.sink()], plain.clone()));
    assert_eq!((probe.outcomes(), summary.is_success()), (vec![Outcome::FAILED], false));
    let mut asks = faults();
    asks.options.on_fail = Some(OnFail::DeadLetter);
    let started = pipeline(vec![probe.source(1), asks, probe.sink()], plain).start();
    assert!(matches!(started, Err(PipelineError::NoPlaceForDeadLetters(_))));
}

#[test]
fn at_its_limit_the_pipeline_waits_until_there_is_room() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join(dead_letters::FOLDER);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("0-old.letters"), [0; 1000]).unwrap();
    let probe = Probe::new(["fail", "done"]);
    let options = PipelineOptions { dead_letter_limit: Some(1000), ..options(state.path()) };
    let components = vec![probe.source(1), load("faults", []), probe.sink()];
    let running = pipeline(components, options).start().unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    while control.counts()[3].1.retries == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(control.counts()[3].0, "dead_letters");
    fs::remove_file(folder.join("0-old.letters")).unwrap();
    let summary = running.wait();
    assert!(summary.is_success());
    assert_eq!(letters(state.path()).len(), 1);
}

#[test]
fn damage_costs_no_more_than_the_letter_that_it_hits() {
    let state = tempfile::tempdir().unwrap();
    let probe = Probe::new(["fail", "panic", "silent"]);
    run(through_faults(&probe, state.path()));
    let segment = segments(&state.path().join(dead_letters::FOLDER)).unwrap().remove(0);
    let whole = fs::read(&segment).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x20;
        fs::write(&segment, &bytes).unwrap();
        let Ok(reader) = SegmentReader::open(&segment) else {
            assert!(place < 8, "it is no segment any more");
            continue;
        };
        let (read, damaged): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
        assert_eq!((read.len(), damaged.len()), (2, 1), "byte {place}");
    }
    for end in 8..whole.len() {
        fs::write(&segment, &whole[..end]).unwrap();
        let (read, damaged): (Vec<_>, Vec<_>) =
            SegmentReader::open(&segment).unwrap().partition(Result::is_ok);
        assert!(read.len() < 3 && damaged.len() <= 1, "{end} bytes");
    }
}
