//! A trial: the component in a real pipeline, between a source and a sink of the program. It knows
//! no test: a test sets it up and judges the records.
mod around;

use std::{
    mem,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{Kind, Message, Outcome, own, raw::client::FactoryHandle};
use gopiper_core::{
    ComponentCounts, ComponentOptions, ComponentSpec, Control, OnFail, Pipeline, PipelineError,
    PipelineOptions, RetryPolicy, Running, StopReason, Summary, dead_letters::about,
};

use crate::command::verify::{
    subject::Subject,
    verdict::{Judged, NO_PROGRESS, Verdict, must},
};
pub(crate) use around::MessagesEnd;
use around::{Collect, Feed, Seen, SharedSeen, Tap, lock};

/// More panics than these end a trial.
const MANY: u64 = 4;

/// How a trial comes to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    OfTheInput,
    /// By a stop, when nothing has happened for a while.
    Stopped,
    /// At once, with messages under way.
    Aborted,
}

/// How a trial has ended.
pub(crate) struct Ran {
    pub(crate) output: Vec<Message>,
    /// The messages that it failed with, as in the dead letters.
    pub(crate) failed: Vec<Message>,
    /// The outcomes of each input.
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// The messages that a source has produced.
    pub(crate) produced: Vec<Vec<u8>>,
    pub(crate) counts: ComponentCounts,
    pub(crate) summary: Summary,
    /// The remaining messages, if it did not end.
    pub(crate) stuck: Option<String>,
}

/// A pipeline to be run once.
pub(crate) struct Trial<'s> {
    subject: &'s Subject,
    input: Box<dyn Iterator<Item = Message> + Send>,
    batch: usize,
    end: End,
    ending: MessagesEnd,
    on_fail: OnFail,
}

impl<'s> Trial<'s> {
    /// These messages go in; a source has its own.
    pub(crate) fn new(
        subject: &'s Subject,
        input: impl IntoIterator<Item = Message, IntoIter: Send + 'static>,
    ) -> Self {
        let end = if subject.kind == Kind::SOURCE { End::Stopped } else { End::OfTheInput };
        let mut input = input.into_iter().peekable();
        // Before those made up, which may be without an end. None if there are to be none.
        let given = match input.peek() {
            Some(_) => subject.given.messages.iter().map(Message::duplicate).collect(),
            None => Vec::new(),
        };
        let input = Box::new(given.into_iter().chain(input));
        let (ending, on_fail) = (MessagesEnd::Done, OnFail::DeadLetter);
        Trial { subject, input, batch: 16, end, ending, on_fail }
    }

    pub(crate) fn in_batches_of(self, batch: usize) -> Self {
        Trial { batch, ..self }
    }

    /// It ends by a stop, when nothing has happened for a while.
    pub(crate) fn until_stopped(self) -> Self {
        Trial { end: End::Stopped, ..self }
    }

    /// It ends at once, with messages under way.
    pub(crate) fn aborted(self) -> Self {
        Trial { end: End::Aborted, ..self }
    }

    /// The outcomes of output messages; `on_fail` for those that fail there.
    pub(crate) fn ending(self, ending: MessagesEnd, on_fail: OnFail) -> Self {
        Trial { ending, on_fail, ..self }
    }

    /// Runs it.
    pub(crate) fn run(self) -> Result<Ran, Verdict> {
        let (subject, end) = (self.subject, self.end);
        let place = usize::from(subject.kind != Kind::SOURCE);
        let (pipeline, seen) = self.pipeline()?;
        let mut pipelines = [pipeline];
        if let Some((_, error)) = gopiper_core::check(&mut pipelines).first() {
            return Err(no_start(error));
        }
        let [pipeline] = pipelines;
        let running = start(pipeline, subject.given.patience)?;
        let control = running.control();
        let (tell, hear) = mpsc::channel();
        thread::spawn(move || drop(tell.send(running.wait())));
        let (summary, stuck) = watch((&control, place), &seen, &hear, end, subject.given.patience)?;
        let mut seen = lock(&seen);
        Ok(Ran {
            output: mem::take(&mut seen.output),
            failed: mem::take(&mut seen.failed),
            outcomes: mem::take(&mut seen.outcomes),
            produced: mem::take(&mut seen.produced),
            counts: summary.components.get(place).map(|(_, counts)| *counts).unwrap_or_default(),
            stuck: stuck.or_else(|| {
                let left = !summary.left.is_empty() && end != End::Aborted;
                left.then(|| {
                    format!("it did not end in time; messages left: {}", in_words(&summary.left))
                })
            }),
            summary,
        })
    }

