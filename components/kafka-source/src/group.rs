//! What the consumer of librdkafka calls: partitions come and go, and it says something.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_client::Watcher;
use log::Level;
use rdkafka::{
    client::ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::KafkaError,
    topic_partition_list::TopicPartitionList,
};

use crate::{committing, shared::Shared};

/// Hears what happens in the group.
pub(crate) struct Group {
    pub(crate) watcher: Watcher,
    pub(crate) shared: Arc<Shared>,
    pub(crate) commits: bool,
    pub(crate) wait: Duration,
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.watcher.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watcher.error(&error, reason);
    }

    /// They would be one line of thousands of signs.
    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            // Before the first message of it can come.
            Rebalance::Assign(list) => {
                let partitions = partitions_of(list);
                self.shared.assign(&partitions);
                self.watcher.say(Level::Info, &format!("assigned: {}", names(&partitions)));
            }
            Rebalance::Revoke(list) => self.leave(consumer, &partitions_of(list)),
            Rebalance::Error(error) => self.watcher.say(Level::Warn, &error.to_string()),
        }
    }
}

impl Group {
    /// Partitions go to another member, once their messages under way have ended.
    fn leave(&self, consumer: &BaseConsumer<Self>, partitions: &[(String, i32)]) {
        let until = Instant::now() + self.wait;
        let may_wait = || Instant::now() < until && !consumer.assignment_lost();
        let open = self.shared.leave(partitions, may_wait);
        let names = names(partitions);
        let is_lost = consumer.assignment_lost();
        if open > 0 {
            let line = format!(
                "{names}: {open} messages have not ended, and come again at the next member"
            );
            self.watcher.say(Level::Warn, &line);
        } else {
            self.watcher.say(Level::Info, &format!("given back: {names}"));
        }
        if self.commits && !is_lost {
            committing::commit(consumer, &self.shared, &self.watcher, Some(partitions));
        }
        self.shared.partitions(|held| held.drop(partitions));
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<(String, i32)> {
    let elements = list.elements();
    elements.iter().map(|it| (it.topic().to_owned(), it.partition())).collect()
}

/// For a line of the log.
fn names(partitions: &[(String, i32)]) -> String {
    const SHOWN: usize = 10;
    if partitions.is_empty() {
        return "no partitions".into();
    }
    let shown = partitions.iter().take(SHOWN).map(|(topic, number)| format!("{topic}/{number}"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if partitions.len() > SHOWN {
        text = format!("{text} and {} more", partitions.len() - SHOWN);
    }
    text
}
