//! The component: sends what has arrived, and says how each message has ended.
use std::{collections::HashMap, ops::Range};

use gopiper_abi::{Error, Outcome, Positions, Postponed, Produced, Source};
use nats_client::Driver;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    arrival::LastSubject,
    receiving::{self, Answer, Metrics},
    settings::{Origin, Settings},
    shared::Shared,
};

/// How many messages are sent at once at most.
const BATCH: usize = 512;

/// The component of the one worker.
pub struct NatsSource {
    settings: Settings,
    postponed: Postponed,
    shared: Shared,
    last_subject: LastSubject,
    /// What is in positions: the name of the stream; `None` without a stream.
    stream: Option<String>,
    /// Of each batch under way, the numbers of its messages, and how many have not ended.
    batches: HashMap<u64, (Vec<u64>, usize)>,
    last_token: u64,
    /// The thread of the connection ends when this is dropped; `None` after that.
    answers: Option<UnboundedSender<Answer>>,
    driver: Option<Driver>,
}

impl NatsSource {
    pub(crate) fn new(settings: Settings, postponed: Postponed) -> Result<Self, Error> {
        let host = postponed.host();
        let metrics = Metrics::new(host)?;
        let shared = Shared::new(host.clone(), settings.max_in_flight);
        let (answers, driver) = receiving::start(&settings, &shared, host, metrics)?;
        let stream = match &settings.origin {
            Origin::Stream { stream, .. } => Some(stream.clone()),
            Origin::Bucket { bucket, .. } => Some(format!("KV_{bucket}")),
            Origin::Subjects { .. } => None,
        };
        Ok(NatsSource {
            settings,
            postponed,
            shared,
            last_subject: LastSubject::default(),
            stream,
            batches: HashMap::new(),
            last_token: 0,
            answers: Some(answers),
            driver: Some(driver),
        })
    }

    /// Whether the server wants to know how each message has ended.
    fn answers(&self) -> bool {
        matches!(self.settings.origin, Origin::Stream { .. })
    }

    fn answer(&self, answer: Answer) {
        if let Some(answers) = &self.answers {
            // If the thread has ended, the server sends the message again by itself.
            let _ = answers.send(answer);
        }
    }
}

impl Source for NatsSource {
    fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        while batch.room() < BATCH.min(credit.max(1)) {
            batch.grow();
        }
        let mut state = self.shared.state();
        let count = state.queue.len().min(batch.room()).min(credit.max(1));
        let arrivals: Vec<_> = state.queue.drain(..count).collect();
        state.set_credit(credit.saturating_sub(count).max(1));
        let failure = if arrivals.is_empty() { state.failure.take() } else { None };
        drop(state);
        self.shared.wake_connection();
        if let Some(error) = failure {
            return Err(error);
        }
        if arrivals.is_empty() {
            return Ok(Produced::WAITING);
        }
        let size = arrivals.iter().map(|arrival| arrival.payload.len()).sum();
        let mut block = self.postponed.host().payload(size);
        let mut sequences = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            sequences.extend(arrival.sequence);
            let pushed = batch.push(arrival.into_message(
                &mut block,
                &mut self.last_subject,
                &self.settings,
            ));
            debug_assert!(pushed.is_ok(), "there is room");
        }
        let Some(stream) = &self.stream else {
            self.postponed.send_batch(batch)?;
            return Ok(Produced::MORE);
        };
        let positions = Positions::listed(stream, "sequence", sequences.clone());
        let positions = match self.shared.origin() {
            Some(origin) => positions.identified(origin),
            None => positions,
        };
        let token = self.answers().then(|| {
            self.last_token += 1;
            let count = sequences.len();
            self.batches.insert(self.last_token, (sequences, count));
            self.last_token
        });
        self.postponed.send_located(batch, token, positions)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, token: u64, places: Range<u32>, outcome: Outcome) {
        let Some((sequences, left)) = self.batches.get_mut(&token) else { return };
        let places = places.start as usize..places.end as usize;
        let ended: Vec<_> = sequences.get(places).unwrap_or_default().to_vec();
        *left = left.saturating_sub(ended.len());
        if *left == 0 {
            self.batches.remove(&token);
        }
        for sequence in ended {
            self.answer(Answer { sequence, outcome });
        }
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        // The thread of the connection gives back what has not been sent.
        self.shared.state().is_closing = true;
        self.shared.wake_connection();
        Ok(())
    }
}

impl Drop for NatsSource {
    /// Only now all outcomes are known.
    fn drop(&mut self) {
        self.shared.state().is_closing = true;
        self.answers = None;
        self.driver = None;
    }
}
