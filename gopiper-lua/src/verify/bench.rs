//! A trial: the component in a real pipeline, between a source and a sink of ours.
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{
    Component, Error, HandledCallback, Kind, Message, Outcome, Postponed, Produced, Source, own,
    raw::client::FactoryHandle,
};
use gopiper_core::{
    ComponentCounts, ComponentOptions, ComponentSpec, Pipeline, PipelineOptions, RetryPolicy,
    Summary, dead_letters::about,
};

use super::{
    subject::Subject,
    test::{Judged, Verdict, must},
};

/// More of what comes out is not looked at.
const LOOKED_AT: usize = 10_000;

/// What is put in and what has come out.
#[derive(Default)]
struct Seen {
    input: Vec<Message>,
    output: Vec<Message>,
    failed: Vec<Message>,
    outcomes: Vec<Vec<Outcome>>,
}

type Shared = Arc<Mutex<Seen>>;

/// How a trial has ended.
pub(super) struct Ran {
    pub(super) output: Vec<Message>,
    /// What it has failed with, as the dead letters have it.
    pub(super) failed: Vec<Message>,
    /// The outcomes of each input.
    pub(super) outcomes: Vec<Vec<Outcome>>,
    pub(super) counts: ComponentCounts,
    pub(super) summary: Summary,
    /// What was left, if it did not end.
    pub(super) stuck: Option<String>,
}

/// A pipeline to be run once.
pub(super) struct Trial<'s> {
    subject: &'s Subject,
    input: Vec<Message>,
    batch: usize,
    stopped: bool,
}

impl<'s> Trial<'s> {
    /// These messages go in; a source has its own.
    pub(super) fn new(subject: &'s Subject, input: Vec<Message>) -> Self {
        let stopped = subject.kind == Kind::SOURCE;
        Trial { subject, input, batch: 16, stopped }
    }

    pub(super) fn in_batches_of(self, batch: usize) -> Self {
        Trial { batch, ..self }
    }

    /// It ends by a stop, when nothing has happened for a while.
    pub(super) fn until_stopped(self) -> Self {
        Trial { stopped: true, ..self }
    }

    /// Runs it.
    pub(super) fn run(self) -> Result<Ran, Verdict> {
        let Trial { subject, input, batch, stopped } = self;
        let given = input.len();
        let seen: Shared =
            Arc::new(Mutex::new(Seen { input, outcomes: vec![vec![]; given], ..Seen::default() }));
        let mut middle = spec(subject.factory()?);
        let quick = Duration::from_millis(1);
        if subject.kind != Kind::SOURCE {
            middle.options.retry =
                RetryPolicy { max_attempts: 3, initial_backoff: quick, max_backoff: quick };
        }
        let (feeds, collects) = (seen.clone(), seen.clone());
        let feed = own::source("verify_feed", move |postponed| {
            Ok(Feed { seen: feeds.clone(), batch, sent: 0, waits: stopped, postponed })
        });
        let collect = own::sink("verify_collect", move |_| Ok(Collect(collects.clone(), false)));
        let (place, parts) = match subject.kind {
            Kind::SOURCE => (0, vec![middle, spec(collect)]),
            Kind::SINK => (1, vec![spec(feed), middle]),
            _ => (1, vec![spec(feed), middle, spec(collect)]),
        };
        let options = PipelineOptions {
            state_directory: Some("state".into()),
            shutdown_timeout: Some(subject.patience),
            ..PipelineOptions::default()
        };
        let buries = seen.clone();
        let grave = own::sink("verify_grave", move |_| Ok(Collect(buries.clone(), true)));
        let no_start = |error: String| Verdict::Skipped(format!("no pipeline starts: {error}"));
        let first = |errors: Vec<gopiper_core::PipelineError>| {
            no_start(errors.first().map(ToString::to_string).unwrap_or_default())
        };
        let pipeline = Pipeline::new(parts, options).map_err(first)?;
        let pipeline = pipeline.dead_letters_to(spec(grave)).map_err(first)?;
        let running = pipeline.start().map_err(|error| no_start(error.to_string()))?;
        let control = running.control();
        let (tell, hear) = mpsc::channel();
        thread::spawn(move || drop(tell.send(running.wait())));
        let idle = subject.patience.min(Duration::from_millis(200));
        let (mut last, mut since) = ((control.counts(), control.outcomes()), Instant::now());
        let (mut begun, mut told, mut stuck) = (Instant::now(), false, None);
        let summary = loop {
            match hear.recv_timeout(Duration::from_millis(5)) {
                Ok(summary) => break summary,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Verdict::Failed("the pipeline has gone without an end".into()));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            let now = (control.counts(), control.outcomes());
            if now != last {
                (last, since) = (now, Instant::now());
            }
            let enough = since.elapsed() > idle || begun.elapsed() > 2 * idle;
            if stopped && !told && enough {
                told = true;
                begun = Instant::now();
                control.stop();
            }
            let late = told && begun.elapsed() > subject.patience;
            if stuck.is_none() && (late || since.elapsed() > subject.patience) {
                stuck = Some(format!("it did not end; left: {:?}", control.left()));
                control.abort();
            }
        };
        let mut seen = lock(&seen);
        Ok(Ran {
            output: std::mem::take(&mut seen.output),
            failed: std::mem::take(&mut seen.failed),
            outcomes: std::mem::take(&mut seen.outcomes),
            counts: summary.components.get(place).map(|(_, counts)| *counts).unwrap_or_default(),
            stuck: stuck.or_else(|| {
                let left = !summary.left.is_empty();
                left.then(|| format!("it did not end in time; left: {:?}", summary.left))
            }),
            summary,
        })
    }
}

