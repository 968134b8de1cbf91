//! The thread of the connection: publishes the messages of a call until each has an end.
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use async_nats::Subscriber;
use futures_util::StreamExt;
use gopiper_abi::{Counter, Error, Host, Report};
use nats_client::{ApiFailure, Connected, Driver, connect};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout, timeout_at},
};

use crate::{GATHERED, Settings, answer::Answer, outgoing::Outgoing, window::Window};

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
/// Answers come on one subscription, which holds so many: eight times those of a call.
const ANSWERS: usize = 8 * GATHERED;

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
    /// The first part of the subjects for answers; behind it comes the message's number.
    inbox: String,
    answers: Subscriber,
    window: Window,
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
        let inbox = format!("{}.", connected.client.new_inbox());
        let answers = connected.client.subscribe(format!("{inbox}*")).await;
        let answers = answers.map_err(|error| Error::new(format!("cannot subscribe: {error}")))?;
        let window = Window::default();
        let publishing =
            Publishing { connected, settings, host, duplicates, inbox, answers, window };
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

    async fn run(mut self, mut calls: UnboundedReceiver<Call>) {
        while let Some(Call { messages, reports }) = calls.recv().await {
            let _ = reports.send(self.publish_all(messages).await);
        }
    }

    /// Publishes all, in rounds: each has those that have no end yet.
    async fn publish_all(&mut self, messages: Vec<Outgoing>) -> Vec<Report> {
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
                let unknown = || Report::retry(NOT_CONFIRMED, "nothing is known of it");
                return reports.into_iter().map(|it| it.unwrap_or_else(unknown)).collect();
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
        &mut self,
        messages: &[Outgoing],
        open: &[usize],
        reports: &mut [Option<Report>],
        trouble: &mut Option<Trouble>,
    ) -> Option<String> {
        let mut why = None;
        let mut to_do = open.iter().copied();
        let mut is_leaderless = false;
        loop {
            // A server that does not answer is not given more.
            let has_room = why.is_none() && self.window.len() < self.settings.max_in_flight;
            let next = if has_room { to_do.next() } else { None };
            let (place, answer) = match next {
                Some(place) => match self.publish(place, &messages[place]).await {
                    Ok(()) => continue,
                    Err(answer) => (place, answer),
                },
                None => match self.answer().await {
                    Some(answered) => answered,
                    None => break,
                },
            };
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

    /// Publishes a message.
    ///
    /// # Errors
    /// The client did not take it.
    async fn publish(&mut self, place: usize, message: &Outgoing) -> Result<(), Answer> {
        let sending = self.connected.client.publish_with_reply_and_headers(
            message.subject.clone(),
            format!("{}{}", self.inbox, self.window.next()),
            message.headers(&self.settings),
            message.payload.clone(),
        );
        // The client waits without a limit for room among what has not been sent.
        match timeout(self.settings.confirm, sending).await {
            Ok(Ok(())) => {
                self.window.push(place, Instant::now());
                Ok(())
            }
            Ok(Err(error)) => Err(Answer::not_sent(&error)),
            Err(_) => Err(Answer::unconfirmed()),
        }
    }

    /// The next answer to a message under way, or that there is none for the oldest one in time.
    /// `None` if no message is under way.
    async fn answer(&mut self) -> Option<(usize, Answer)> {
        loop {
            let until = self.window.oldest()? + self.settings.confirm;
            match timeout_at(until.into(), self.answers.next()).await {
                Ok(Some(message)) => {
                    let number = message.subject.strip_prefix(&*self.inbox);
                    let number = number.and_then(|number| number.parse().ok());
                    // One that came too late belongs to no message.
                    if let Some(place) = number.and_then(|number| self.window.take(number)) {
                        return Some((place, Answer::of(&message)));
                    }
                }
                Ok(None) => {
                    let text = "the connection to the server has ended for good";
                    return Some((self.window.take_oldest()?, Answer::Again(text.into())));
                }
                Err(_) => return Some((self.window.take_oldest()?, Answer::unconfirmed())),
            }
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
