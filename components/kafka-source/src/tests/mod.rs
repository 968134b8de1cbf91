//! The source with librdkafka's mock cluster: a whole component, and faults of brokers.
mod faults;
mod reading;
mod settings;

use std::{
    thread,
    time::{Duration, Instant},
};

use gopiper_abi::{Identity, Map, Value, testing::Harness};
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};

use crate::KafkaSourceFactory;

/// Longer than anything takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

struct Cluster(MockCluster<'static, DefaultProducerContext>);

impl Cluster {
    /// A cluster with the topic 't'.
    fn with_partitions(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", partitions, 1).unwrap();
        Cluster(cluster)
    }

    /// Writes numbers, to all partitions in turn.
    fn write(&self, numbers: std::ops::Range<u32>, partitions: i32) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.0.bootstrap_servers());
        let producer: BaseProducer = config.create().unwrap();
        for number in numbers {
            let text = number.to_string();
            let partition = i32::try_from(number).unwrap() % partitions;
            let record = BaseRecord::<(), str>::to("t").partition(partition).payload(&text);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    fn attributes(&self, more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
        attributes(&self.0.bootstrap_servers(), more)
    }

    fn source(&self, more: &[(&'static str, Value)]) -> Harness {
        Harness::source::<KafkaSourceFactory>(self.attributes(more)).unwrap()
    }
}

fn map(entries: &[(&str, Value)]) -> Value {
    let mut map = Map::default();
    entries.iter().for_each(|(name, value)| map.insert(name, value.clone()));
    map.into()
}

/// Attributes for these brokers; `more` replaces them.
fn attributes(brokers: &str, more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let brokers: Vec<Value> = brokers.split(',').map(Value::from).collect();
    let properties = map(&[("session.timeout.ms", "6000".into())]);
    let connection = map(&[
        ("brokers", brokers.into()),
        ("properties", properties),
        ("cluster", "mock".into()),
        ("timeout_ms", 3000i64.into()),
    ]);
    let mut all = vec![
        ("connection", connection),
        ("topics", vec![Value::from("t")].into()),
        ("group", "g".into()),
        ("commit_interval_ms", 100i64.into()),
    ];
    for (name, value) in more {
        all.retain(|(other, _)| other != name);
        all.push((name, value.clone()));
    }
    all
}

fn wait(mut is_so: impl FnMut() -> bool, what: &str) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not so: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads until so many messages have come, with their identities.
fn read(source: &mut Harness, count: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    wait(
        || {
            all.extend(read_now(source));
            all.len() >= count
        },
        "all messages have come",
    );
    all
}

/// The messages that have come.
fn read_now(source: &mut Harness) -> Vec<(String, String)> {
    source.produce(100).unwrap();
    let text = |(data, id): (Vec<u8>, Option<Identity>)| {
        (String::from_utf8(data).unwrap(), id.unwrap().to_string())
    };
    source.sent_with_ids().into_iter().map(text).collect()
}

fn numbers(read: &[(String, String)]) -> Vec<u32> {
    let mut numbers: Vec<u32> = read.iter().map(|(data, _)| data.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}