impl Ran {
    /// It ended, and did not panic.
    pub(super) fn sound(&self) -> Judged {
        self.ended()?;
        let panic = self.failed.iter().map(description).find(|said| said.starts_with("panicked"));
        must(self.counts.panics == 0, || format!("it {}", panic.unwrap_or("panicked")))
    }

    pub(super) fn ended(&self) -> Judged {
        match &self.stuck {
            Some(stuck) => Err(Verdict::Failed(stuck.clone())),
            None => Ok(()),
        }
    }
}

/// What was said of a message that failed.
pub(super) fn description(message: &Message) -> &str {
    message.attribute(about::DESCRIPTION).and_then(|it| it.as_str()).unwrap_or_default()
}

/// With which status it failed.
pub(super) fn status(message: &Message) -> i64 {
    message.attribute(about::STATUS).and_then(|it| it.as_i64()).unwrap_or_default()
}

fn spec(factory: FactoryHandle) -> ComponentSpec {
    ComponentSpec { factory, options: ComponentOptions::default() }
}

fn lock(seen: &Shared) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Feed {
    seen: Shared,
    batch: usize,
    sent: u64,
    waits: bool,
    postponed: Postponed,
}

impl Source for Feed {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        let mut seen = lock(&self.seen);
        let take = self.batch.min(seen.input.len()).min(batch.room());
        for message in seen.input.drain(..take) {
            let _ = batch.push(message);
        }
        drop(seen);
        if batch.is_empty() {
            return Ok(if self.waits { Produced::WAITING } else { Produced::FINISHED });
        }
        let first = self.sent;
        self.sent += batch.len() as u64;
        self.postponed.send_tracked(batch, first)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, token: u64, indices: Range<u32>, outcome: Outcome) {
        let mut seen = lock(&self.seen);
        for index in indices {
            let place = token as usize + index as usize;
            if let Some(outcomes) = seen.outcomes.get_mut(place) {
                outcomes.push(outcome);
            }
        }
    }
}

/// Where messages end; those that have failed, if so it says.
struct Collect(Shared, bool);

impl Component for Collect {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let mut seen = lock(&self.0);
        let to = if self.1 { &mut seen.failed } else { &mut seen.output };
        if to.len() < LOOKED_AT {
            to.push(message.duplicate());
        }
        drop(seen);
        handled.done(message);
    }
}