    fn pipeline(self) -> Result<(Pipeline, SharedSeen), Verdict> {
        let Trial { subject, input, batch, end, ending, on_fail } = self;
        let seen = Arc::new(Mutex::new(Seen::of(input)));
        let mut middle = spec(subject.factory()?);
        let quick = Duration::from_millis(1);
        let retry = RetryPolicy { max_attempts: 3, initial_backoff: quick, max_backoff: quick };
        if subject.kind != Kind::SOURCE {
            middle.options.retry = retry;
        }
        let [feeds, taps, collects, buries] = [(); 4].map(|()| seen.clone());
        let waits = end != End::OfTheInput;
        let feed = own::source("verify_feed", move |postponed| {
            Ok(Feed::new(feeds.clone(), batch, waits, postponed))
        });
        let tap = own::transform("verify_tap", move |_| Ok(Tap(taps.clone())));
        let mut collect =
            spec(own::sink("verify_collect", move |_| Ok(Collect::new(collects.clone(), ending))));
        collect.options.retry = retry;
        collect.options.on_fail = Some(on_fail);
        let parts = match subject.kind {
            Kind::SOURCE => vec![middle, spec(tap), collect],
            Kind::SINK => vec![spec(feed), middle],
            _ => vec![spec(feed), middle, collect],
        };
        let options = PipelineOptions {
            state_directory: Some(subject.folder.join("state")),
            shutdown_timeout: Some(subject.given.patience),
            ..PipelineOptions::default()
        };
        let first = |errors: Vec<PipelineError>| no_start(&errors[0]);
        let pipeline = Pipeline::new(parts, options).map_err(first)?;
        let grave = own::sink("verify_grave", move |_| Ok(Collect::grave(buries.clone())));
        Ok((pipeline.dead_letters_to(spec(grave)).map_err(first)?, seen))
    }
}

/// Starts it. A component that waits for something, as its temporary error says, is not waited for.
fn start(pipeline: Pipeline, patience: Duration) -> Result<Running, Verdict> {
    let prepared = pipeline.prepare().map_err(|error| no_start(&error))?;
    let control = prepared.control();
    let (started, starts) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let is_late = starts.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
        if is_late {
            control.stop();
        }
        is_late
    });
    let running = prepared.start_held();
    drop(started);
    match (running, watch.join().unwrap_or_default()) {
        (Ok(running), false) => Ok(running),
        (Ok(running), true) => {
            // It was stopped meanwhile.
            running.wait();
            Err(Verdict::Skipped(format!(
                "the pipeline needs more than {patience:?} to start: allow more (--patience)"
            )))
        }
        (Err(error), false) => Err(no_start(&error)),
        (Err(error), true) => match no_start(&error) {
            Verdict::Skipped(said) => {
                Err(Verdict::Skipped(format!("{said} (temporary, after {patience:?})")))
            }
            failed => Err(failed),
        },
    }
}

