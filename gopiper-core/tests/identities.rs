//! A message is the same one in each attempt, after each restart, and wherever it was kept.
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use gopiper_abi::{
    Component, Error, HandledCallback, Message, Positions, Postponed, Produced, Report, Source, own,
};
use gopiper_core::{
    Branch, BranchPolicy, BufferOptions, ComponentOptions, ComponentSpec, OnFail, Pipeline,
    PipelineOptions, RetryPolicy, Step, Summary,
    dead_letters::{self, SegmentReader, segments},
};

/// Sends the numbers once. They have identities if there is an origin.
struct Numbers {
    count: u64,
    origin: Option<&'static str>,
    postponed: Postponed,
}

impl Source for Numbers {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        for number in 0..self.count {
            assert!(batch.push(Message::new(number.to_string())).is_ok());
        }
        let positions = Positions::counted("numbers", "number", 0);
        let positions = match self.origin {
            Some(origin) => positions.identified(origin),
            None => positions,
        };
        self.postponed.send_located(batch, Some(1), positions)?;
        Ok(Produced::FINISHED)
    }
}

fn numbers(count: u64, origin: Option<&'static str>) -> ComponentSpec {
    let source = own::source("numbers", move |postponed| Ok(Numbers { count, origin, postponed }));
    ComponentSpec { factory: source, options: ComponentOptions::default() }
}

type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// Writes down what comes, and with which identity, and reports what it is told.
struct Sees(Seen, fn(&[u8]) -> Report);

impl Component for Sees {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let id = handled.id().map(|id| id.to_string()).unwrap_or_default();
        let text = String::from_utf8_lossy(message.data()).into_owned();
        self.0.lock().unwrap().push((text, id));
        let report = (self.1)(message.data());
        handled.report(message, report);
    }
}

fn sink(seen: &Seen, report: fn(&[u8]) -> Report) -> ComponentSpec {
    let seen = seen.clone();
    let factory = own::sink("sees", move |_| Ok(Sees(seen.clone(), report)));
    ComponentSpec { factory, options: ComponentOptions::default() }
}

fn run(steps: Vec<Step>, state: &Path) -> Summary {
    pipeline(steps, state).start().unwrap_or_else(|error| panic!("{error}")).wait()
}

fn pipeline(steps: Vec<Step>, state: &Path) -> Pipeline {
    let options = PipelineOptions { state_directory: Some(state.into()), ..Default::default() };
    Pipeline::new(steps, options).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn take(seen: &Seen) -> Vec<(String, String)> {
    std::mem::take(&mut *seen.lock().unwrap())
}

fn done(_: &[u8]) -> Report {
    Report::DONE
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(text, id)| ((*text).to_owned(), (*id).to_owned())).collect()
}

#[test]
fn it_is_the_same_in_each_attempt_also_of_a_component_with_a_timeout() {
    for timeout in [None, Some(Duration::from_secs(60))] {
        let (state, seen) = (tempfile::tempdir().unwrap(), Seen::default());
        let mut sink = sink(&seen, |data| match data {
            b"1" => Report::retry(1, "not yet"),
            _ => Report::DONE,
        });
        sink.options.timeout = timeout;
        let backoff = Duration::from_millis(1);
        let (initial_backoff, max_backoff) = (backoff, backoff);
        sink.options.retry = RetryPolicy { max_attempts: 3, initial_backoff, max_backoff };
        run(vec![numbers(2, Some("in")).into(), sink.into()], state.path());
        let expected = [("0", "in:0"), ("1", "in:1"), ("1", "in:1"), ("1", "in:1")];
        assert_eq!(take(&seen), pairs(&expected), "{timeout:?}");
    }
}

fn block(steps: Vec<Step>) -> Branch {
    Branch { steps, policy: BranchPolicy::Block }
}

