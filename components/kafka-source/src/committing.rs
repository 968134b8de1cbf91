//! Committing what has ended.
use kafka_client::Watcher;
use log::Level;
use rdkafka::{
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    topic_partition_list::{Offset, TopicPartitionList},
};

use crate::{group::Group, shared::Shared};

/// Commits the news of all partitions. The answer comes later. Whether there was something.
pub(crate) fn later(consumer: &BaseConsumer<Group>, shared: &Shared, watcher: &Watcher) -> bool {
    let positions = shared.partitions(|held| held.to_commit());
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (place, position) in &positions {
        add(&mut list, &place.topic, place.partition, *position);
    }
    if list.count() == 0 {
        return false;
    }
    match consumer.commit(&list, CommitMode::Async) {
        Ok(()) => true,
        Err(error) => {
            watcher.say(Level::Warn, &format!("offsets are not committed yet: {error}"));
            false
        }
    }
}

/// Commits the news of these partitions, or all, and waits. One by one: the answer for several at
/// once does not say which of them failed.
pub(crate) fn now(
    consumer: &BaseConsumer<Group>,
    shared: &Shared,
    watcher: &Watcher,
    only: Option<&[(String, i32)]>,
) {
    for (place, position) in shared.partitions(|held| held.to_commit()) {
        let is_meant = |(topic, partition): &(String, i32)| {
            *topic == place.topic && *partition == place.partition
        };
        if only.is_some_and(|only| !only.iter().any(is_meant)) {
            continue;
        }
        let mut list = TopicPartitionList::with_capacity(1);
        add(&mut list, &place.topic, place.partition, position);
        match consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => committed(shared, &place.topic, place.partition, position),
            Err(error) => {
                let name = &place.name;
                let line = format!(
                    "{name}: offset {position} is not committed: {error}; messages from an earlier \
                     one on come again"
                );
                watcher.say(Level::Warn, &line);
                if is_away(&error) {
                    return;
                }
            }
        }
    }
}

/// The answer for [`later`]: of each partition by itself.
pub(crate) fn answered(
    shared: &Shared,
    watcher: &Watcher,
    result: KafkaResult<()>,
    offsets: &TopicPartitionList,
) {
    for element in offsets.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let Offset::Offset(offset) = element.offset() else { continue };
        let answer = result.clone().and_then(|()| element.error());
        match (answer, u64::try_from(offset)) {
            (Ok(()), Ok(position)) => committed(shared, topic, partition, position),
            (Err(error), _) if error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset) => {
                let line =
                    format!("{topic}/{partition}: offset {offset} is not committed: {error}");
                watcher.say(Level::Warn, &line);
            }
            _ => {}
        }
    }
}

fn committed(shared: &Shared, topic: &str, partition: i32, position: u64) {
    let origin =
        shared.partitions(|held| held.committed(topic, partition, position).map(str::to_owned));
    if let Some(origin) = origin {
        shared.host().set_settled(&origin, position);
    }
}

fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, position: u64) {
    let offset = Offset::Offset(i64::try_from(position).unwrap_or(i64::MAX));
    if let Err(error) = list.add_partition_offset(topic, partition, offset) {
        log::error!("{topic}/{partition}: offset {position} cannot be committed: {error}");
    }
}

/// Whether the next commit would wait in vain, too.
fn is_away(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
        )
    )
}
