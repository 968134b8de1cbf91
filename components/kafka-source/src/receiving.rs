//! The thread of the consumer: polls it, and puts what has come into the queue.
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use gopiper_abi::Error;
use log::Level;
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Message as _},
};

use crate::{
    GroupProtocol,
    arrival::message_of,
    committing,
    group::Group,
    progress::Place,
    settings::Reading,
    shared::{Parcel, Shared, Stage},
};

/// How long a poll waits for the first message. So long it takes at most until the thread ends.
const POLL: Duration = Duration::from_millis(100);
/// How long the thread waits for room before it pauses the partitions: what librdkafka has fetched
/// of a paused one is fetched again.
const PATIENCE: Duration = Duration::from_millis(1000);
/// At most so many messages, and bytes, are taken before they are passed on.
const ROUND: (usize, usize) = (512, 1 << 20);

pub(crate) struct Receiving {
    consumer: BaseConsumer<Group>,
    shared: Arc<Shared>,
    reading: Reading,
    /// The last message's partition, and how many rebalances there had been.
    last: Option<(Arc<Place>, u64)>,
    is_paused: bool,
    next_commit: Instant,
    /// When an assignment must have come; `None` once that was looked after.
    assignment_until: Option<Instant>,
}

impl Receiving {
    pub(crate) fn new(
        consumer: BaseConsumer<Group>,
        shared: Arc<Shared>,
        reading: Reading,
    ) -> Self {
        let now = Instant::now();
        Receiving {
            consumer,
            shared,
            last: None,
            is_paused: false,
            next_commit: now + reading.commit_interval,
            assignment_until: Some(now + reading.assignment_timeout),
            reading,
        }
    }

    /// Until the source is dropped.
    pub(crate) fn run(mut self) {
        while self.shared.stage() != Stage::Closing {
            self.pause_or_resume();
            self.round();
            self.commit_if_due();
            self.look_for_assignment();
        }
        if self.reading.commit {
            let watcher = &self.consumer.context().watcher;
            committing::commit(&self.consumer, &self.shared, watcher, None);
        }
        // Dropping the consumer leaves the group, which gives its partitions back at once.
    }

    /// Without room for messages, only events are polled: a member that is silent is put out.
    fn pause_or_resume(&mut self) {
        let is_running = self.shared.stage() == Stage::Running;
        let has_room = is_running && self.shared.wait_for_room(PATIENCE);
        let change = match (has_room, self.is_paused) {
            // Partitions may have come since.
            (false, _) => self.consumer.assignment().and_then(|list| self.consumer.pause(&list)),
            (true, true) if self.shared.has_much_room() => {
                self.consumer.assignment().and_then(|list| self.consumer.resume(&list))
            }
            _ => return,
        };
        self.is_paused = !has_room;
        if let Err(error) = change {
            self.consumer.context().watcher.say(Level::Debug, &error.to_string());
        }
    }

    /// Takes what has come.
    fn round(&mut self) {
        let (mut parcels, mut count, mut bytes) = (Vec::<Parcel>::new(), 0, 0);
        let (mut last, mut wait) = (self.last.take(), POLL);
        while count < ROUND.0 && bytes < ROUND.1 {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(arrived)) => {
                    count += 1;
                    bytes += arrived.payload_len();
                    self.take(&arrived, &mut last, &mut parcels);
                }
                Some(Err(error)) => {
                    self.failed(&error);
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        self.last = last;
        if !parcels.is_empty() {
            self.shared.put(parcels);
        }
    }

    fn take(
        &self,
        arrived: &BorrowedMessage<'_>,
        last: &mut Option<(Arc<Place>, u64)>,
        parcels: &mut Vec<Parcel>,
    ) {
        let (topic, partition) = (arrived.topic(), arrived.partition());
        let rebalances = self.shared.rebalances();
        let place = match last {
            Some((place, known))
                if *known == rebalances && place.partition == partition && place.topic == topic =>
            {
                place.clone()
            }
            _ => {
                let place = self.shared.partitions(|held| held.place(topic, partition));
                // Of a partition that goes to another member: the message comes there.
                let Some(place) = place else { return };
                *last = Some((place.clone(), rebalances));
                place
            }
        };
        let Ok(offset) = u64::try_from(arrived.offset()) else { return };
        let message = message_of(arrived, &self.reading.fields);
        let same = parcels.iter_mut().rfind(|parcel| Arc::ptr_eq(&parcel.place, &place));
        match same {
            Some(parcel) => parcel.messages.push_back((offset, message)),
            None => parcels.push(Parcel { place, messages: VecDeque::from([(offset, message)]) }),
        }
    }

    fn failed(&self, error: &KafkaError) {
        let group = &self.reading.group;
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let watcher = &self.consumer.context().watcher;
        let problem = match (error, code) {
            (KafkaError::MessageConsumptionFatal(_), _) => {
                Error::new(format!("the consumer cannot go on: {code}"))
            }
            (_, RDKafkaErrorCode::GroupAuthorizationFailed) => Error::attribute(
                "group",
                format!(
                    "the brokers do not let this user into the group '{group}': allow it there"
                ),
            ),
            (_, RDKafkaErrorCode::TopicAuthorizationFailed) => {
                let reason = watcher.trouble().unwrap_or_default();
                Error::attribute(
                    "topics",
                    format!("the brokers do not let this user read: {reason}: allow it there"),
                )
            }
            // Librdkafka goes on by itself, and has said why in its error event.
            _ => return,
        };
        self.shared.fail(problem);
    }

    fn commit_if_due(&mut self) {
        let now = Instant::now();
        if !self.reading.commit || now < self.next_commit {
            return;
        }
        self.next_commit = now + self.reading.commit_interval;
        let watcher = &self.consumer.context().watcher;
        committing::commit(&self.consumer, &self.shared, watcher, None);
    }

    /// A broker that does not know the group's protocol says nothing at all.
    fn look_for_assignment(&mut self) {
        let Some(until) = self.assignment_until else { return };
        if self.shared.was_assigned() {
            self.assignment_until = None;
            return;
        }
        if Instant::now() < until {
            return;
        }
        self.assignment_until = None;
        let (group, seconds) = (&self.reading.group, self.reading.assignment_timeout.as_secs_f64());
        let problem = format!("no assignment of the group '{group}' after {seconds} seconds");
        let answers = self.consumer.fetch_metadata(self.reading.topic(), PATIENCE).is_ok();
        match self.reading.protocol {
            GroupProtocol::Consumer if answers => self.shared.fail(Error::attribute(
                "group_protocol",
                format!(
                    "{problem}: brokers before 4.0 do not know 'consumer' (KIP-848): set 'classic', \
                     or a longer assignment_timeout_ms"
                ),
            )),
            _ => {
                let line = format!("{problem}; still waiting");
                self.consumer.context().watcher.say(Level::Error, &line);
                self.assignment_until = Some(Instant::now() + self.reading.assignment_timeout);
            }
        }
    }
}
