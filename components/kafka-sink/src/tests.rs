//! The sink with librdkafka's mock cluster: a whole component, and faults of brokers.
use std::time::Duration;

use gopiper_abi::{
    Map, Message, Value,
    testing::{HandledMessage, Harness},
};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, OwnedMessage},
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use crate::KafkaSinkFactory;

const PATIENCE: Duration = Duration::from_secs(60);

struct Cluster(MockCluster<'static, DefaultProducerContext>);

impl Cluster {
    fn with_partitions(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", partitions, 1).unwrap();
        Cluster(cluster)
    }

    fn sink(&self, more: &[(&'static str, Value)], properties: &[(&str, &str)]) -> Harness {
        let attributes = attributes(&self.0.bootstrap_servers(), more, properties);
        Harness::sink::<KafkaSinkFactory>(attributes).unwrap()
    }

    /// So many messages of a partition, from its beginning.
    fn read(&self, partition: i32, count: usize) -> Vec<OwnedMessage> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.0.bootstrap_servers()).set("group.id", "look");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset("t", partition, Offset::Beginning).unwrap();
        consumer.assign(&from).unwrap();
        let until = std::time::Instant::now() + PATIENCE;
        let mut all = Vec::new();
        while all.len() < count {
            assert!(std::time::Instant::now() < until, "{} of {count} have come", all.len());
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                all.push(message.detach());
            }
        }
        let more = consumer.poll(Duration::from_millis(300));
        assert!(!matches!(more, Some(Ok(_))), "there are more than {count}");
        all
    }
}

fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Map::from_iter(entries).into()
}

