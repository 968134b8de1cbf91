//! The thread of the consumer: polls it, and puts what has come into the queue.
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use gopiper_abi::{Error, Message};
use log::Level;
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Message as _},
};

use crate::{
    GroupProtocol,
    arrival::Arrivals,
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
    arrivals: Arrivals,
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
            arrivals: Arrivals::new(reading.fields.clone(), shared.host().clone()),
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
        let Receiving { consumer, shared, arrivals, last, .. } = self;
        let (mut wait, mut failure) = (POLL, None);
        while count < ROUND.0 && bytes < ROUND.1 {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(arrived)) => {
                    count += 1;
                    bytes += arrived.payload_len();
                    let place = place_of(shared, &arrived, last);
                    let offset = u64::try_from(arrived.offset());
                    if let (Some(place), Ok(offset)) = (place, offset) {
                        put(&mut parcels, place, (offset, arrivals.message(&arrived, place)));
                    }
                }
                Some(Err(error)) => {
                    failure = Some(error);
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        if !parcels.is_empty() {
            shared.put(parcels);
        }
        if let Some(error) = failure {
            self.failed(&error);
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

/// The partition of a message; `None` if it goes to another member: the message comes there.
fn place_of<'a>(
    shared: &Shared,
    arrived: &BorrowedMessage<'_>,
    last: &'a mut Option<(Arc<Place>, u64)>,
) -> Option<&'a Arc<Place>> {
    let (topic, partition) = (arrived.topic(), arrived.partition());
    let rebalances = shared.rebalances();
    let is_last = |(place, known): &(Arc<Place>, u64)| {
        *known == rebalances && place.partition == partition && place.topic == topic
    };
    if !last.as_ref().is_some_and(is_last) {
        *last = shared.partitions(|held| held.place(topic, partition)).map(|it| (it, rebalances));
    }
    last.as_ref().map(|(place, _)| place)
}

/// Puts a message, with its offset, behind those of its partition.
fn put(parcels: &mut Vec<Parcel>, place: &Arc<Place>, message: (u64, Message)) {
    match parcels.iter_mut().rfind(|parcel| Arc::ptr_eq(&parcel.place, place)) {
        Some(parcel) => parcel.messages.push_back(message),
        None => {
            let messages = VecDeque::from([message]);
            parcels.push(Parcel { place: place.clone(), messages });
        }
    }
}
