//! The thread of the connection: publishes the messages of a call until each has an end.
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use async_nats::Request;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gopiper_abi::{Counter, Error, Host, Report};
use nats_client::{ApiFailure, Connected, Driver, connect};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};

use crate::{Settings, answer::Answer, outgoing::Outgoing};

/// The name of the thread.
const THREAD: &str = "gopiper-nats";
/// The numbers for the reasons in reports.
const NOT_CONFIRMED: u8 = 2;
const REFUSED: u8 = 3;
const NO_STREAM: u8 = 4;
/// The time before the second attempt, and the longest before another one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a subject may have no stream: its servers may be choosing another leader.
const LEADERLESS: Duration = Duration::from_secs(10);
/// Answers come on one subscription.
const ANSWERS: usize = 1 << 16;

/// The messages of a call, and where their reports go.
pub(crate) struct Call {
    pub(crate) messages: Vec<Outgoing>,
    pub(crate) reports: mpsc::Sender<Vec<Report>>,
}

/// Connects, and publishes what comes.
///
/// # Errors
/// No connection, or no such stream.
pub(crate) fn start(
    settings: &Settings,
    host: &Host,
) -> Result<(UnboundedSender<Call>, Driver), Error> {
    let (calls, calls_in) = unbounded_channel();
    let duplicates = host
        .metric("duplicate_messages_total", "Messages that the stream already had, by their id.")
        .counter()?;
    let (settings, host_of_thread) = (settings.clone(), host.clone());
    let (driver, ()) = Driver::start_with(THREAD, host, async move |begun| {
        let publishing = Publishing::new(settings, host_of_thread, duplicates).await;
        match publishing {
            Err(error) => begun.with(Err(error)),
            Ok(publishing) => {
                begun.with(Ok(()));
                publishing.run(calls_in).await;
            }
        }
    })?;
    Ok((calls, driver))
}

struct Publishing {
    connected: Connected,
    settings: Settings,
    host: Host,
    duplicates: Counter,
}

/// What holds messages up, and since when.
struct Trouble {
    since: Instant,
    pause: Duration,
    /// Since when no stream takes the subject.
    leaderless_since: Option<Instant>,
}

impl Publishing {
    async fn new(settings: Settings, host: Host, duplicates: Counter) -> Result<Self, Error> {
        let connected = connect(&settings.connection, ANSWERS, &host, || {}).await?;
        let publishing = Publishing { connected, settings, host, duplicates };
        match publishing.stream_failure().await {
            None => Ok(publishing),
            Some((_, error)) => Err(error),
        }
    }

    /// Why the stream of the attributes cannot be asked, and that as an error.
    async fn stream_failure(&self) -> Option<(ApiFailure, Error)> {
        let stream = self.settings.stream.as_ref()?;
        let subject = format!("STREAM.INFO.{stream}");
        let failure = self.connected.ask(&subject, None).await.err()?;
        let error = if failure.is_no_stream() {
            let problem =
                format!("the server has no stream '{stream}': create it (nats stream add)");
            Error::attribute("stream", problem)
        } else {
            failure.error("stream", &format!("stream '{stream}'"))
        };
        Some((failure, error))
    }

    async fn run(self, mut calls: UnboundedReceiver<Call>) {
        while let Some(Call { messages, reports }) = calls.recv().await {
            let _ = reports.send(self.publish_all(messages).await);
        }
    }

