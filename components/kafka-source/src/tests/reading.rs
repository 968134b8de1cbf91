use gopiper_abi::{Outcome, testing::Settled};

use super::*;

#[test]
fn what_has_ended_is_committed_and_does_not_come_again() {
    let cluster = Cluster::with_partitions(2);
    cluster.write(0..10, 2);
    let mut source = cluster.source(&[]);
    let all = read(&mut source, 10);
    assert_eq!(numbers(&all), Vec::from_iter(0..10));
    assert!(all.contains(&("4".into(), "kafka/mock/t/0:2".into())), "{all:?}");
    assert!(all.contains(&("9".into(), "kafka/mock/t/1:4".into())), "{all:?}");
    source.tell_settled();
    wait(|| source.settled_below("kafka/mock/t/0") == 5, "t/0 is committed");
    wait(|| source.settled_below("kafka/mock/t/1") == 5, "t/1 is committed");
    drop(source);
    cluster.write(10..12, 2);
    let mut source = cluster.source(&[]);
    assert_eq!(numbers(&read(&mut source, 2)), [10, 11]);
}

#[test]
fn what_has_not_ended_comes_again_with_the_same_identity() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..6, 1);
    let mut source = cluster.source(&[]);
    let first = read(&mut source, 6);
    let batches = source.settled();
    // All but the third, which is returned.
    for settled in batches {
        for place in settled.first..settled.first + settled.count {
            let outcome = if place == 2 { Outcome::RETURNED } else { Outcome::DELIVERED };
            source.tell(&Settled { first: place, count: 1, outcome, ..settled });
        }
    }
    wait(|| source.settled_below("kafka/mock/t/0") == 2, "the first two are committed");
    // At its end, too.
    drop(source);
    let mut source = cluster.source(&[]);
    assert_eq!(read(&mut source, 4), first[2..]);
}

#[test]
fn a_killed_source_loses_nothing() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..4, 1);
    let mut source = cluster.source(&[]);
    let first = read(&mut source, 4);
    // It hears of no outcome.
    std::mem::forget(source);
    let mut source = cluster.source(&[("group", "other".into())]);
    assert_eq!(read(&mut source, 4), first);
}

#[test]
fn without_commits_each_start_reads_all() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..3, 1);
    for _ in 0..2 {
        let mut source = cluster.source(&[("commit", false.into())]);
        assert_eq!(numbers(&read(&mut source, 3)), [0, 1, 2]);
        source.tell_settled();
        assert_eq!(source.settled_below("kafka/mock/t/0"), 0);
    }
}

#[test]
fn a_full_queue_waits_and_loses_nothing() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..3000, 1);
    let mut source = cluster.source(&[("queue_messages", 100i64.into())]);
    let mut all = read(&mut source, 1);
    // Long enough for the source to pause the partition.
    thread::sleep(Duration::from_millis(2500));
    all.extend(read(&mut source, 3000 - all.len()));
    assert_eq!(numbers(&all), Vec::from_iter(0..3000));
}

#[test]
fn a_rebalance_waits_for_what_is_under_way() {
    let cluster = Cluster::with_partitions(2);
    cluster.write(0..8, 2);
    let mut first = cluster.source(&[]);
    let all = read(&mut first, 8);
    let mut second = cluster.source(&[]);
    // The mock cluster puts a member out that holds a rebalance up for its session's timeout.
    let until = Instant::now() + Duration::from_millis(3500);
    while Instant::now() < until {
        assert!(read_now(&mut second).is_empty(), "nothing of it comes twice");
        thread::sleep(Duration::from_millis(50));
    }
    first.tell_settled();
    cluster.write(8..16, 2);
    let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
    wait(
        || {
            of_first.extend(read_now(&mut first));
            first.tell_settled();
            of_second.extend(read_now(&mut second));
            second.tell_settled();
            of_first.len() + of_second.len() >= 8
        },
        "both read on",
    );
    assert_eq!(numbers(&all), Vec::from_iter(0..8));
    let rest = numbers(&[of_first, of_second.clone()].concat());
    assert_eq!(rest, Vec::from_iter(8..16), "{:?}", first.logged());
    assert!(!of_second.is_empty(), "it has its share");
}

#[test]
fn a_rebalance_does_not_wait_longer_than_it_may() {
    let cluster = Cluster::with_partitions(2);
    cluster.write(0..8, 2);
    let mut first = cluster.source(&[("rebalance_wait_ms", 200i64.into())]);
    let early = read(&mut first, 8);
    let late = first.settled();
    let mut second = cluster.source(&[]);
    // What the first one has not ended comes again.
    let again = read(&mut second, 4);
    assert!(again.iter().all(|it| early.contains(it)), "{again:?}");
    let origin = again[0].1.split(':').next().unwrap().to_owned();
    // What becomes of it there does not count any more.
    late.iter().for_each(|settled| first.tell(settled));
    thread::sleep(Duration::from_millis(500));
    assert!(first.settled_below(&origin) == 0, "{origin}");
    let logged = first.logged();
    let says = |line: &str| line.contains("4 messages have not ended, and come again");
    assert!(logged.iter().any(|(_, line)| says(line)), "{logged:?}");
}

#[test]
fn keys_headers_times_and_tombstones_are_attributes() {
    use rdkafka::message::{Header, OwnedHeaders};
    let cluster = Cluster::with_partitions(1);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.0.bootstrap_servers());
    let producer: BaseProducer = config.create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "a", value: Some("1") })
        .insert(Header { key: "none", value: None::<&str> })
        .insert(Header { key: "a", value: Some("2") });
    let full = BaseRecord::to("t").key("k").payload("data").timestamp(1234).headers(headers);
    producer.send(full).map_err(|(error, _)| error).unwrap();
    let tombstone = BaseRecord::<[u8], str>::to("t").key(&b"\xff"[..]);
    producer.send(tombstone).map_err(|(error, _)| error).unwrap();
    let empty = BaseRecord::<str, str>::to("t").payload("");
    producer.send(empty).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    let more = [("partition_attribute", "partition".into()), ("offset_attribute", "at".into())];
    let mut source = cluster.source(&more);
    let mut all = Vec::new();
    wait(
        || {
            source.produce(10).unwrap();
            all.extend(source.sent_messages());
            all.len() == 3
        },
        "three messages have come",
    );
    let text = |place: usize, name: &str| all[place].attribute(name).and_then(|it| it.as_str());
    assert_eq!(
        (text(0, "key"), text(0, "topic"), all[0].data()),
        (Some("k"), Some("t"), &b"data"[..])
    );
    assert_eq!(all[0].time(), 1_234_000_000);
    let number = |place: usize, name: &str| all[place].attribute(name).and_then(Value::as_i64);
    assert_eq!((number(2, "partition"), number(2, "at")), (Some(0), Some(2)));
    let several = all[0].attribute("header.a").and_then(|it| it.as_list()).unwrap();
    assert_eq!(several, [Value::from("1"), Value::from("2")]);
    assert_eq!(all[0].attribute("header.none"), Some(&Value::NULL));
    assert_eq!(all[1].attribute("key").and_then(Value::as_bytes), Some(&b"\xff"[..]));
    assert_eq!(all[1].attribute("tombstone"), Some(&Value::from(true)));
    assert_eq!((all[2].attribute("tombstone"), all[2].attribute("key")), (None, None));
}