fn attributes(
    brokers: &str,
    more: &[(&'static str, Value)],
    properties: &[(&str, &str)],
) -> Vec<(&'static str, Value)> {
    let mut own = Map::default();
    properties.iter().for_each(|(name, value)| own.insert(name, *value));
    let brokers: Vec<Value> = brokers.split(',').map(Value::from).collect();
    let connection = map([
        ("brokers", brokers.into()),
        ("properties", own.into()),
        ("timeout_ms", 3000i64.into()),
    ]);
    let mut all = vec![("connection", connection), ("topic", "t".into())];
    for (name, value) in more {
        all.retain(|(other, _)| other != name);
        all.push((name, value.clone()));
    }
    all
}

fn all_done(handled: &[HandledMessage]) {
    let failed: Vec<_> = handled.iter().filter(|it| it.status != 0).collect();
    assert!(failed.is_empty(), "{} of {}, such as {:?}", failed.len(), handled.len(), failed[0]);
}

#[test]
fn a_message_with_all_it_has() {
    let cluster = Cluster::with_partitions(3);
    let mut sink = cluster.sink(&[("partition_attribute", "partition".into())], &[]);
    let mut full = Message::new("data");
    full.set_time(1_234_567_000_000);
    full.set_attribute("key", "k");
    full.set_attribute("partition", 2);
    full.set_attribute("header.a", "1");
    full.set_attribute("header.none", &Value::NULL);
    let mut tombstone = Message::new("");
    tombstone.set_attribute("tombstone", true);
    tombstone.set_attribute("key", &b"\xff"[..]);
    tombstone.set_attribute("partition", 2);
    all_done(&sink.handle([full, tombstone]));
    let there = cluster.read(2, 2);
    assert_eq!((there[0].key(), there[0].payload()), (Some(&b"k"[..]), Some(&b"data"[..])));
    assert_eq!(there[0].timestamp().to_millis(), Some(1_234_567));
    let headers = there[0].headers().unwrap();
    let headers: Vec<_> = headers.iter().map(|it| (it.key, it.value)).collect();
    assert_eq!(headers, [("a", Some(&b"1"[..])), ("none", None)]);
    assert_eq!((there[1].key(), there[1].payload()), (Some(&b"\xff"[..]), None));
}

#[test]
fn keys_choose_the_partition_as_javas_clients_do() {
    let cluster = Cluster::with_partitions(3);
    let mut sink = cluster.sink(&[], &[]);
    // murmur2 of these keys, as Java's DefaultPartitioner has it for three partitions.
    for key in ["a", "a", "b", "c"] {
        let mut message = Message::new(key);
        message.set_attribute("key", key);
        all_done(&sink.handle([message]));
    }
    let sizes: Vec<usize> = (0..3)
        .map(|partition| {
            let of = |key: &str| murmur2(key.as_bytes()) as i32 & 0x7fff_ffff;
            ["a", "a", "b", "c"].iter().filter(|key| of(key) % 3 == partition).count()
        })
        .collect();
    for (partition, size) in sizes.into_iter().enumerate() {
        assert_eq!(cluster.read(partition as i32, size).len(), size);
    }
}

/// As in Java's `Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        rest.iter().enumerate().for_each(|(at, byte)| h ^= u32::from(*byte) << (8 * at));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[test]
fn all_compressions() {
    for name in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let cluster = Cluster::with_partitions(1);
        let mut sink = cluster.sink(&[("compression", name.into())], &[]);
        let texts: Vec<String> =
            (0..200).map(|it| format!("{name} {it} {}", "x".repeat(50))).collect();
        all_done(&sink.handle(texts.iter().map(String::as_str)));
        let there = cluster.read(0, 200);
        let there: Vec<_> = there.iter().map(|it| it.payload().unwrap().to_vec()).collect();
        assert_eq!(there, texts.iter().map(|it| it.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

#[test]
fn what_passes_is_mended_by_the_producer_itself() {
    let cluster = Cluster::with_partitions(1);
    let mut sink = cluster.sink(&[], &[]);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    cluster.0.request_errors(RDKafkaApiKey::Produce, &errors);
    all_done(&sink.handle(["a", "b", "c"]));
    let there = cluster.read(0, 3);
    let there: Vec<_> = there.iter().map(|it| it.payload().unwrap()).collect();
    assert_eq!(there, [b"a", b"b", b"c"], "in order, each once");
}

#[test]
fn what_the_broker_refuses_has_failed_alone() {
    let cluster = Cluster::with_partitions(1);
    let more = [("partition_attribute", "partition".into()), ("topic", "{topic}".into())];
    let mut sink = cluster.sink(&more, &[("message.max.bytes", "2000")]);
    let to = |topic: &str, data: &str| {
        let mut message = Message::new(data.to_owned());
        message.set_attribute("topic", topic);
        message
    };
    let mut nowhere = to("t", "x");
    nowhere.set_attribute("partition", 7);
    let large = "x".repeat(3000);
    let messages = [to("t", "fine"), to("t", &large), nowhere, to("no topic", "x"), to("t", "too")];
    let handled = sink.handle(messages);
    let said: Vec<_> = handled.iter().map(|it| (it.status, it.description.as_str())).collect();
    assert_eq!((said[0].0, said[4].0), (0, 0), "{said:?}");
    for (place, wanted) in
        [(1, "message.max.bytes"), (2, "no such partition"), (3, "is not a name of one")]
    {
        let (status, text) = said[place];
        assert!((200..300).contains(&status) && text.contains(wanted), "{said:?}");
    }
    assert_eq!(cluster.read(0, 2)[1].payload(), Some(&b"too"[..]));
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.0.request_errors(RDKafkaApiKey::Produce, &[denied]);
    let handled = sink.handle([to("t", "x")]);
    assert!(handled[0].description.contains("do not let this user write"), "{handled:?}");
}

#[test]
fn a_broker_that_is_away_is_tried_again_later() {
    let cluster = Cluster::with_partitions(1);
    let mut sink = cluster.sink(&[("delivery_timeout_ms", 1000i64.into())], &[]);
    cluster.0.broker_down(1).unwrap();
    let handled = sink.handle(["a", "b"]);
    assert!(handled.iter().all(|it| (100..200).contains(&it.status)), "{handled:?}");
    assert!(handled[0].description.contains("not written to 't'"), "{handled:?}");
    cluster.0.broker_up(1).unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    while sink.handle(["a"])[0].status != 0 {
        assert!(std::time::Instant::now() < until, "it is written");
    }
}

#[test]
fn a_full_queue_holds_the_messages_back() {
    let cluster = Cluster::with_partitions(1);
    let mut sink = cluster.sink(&[], &[("queue.buffering.max.messages", "10")]);
    let texts: Vec<String> = (0..500).map(|it| it.to_string()).collect();
    all_done(&sink.handle(texts.iter().map(String::as_str)));
    assert_eq!(cluster.read(0, 500).len(), 500);
}

#[test]
fn a_producer_that_cannot_go_on_is_replaced() {
    let cluster = Cluster::with_partitions(1);
    let mut sink = cluster.sink(&[], &[]);
    all_done(&sink.handle(["a"]));
    let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    cluster.0.request_errors(RDKafkaApiKey::Produce, &[fatal]);
    let handled = sink.handle(["b"]);
    if handled[0].status != 0 {
        assert!((100..200).contains(&handled[0].status), "{handled:?}");
        all_done(&sink.handle(["b"]));
    }
    assert_eq!(cluster.read(0, 2).len(), 2);
}

#[test]
fn what_is_not_there_at_the_start_is_named() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = |brokers: &str, more: &[(&'static str, Value)], properties: &[(&str, &str)]| {
        let attributes = attributes(brokers, more, properties);
        Harness::sink::<KafkaSinkFactory>(attributes).map(drop).unwrap_err()
    };
    let error = refused(&unused.to_string(), &[], &[]);
    assert!(error.is_temporary(), "{error}");
    assert!(error.to_string().contains(&format!("no connection to {unused}")), "{error}");
    let cluster = Cluster::with_partitions(1);
    let error = refused(&cluster.0.bootstrap_servers(), &[("topic", "absent".into())], &[]);
    assert!(error.to_string().contains("has no topic 'absent': create it"), "{error}");
    assert!(!error.is_temporary(), "{error}");
    for (name, wanted) in [("acks", "all replicas"), ("transactional.id", "without transactions")] {
        let error = refused("127.0.0.1:1", &[], &[(name, "1")]).to_string();
        assert!(error.contains(name) && error.contains(wanted), "{error}");
    }
    for (name, wanted) in
        [("delivery_timeout_ms", "more than linger_ms"), ("max_in_flight", "1 or")]
    {
        let error = refused("127.0.0.1:1", &[(name, 0i64.into())], &[]).to_string();
        assert!(error.contains(name) && error.contains(wanted), "{error}");
    }
}