/// Waits for the end, and causes it. Returns the messages left if the pipeline did not end.
fn watch(
    (control, place): (&Control, usize),
    seen: &SharedSeen,
    hear: &mpsc::Receiver<Summary>,
    end: End,
    patience: Duration,
) -> Result<(Summary, Option<String>), Verdict> {
    let idle = patience.min(Duration::from_millis(200));
    let (mut last, mut since) = ((control.counts(), control.outcomes()), Instant::now());
    let (mut begun, mut asked, mut stuck) = (Instant::now(), false, None);
    loop {
        match hear.recv_timeout(Duration::from_millis(5)) {
            Ok(summary) => return Ok((summary, stuck)),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Verdict::Failed("the pipeline disappeared before it ended".into()));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let now = (control.counts(), control.outcomes());
        // The pause after each panic grows: this many are enough once one of them is among the
        // failures, or that takes too long.
        let panics = now.0.get(place).map_or(0, |(_, counts)| counts.panics);
        let is_told = || begun.elapsed() > patience || panicked(&lock(seen).failed).is_some();
        if panics > MANY && stuck.is_none() && is_told() {
            stuck = Some("it panicked again and again".into());
            control.abort();
        }
        if now != last {
            (last, since) = (now, Instant::now());
        }
        let enough = since.elapsed() > idle || begun.elapsed() > 2 * idle;
        match end {
            End::Stopped if !asked && enough => {
                (asked, begun) = (true, Instant::now());
                control.stop();
            }
            End::Aborted if !asked && (enough || begun.elapsed() > idle / 10) => {
                (asked, begun) = (true, Instant::now());
                control.abort();
            }
            _ => {}
        }
        let late = asked && begun.elapsed() > patience;
        if stuck.is_none() && (late || since.elapsed() > patience) {
            stuck = Some(format!(
                "{NO_PROGRESS} {patience:?}; messages left: {}",
                in_words(&control.left())
            ));
            control.abort();
        }
    }
}

/// The number of messages in front of each component: `a (3), b (1)`.
fn in_words(left: &[(String, u64)]) -> String {
    let each = left.iter().filter(|(_, messages)| *messages > 0);
    let each: Vec<_> = each.map(|(name, messages)| format!("{name} ({messages})")).collect();
    if each.is_empty() { "none".into() } else { each.join(", ") }
}

/// Something that it needs may be missing; but that is no reason to panic.
fn no_start(error: &PipelineError) -> Verdict {
    let said = format!("the pipeline does not start: {error}");
    if said.contains("panicked") { Verdict::Failed(said) } else { Verdict::Skipped(said) }
}

impl Ran {
    /// It ended, and did not panic.
    pub(crate) fn sound(&self) -> Judged {
        let said = panicked(&self.failed).map_or("panicked", description);
        must(self.counts.panics == 0, || format!("it {said}"))?;
        self.ended()
    }

    /// It ended, and not because the component has failed as a whole.
    pub(crate) fn ended(&self) -> Judged {
        let failure = self.failure().map(|why| format!("it ended the pipeline: {why}"));
        match self.stuck.clone().or(failure) {
            Some(said) => Err(Verdict::Failed(said)),
            None => Ok(()),
        }
    }

    /// The error with which it ended the pipeline as failed, if it did.
    fn failure(&self) -> Option<&str> {
        match self.summary.stopped.as_ref()? {
            StopReason::Failed { component, error } => {
                Some(error).filter(|_| !component.starts_with("verify_")).map(String::as_str)
            }
            _ => None,
        }
    }
}

/// The first of these that it panicked at.
pub(crate) fn panicked(failed: &[Message]) -> Option<&Message> {
    failed.iter().find(|message| description(message).starts_with("panicked"))
}

/// The description of a message that failed.
pub(crate) fn description(message: &Message) -> &str {
    message.attribute(about::DESCRIPTION).and_then(|it| it.as_str()).unwrap_or_default()
}

/// With which status it failed.
pub(crate) fn status(message: &Message) -> i64 {
    message.attribute(about::STATUS).and_then(|it| it.as_i64()).unwrap_or_default()
}

fn spec(factory: FactoryHandle) -> ComponentSpec {
    ComponentSpec { factory, options: ComponentOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_left_are_named_with_their_component() {
        let left = |all: &[(&str, u64)]| {
            in_words(&all.iter().map(|(name, left)| ((*name).into(), *left)).collect::<Vec<_>>())
        };
        assert_eq!(left(&[("a", 3), ("b", 0), ("c", 1)]), "a (3), c (1)");
        assert_eq!(left(&[("a", 0)]), "none");
    }
}