#[test]
fn the_copies_of_a_tee_are_told_apart() {
    let (state, seen) = (tempfile::tempdir().unwrap(), Seen::default());
    let branch = || vec![Step::from(sink(&seen, done))];
    let tee = Step::Tee(vec![block(branch()), block(branch())]);
    run(vec![numbers(1, Some("in")).into(), tee], state.path());
    let mut ids: Vec<_> = take(&seen).into_iter().map(|(_, id)| id).collect();
    ids.sort();
    assert_eq!(ids, ["in:0.0", "in:0.1"]);
}

#[test]
fn a_buffer_keeps_it_and_gives_one_to_those_without() {
    for origin in [Some("in"), None] {
        let (state, seen) = (tempfile::tempdir().unwrap(), Seen::default());
        let buffer = || Step::Buffer(BufferOptions::default());
        // The first one is finished, and the others come again.
        let mut breaks = sink(&seen, |data| match data {
            b"0" => Report::DONE,
            _ => Report::fail(1, "broken"),
        });
        breaks.options.on_fail = Some(OnFail::Stop);
        run(vec![numbers(4, origin).into(), buffer(), breaks.into()], state.path());
        let before = take(&seen);
        if origin.is_some() {
            assert_eq!(before[0], pairs(&[("0", "in:0")])[0]);
        } else {
            assert!(before[0].1.ends_with("/0:1"), "{before:?}");
        }
        // The buffer has written its block anew, without the finished one.
        for _ in 0..2 {
            let mut breaks = sink(&seen, |_| Report::fail(1, "broken"));
            breaks.options.on_fail = Some(OnFail::Stop);
            run(vec![numbers(0, origin).into(), buffer(), breaks.into()], state.path());
        }
        take(&seen);
        run(vec![numbers(0, origin).into(), buffer(), sink(&seen, done).into()], state.path());
        let after = take(&seen);
        assert_eq!(after.iter().map(|(text, _)| &**text).collect::<Vec<_>>(), ["1", "2", "3"]);
        for (place, (_, id)) in (1..).zip(&after) {
            match origin {
                Some(_) => assert_eq!(*id, format!("in:{place}")),
                // Numbers in a block begin with 1.
                None => assert_eq!(*id, before[0].1.replace(":1", &format!(":{}", place + 1))),
            }
        }
    }
}

#[test]
fn a_dead_letter_keeps_it_and_has_it_again_when_it_is_replayed() {
    for origin in [Some("in"), None] {
        let (state, seen) = (tempfile::tempdir().unwrap(), Seen::default());
        let fails = || sink(&seen, |_| Report::fail(1, "broken"));
        run(vec![numbers(2, origin).into(), fails().into()], state.path());
        assert_eq!(take(&seen).len(), 2);
        let letters = || -> Vec<String> {
            let segments = segments(&state.path().join(dead_letters::FOLDER)).unwrap();
            let read = |path| SegmentReader::open(path).unwrap();
            let letters = segments.iter().flat_map(|path| read(path));
            letters.map(|letter| letter.unwrap().letter.identity.into_owned()).collect()
        };
        let first = letters();
        match origin {
            Some(_) => assert_eq!(first, ["in:0", "in:1"]),
            None => assert!(first[0].ends_with(":1") && first[1].ends_with(":2"), "{first:?}"),
        }
        let replay = |sink: ComponentSpec| {
            let replay = pipeline(vec![numbers(0, origin).into(), sink.into()], state.path());
            let replay = replay.replaying("sees", false).unwrap();
            assert_eq!(replay.start().unwrap().wait().outcomes.failed, 0);
        };
        replay(fails());
        let ids = |seen: Vec<(String, String)>| seen.into_iter().map(|(_, id)| id);
        assert_eq!(ids(take(&seen)).collect::<Vec<_>>(), first);
        assert_eq!(letters()[2..], first, "those that failed again");
        replay(sink(&seen, done));
        assert_eq!(ids(take(&seen)).collect::<Vec<_>>(), first);
    }
}
