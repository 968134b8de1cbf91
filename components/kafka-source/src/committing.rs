//! Committing what has ended.
//!
//! Commits wait for their answer: rdkafka 0.39 gives none for one that is made asynchronously. The
//! answer for several partitions raises nothing if only some of them have failed, so what the
//! brokers have is asked for afterwards.
use std::{sync::Arc, time::Duration};

use kafka_client::Watcher;
use log::Level;
use rdkafka::{
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult},
    topic_partition_list::{Offset, TopicPartitionList},
};

use crate::{group::Group, progress::Place, shared::Shared};

/// How long to wait for what the brokers have.
const LOOK: Duration = Duration::from_secs(10);

/// Commits the news of these partitions, or of all.
pub(crate) fn commit(
    consumer: &BaseConsumer<Group>,
    shared: &Shared,
    watcher: &Watcher,
    only: Option<&[(String, i32)]>,
) {
    let mut positions = shared.partitions(|held| held.to_commit());
    positions.retain(|(place, _)| {
        let is_it = |(topic, partition): &(String, i32)| {
            *topic == place.topic && *partition == place.partition
        };
        only.is_none_or(|only| only.iter().any(is_it))
    });
    if positions.is_empty() {
        return;
    }
    let there = match send(consumer, &positions) {
        Ok(there) => there,
        Err(error) => {
            return positions.iter().for_each(|it| failed(watcher, it, &error.to_string()));
        }
    };
    for (position, there) in positions.iter().zip(there) {
        match there {
            Ok(()) => {
                let (place, below) = position;
                shared.partitions(|held| held.committed(place, *below));
                shared.host().set_settled(&place.origin, *below);
            }
            Err(why) => failed(watcher, position, &why),
        }
    }
}

fn failed(watcher: &Watcher, (place, position): &(Arc<Place>, u64), why: &str) {
    let line = format!("{}: offset {position} is not committed: {why}", place.name);
    watcher.say(Level::Warn, &line);
}

/// Commits, and says of each partition whether the brokers have it.
fn send(
    consumer: &BaseConsumer<Group>,
    positions: &[(Arc<Place>, u64)],
) -> KafkaResult<Vec<Result<(), String>>> {
    consumer.commit(&list(positions, true)?, CommitMode::Sync)?;
    if positions.len() == 1 {
        return Ok(vec![Ok(())]);
    }
    let there = consumer.committed_offsets(list(positions, false)?, LOOK)?;
    let of = |(place, position): &(Arc<Place>, u64)| {
        let found = there.find_partition(&place.topic, place.partition);
        let found = found.ok_or("the brokers do not name it")?;
        found.error().map_err(|error| error.to_string())?;
        match found.offset() {
            Offset::Offset(there) if there >= offset(*position) => Ok(()),
            there => Err(format!("the brokers have {there:?}")),
        }
    };
    Ok(positions.iter().map(of).collect())
}

fn list(positions: &[(Arc<Place>, u64)], is_given: bool) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (place, position) in positions {
        let offset = if is_given { Offset::Offset(offset(*position)) } else { Offset::Invalid };
        list.add_partition_offset(&place.topic, place.partition, offset)?;
    }
    Ok(list)
}

fn offset(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
