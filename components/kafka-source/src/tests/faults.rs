use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;

fn refused(attributes: Vec<(&'static str, Value)>) -> gopiper_abi::Error {
    Harness::source::<KafkaSourceFactory>(attributes).map(drop).unwrap_err()
}

#[test]
fn without_a_broker_the_start_is_tried_again() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(attributes(&unused.to_string(), &[]));
    let text = error.to_string();
    assert!(error.is_temporary(), "{text}");
    assert!(text.contains(&format!("connection.brokers: no connection to {unused}")), "{text}");
}

#[test]
fn a_topic_that_is_missing_is_named() {
    let cluster = Cluster::with_partitions(1);
    let topics = vec![Value::from("t"), Value::from("absent")];
    let error = refused(cluster.attributes(&[("topics", topics.into())]));
    let text = error.to_string();
    assert!(text.contains("has no topic 'absent': create it") && !error.is_temporary(), "{text}");
}

#[test]
fn a_broker_that_refuses_a_topic_is_heard() {
    let cluster = Cluster::with_partitions(1);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.0.topic_error("t", denied).unwrap();
    let text = refused(cluster.attributes(&[])).to_string();
    assert!(text.contains("does not let this user at the topic 't'"), "{text}");
}

#[test]
fn a_commit_that_fails_is_made_again() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..5, 1);
    let mut source = cluster.source(&[]);
    read(&mut source, 5);
    let failures = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
    ];
    cluster.0.request_errors(RDKafkaApiKey::OffsetCommit, &failures);
    source.tell_settled();
    wait(|| source.settled_below("kafka/mock/t/0") == 5, "it is committed after all");
    let logged = source.logged();
    let says = |line: &str| line.contains("t/0: offset") && line.contains("is not committed");
    assert!(logged.iter().any(|(_, line)| says(line)), "{logged:?}");
}

#[test]
fn a_broker_that_goes_and_comes_back_loses_nothing() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..5, 1);
    let mut source = cluster.source(&[]);
    read(&mut source, 5);
    cluster.0.broker_down(1).unwrap();
    source.tell_settled();
    thread::sleep(Duration::from_millis(500));
    cluster.0.broker_up(1).unwrap();
    cluster.write(5..10, 1);
    let mut rest = read(&mut source, 5);
    // The mock cluster forgets nothing: a rejoin begins at the last commit.
    rest.retain(|(data, _)| data.parse::<u32>().unwrap() >= 5);
    assert_eq!(numbers(&rest), [5, 6, 7, 8, 9]);
    source.tell_settled();
    wait(|| source.settled_below("kafka/mock/t/0") == 10, "it is committed");
}

#[test]
fn the_end_waits_for_no_broker_that_is_gone() {
    let cluster = Cluster::with_partitions(1);
    cluster.write(0..5, 1);
    let mut source = cluster.source(&[]);
    read(&mut source, 5);
    cluster.0.broker_down(1).unwrap();
    source.tell_settled();
    source.end().unwrap();
    let begun = Instant::now();
    drop(source);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn the_brokers_may_share_the_partitions() {
    let cluster = Cluster::with_partitions(2);
    cluster.write(0..6, 2);
    let brokers = vec![Value::from(cluster.0.bootstrap_servers().as_str())];
    let connection = map(&[("brokers", brokers.into()), ("cluster", "mock".into())]);
    let more = [("group_protocol", "consumer".into()), ("connection", connection)];
    let mut source = cluster.source(&more);
    assert_eq!(numbers(&read(&mut source, 6)), Vec::from_iter(0..6));
    source.tell_settled();
    wait(|| source.settled_below("kafka/mock/t/0") == 3, "it is committed");
}

#[test]
fn a_group_that_is_not_allowed_ends_the_pipeline() {
    let cluster = Cluster::with_partitions(1);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    cluster.0.request_errors(RDKafkaApiKey::JoinGroup, &[denied; 20]);
    cluster.0.request_errors(RDKafkaApiKey::FindCoordinator, &[denied; 20]);
    let mut source = cluster.source(&[]);
    let mut failure = None;
    wait(
        || {
            failure = source.produce(10).err();
            failure.is_some()
        },
        "the source says so",
    );
    let text = failure.unwrap().to_string();
    assert!(text.contains("do not let this user into the group 'g'"), "{text}");
}
