use super::*;
use crate::settings::Reading;

fn refusal(more: &[(&'static str, Value)]) -> String {
    let attributes = attributes("127.0.0.1:1", more);
    Harness::source::<KafkaSourceFactory>(attributes).map(drop).unwrap_err().to_string()
}

#[test]
fn wrong_attributes_are_named() {
    let names =
        |names: &[&str]| Value::from(names.iter().map(|it| Value::from(*it)).collect::<Vec<_>>());
    for (name, value, wanted) in [
        ("topics", names(&[]), "attribute topics: is empty"),
        ("topics", names(&["a b"]), "attribute topics: 'a b' is not a name"),
        ("group", "".into(), "attribute group: must be a name"),
        ("commit_interval_ms", 0i64.into(), "attribute commit_interval_ms: must be 1 or more"),
        ("queue_bytes", 0i64.into(), "attribute queue_bytes: must be 1 or more"),
        ("rebalance_wait_ms", 300_000i64.into(), "must be 240000 at most"),
        ("group_protocol", "eager".into(), "group_protocol"),
    ] {
        let refused = refusal(&[(name, value)]);
        assert!(refused.contains(wanted), "{refused}");
    }
}

#[test]
fn properties_that_break_a_promise_are_refused() {
    for (name, wanted) in [
        ("enable.auto.commit", "gopiper commits what has ended"),
        ("enable.auto.offset.store", "gopiper commits what has ended"),
        ("group.id", "set group"),
        ("no.such.property", "No such configuration property"),
    ] {
        let properties = map(&[(name, "true".into())]);
        let brokers = vec![Value::from("127.0.0.1:1")];
        let connection = map(&[("brokers", brokers.into()), ("properties", properties)]);
        let refused = refusal(&[("connection", connection)]);
        assert!(refused.contains("connection.properties"), "{refused}");
        assert!(refused.contains(name) && refused.contains(wanted), "{refused}");
    }
}

/// A second without fetching is librdkafka's default: a fast pipeline stood still for most of it.
#[test]
fn fetching_goes_on_soon_after_the_queue_was_full() {
    let text = r#"{"connection": {"brokers": ["a:1"]}, "topics": ["t"], "group": "g"}"#;
    let reading = Reading::new(serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!(reading.config().unwrap().get("fetch.queue.backoff.ms"), Some("2"));
}