    /// Publishes all, in rounds: each has those that have no end yet.
    async fn publish_all(&self, messages: Vec<Outgoing>) -> Vec<Report> {
        let mut reports: Vec<Option<Report>> = messages.iter().map(|_| None).collect();
        let mut trouble: Option<Trouble> = None;
        loop {
            let open: Vec<_> = (0..messages.len()).filter(|it| reports[*it].is_none()).collect();
            let mut why = None;
            if self.connected.is_up() {
                why = self.publish_round(&messages, &open, &mut reports, &mut trouble).await;
            } else {
                why.get_or_insert_with(|| "no connection to the server".to_owned());
            }
            let left = reports.iter().filter(|report| report.is_none()).count();
            let Some(why) = why.filter(|_| left > 0) else {
                if trouble.is_some_and(|trouble| trouble.pause > FIRST_PAUSE) {
                    log::info!("messages are published again");
                }
                return reports.into_iter().map(|report| report.unwrap_or(Report::DONE)).collect();
            };
            let now = Instant::now();
            let trouble = trouble.get_or_insert_with(|| {
                log::warn!("cannot publish: {why}; {left} messages wait");
                Trouble { since: now, pause: FIRST_PAUSE, leaderless_since: None }
            });
            if let Some(given_up) = self.given_up(trouble, &why).await {
                let rest = reports.into_iter().map(|report| report.unwrap_or(given_up.clone()));
                return rest.collect();
            }
            sleep(trouble.pause).await;
            trouble.pause = (trouble.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Publishes the open messages once; returns why some of them have no end yet.
    async fn publish_round(
        &self,
        messages: &[Outgoing],
        open: &[usize],
        reports: &mut [Option<Report>],
        trouble: &mut Option<Trouble>,
    ) -> Option<String> {
        let mut why = None;
        let mut to_do = open.iter().copied();
        let mut under_way = FuturesUnordered::new();
        let mut is_leaderless = false;
        loop {
            // A server that does not answer is not given more.
            while why.is_none() && under_way.len() < self.settings.max_in_flight {
                let Some(place) = to_do.next() else { break };
                let answer = self.publish(&messages[place]);
                under_way.push(async move { (place, answer.await) });
            }
            let Some((place, answer)) = under_way.next().await else { break };
            match answer {
                Answer::Stored(is_duplicate) => {
                    self.duplicates.add(u64::from(is_duplicate));
                    reports[place] = Some(Report::DONE);
                }
                Answer::Refused(text) => {
                    reports[place] = Some(Report::fail(REFUSED, format!("not published: {text}")));
                }
                Answer::Again(text) => drop(why.get_or_insert(text)),
                Answer::NoStream => {
                    is_leaderless = true;
                    let subject = &messages[place].subject;
                    why.get_or_insert_with(|| format!("no stream takes subject '{subject}'"));
                }
            }
        }
        if let Some(trouble) = trouble {
            let since = trouble.leaderless_since.unwrap_or_else(Instant::now);
            trouble.leaderless_since = is_leaderless.then_some(since);
        }
        why
    }

    /// Publishes a message, and waits for the server's answer.
    async fn publish(&self, message: &Outgoing) -> Answer {
        let confirm = self.settings.confirm;
        let request = Request::new()
            .headers(message.headers.clone())
            .payload(message.payload.clone())
            .timeout(Some(confirm));
        let sending = self.connected.client.send_request(message.subject.clone(), request);
        // The client waits without a limit for room among what has not been sent.
        match timeout(confirm + FIRST_PAUSE, sending).await {
            Ok(answer) => Answer::of(answer),
            Err(_) => Answer::unconfirmed(),
        }
    }

    /// The report for the messages that are not tried any longer.
    async fn given_up(&self, trouble: &Trouble, why: &str) -> Option<Report> {
        if self.settings.give_up.is_some_and(|most| trouble.since.elapsed() >= most) {
            return Some(Report::retry(NOT_CONFIRMED, format!("not published: {why}")));
        }
        if trouble.leaderless_since.is_none_or(|since| since.elapsed() < LEADERLESS) {
            return None;
        }
        if let Some((failure, error)) = self.stream_failure().await {
            if failure.is_no_stream() {
                // What is reported here goes back to its source, as the pipeline ends.
                self.host.fail(&error.to_string());
                return Some(Report::retry(NO_STREAM, error.to_string()));
            }
            return None;
        }
        Some(Report::retry(NO_STREAM, format!("not published: {why}")))
    }
}
