//! The consumer at the server: found, created, and compared with the attributes.
use std::time::Duration;

use gopiper_abi::Error;
use nats_client::ApiFailure;
use serde_json::{Map, Value, json};

use super::Line;
use crate::{Deliver, NewConsumer};

const MILLISECOND: u64 = 1_000_000;
/// What the server waits for an answer if a consumer says nothing else.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// What has to be known of a consumer.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) stream: String,
    pub(crate) name: String,
    /// The shortest time that the server waits for an answer.
    pub(crate) ack_wait: Duration,
    /// The most messages of one request, if that is limited.
    pub(crate) max_batch: Option<usize>,
    /// The longest time of a request, if that is limited.
    pub(crate) max_expires: Option<Duration>,
    /// The most messages that may be without an answer, if that is limited.
    pub(crate) max_ack_pending: Option<usize>,
    /// How often a message is sent at most, if that is limited.
    pub(crate) max_deliver: Option<u64>,
}

/// The settings in what JetStream says of a consumer.
fn config_of(mut info: Value) -> Map<String, Value> {
    match info.get_mut("config").map(Value::take) {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    }
}

/// The text for the consumer in errors.
fn named(stream: &str, consumer: &str) -> String {
    format!("consumer '{consumer}' of stream '{stream}'")
}

/// Finds the consumer, or creates it.
///
/// # Errors
/// It is missing, or another one than the attributes describe.
pub(super) async fn find(
    line: &Line,
    stream: &str,
    consumer: &str,
    create: Option<&NewConsumer>,
) -> Result<Found, Error> {
    let connected = &line.connected;
    let known = connected.ask(&format!("CONSUMER.INFO.{stream}.{consumer}"), None).await;
    let wanted = create.map(|create| asked_for(consumer, create));
    let config = match (known, &wanted) {
        (Ok(info), _) => config_of(info),
        (Err(failure), Some(wanted)) if failure.is_no_consumer() => {
            let filter = wanted.get("filter_subject").and_then(Value::as_str);
            let filter = filter.map(|filter| format!(".{filter}")).unwrap_or_default();
            let subject = format!("CONSUMER.CREATE.{stream}.{consumer}{filter}");
            let request = json!({ "stream_name": stream, "config": wanted });
            let created = connected.ask(&subject, Some(&request)).await;
            let what = format!("{} cannot be created", named(stream, consumer));
            let info = created.map_err(|failure| failure.error("create", &what))?;
            let config = config_of(info);
            if let Some(difference) = difference(wanted, &config) {
                // The server does not know a setting, and has left it out.
                let subject = format!("CONSUMER.DELETE.{stream}.{consumer}");
                let _ = connected.ask(&subject, None).await;
                return Err(Error::attribute(
                    "create",
                    format!(
                        "the server cannot create {}: {difference}: it is too old for this \
                         setting, so leave it out or use a newer server",
                        named(stream, consumer)
                    ),
                ));
            }
            config
        }
        (Err(failure), _) => return Err(missing(stream, consumer, &failure)),
    };
    let difference = wanted.and_then(|wanted| difference(&wanted, &config));
    if let Some(difference) = difference {
        return Err(Error::attribute(
            "create",
            format!(
                "{} exists, with another setting: {difference}: change the attribute, or the \
                 consumer (nats consumer edit), or use another name",
                named(stream, consumer)
            ),
        ));
    }
    usable(stream, consumer, &config)
}

/// Why it cannot be found, and what to do.
pub(super) fn missing(stream: &str, consumer: &str, failure: &ApiFailure) -> Error {
    if failure.is_no_stream() {
        let problem = format!("the server has no stream '{stream}': create it (nats stream add)");
        return Error::attribute("stream", problem);
    }
    if failure.is_no_consumer() {
        let problem = format!(
            "stream '{stream}' has no consumer '{consumer}': create it (nats consumer add), or \
             give create = {{}}"
        );
        return Error::attribute("consumer", problem);
    }
    failure.error("consumer", &named(stream, consumer))
}

/// The settings to ask for, as JetStream writes them.
fn asked_for(name: &str, create: &NewConsumer) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Value| drop(config.insert(name.to_owned(), value));
    set("durable_name", name.into());
    set("name", name.into());
    set("ack_policy", "explicit".into());
    set("replay_policy", "instant".into());
    set(
        "deliver_policy",
        match create.deliver {
            Deliver::All => "all",
            Deliver::New => "new",
            Deliver::Last => "last",
            Deliver::LastPerSubject => "last_per_subject",
        }
        .into(),
    );
    match create.filter_subjects.as_deref() {
        None | Some([]) => {}
        Some([one]) => set("filter_subject", one.as_str().into()),
        Some(several) => set("filter_subjects", several.into()),
    }
    if let Some(wait) = create.ack_wait_ms {
        set("ack_wait", wait.saturating_mul(MILLISECOND).into());
    }
    if let Some(most) = create.max_deliver {
        set("max_deliver", most.into());
    }
    if let Some(most) = create.max_ack_pending {
        set("max_ack_pending", most.into());
    }
    if let Some(waits) = &create.backoff_ms {
        let waits = waits.iter().map(|wait| wait.saturating_mul(MILLISECOND));
        set("backoff", waits.collect::<Vec<_>>().into());
    }
    config
}

/// The first setting that is another one than was asked for.
fn difference(wanted: &Map<String, Value>, config: &Map<String, Value>) -> Option<String> {
    // A consumer with waits has the first of them as its `ack_wait`.
    let is_replaced = |name: &str| name == "ack_wait" && wanted.contains_key("backoff");
    wanted.iter().find_map(|(name, wanted)| {
        let is = config.get(name);
        // Servers before 2.9 have no `name`, and the names of durable ones are the same.
        if is == Some(wanted) || name == "name" || is_replaced(name) {
            return None;
        }
        let is = is.map_or("not there".into(), Value::to_string);
        Some(format!("{name} is {is}, and the attributes ask for {wanted}"))
    })
}

/// Whether the source can work with this consumer.
fn usable(stream: &str, name: &str, config: &Map<String, Value>) -> Result<Found, Error> {
    let refuse = |problem: &str| {
        Err(Error::attribute("consumer", format!("{} {problem}", named(stream, name))))
    };
    if config.get("deliver_subject").and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
        return refuse(
            "pushes its messages: the source needs a pull consumer, without deliver_subject",
        );
    }
    if config.get("ack_policy").and_then(Value::as_str) != Some("explicit") {
        return refuse(
            "does not want each message acknowledged: the source needs ack_policy 'explicit'",
        );
    }
    let number = |name: &str| config.get(name).and_then(Value::as_u64).filter(|number| *number > 0);
    let waits = config.get("backoff").and_then(Value::as_array);
    let waits = waits.into_iter().flatten().filter_map(Value::as_u64);
    let ack_wait = waits.chain(number("ack_wait")).filter(|wait| *wait > 0).min();
    let count = |name: &str| number(name).and_then(|number| usize::try_from(number).ok());
    Ok(Found {
        stream: stream.to_owned(),
        name: name.to_owned(),
        ack_wait: ack_wait.map_or(ACK_WAIT, Duration::from_nanos),
        max_batch: count("max_batch"),
        max_expires: number("max_expires").map(Duration::from_nanos),
        max_ack_pending: count("max_ack_pending"),
        max_deliver: number("max_deliver"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_setting_that_is_another_one_is_named() {
        let create = NewConsumer {
            filter_subjects: Some(vec!["a".into(), "b".into()]),
            deliver: Deliver::All,
            ack_wait_ms: Some(1500),
            max_deliver: None,
            max_ack_pending: None,
            backoff_ms: None,
        };
        let wanted = asked_for("mail", &create);
        assert_eq!(wanted["ack_wait"], 1_500_000_000u64);
        let mut answer = wanted.clone();
        answer.insert("max_waiting".into(), 512.into());
        assert_eq!(difference(&wanted, &answer), None);
        answer.remove("filter_subjects");
        let said = difference(&wanted, &answer).unwrap();
        assert_eq!(said, r#"filter_subjects is not there, and the attributes ask for ["a","b"]"#);
    }

    #[test]
    fn consumers_that_do_not_fit_are_refused() {
        let refused = |value| usable("s", "c", &config(value)).unwrap_err().to_string();
        let push = json!({ "deliver_subject": "x", "ack_policy": "explicit" });
        assert!(refused(push).contains("pull consumer"));
        assert!(refused(json!({ "ack_policy": "all" })).contains("'explicit'"));
        let found = usable(
            "s",
            "c",
            &config(json!({
                "ack_policy": "explicit", "ack_wait": 9_000_000_000u64, "max_deliver": -1,
                "backoff": [5_000_000_000u64, 60_000_000_000u64],
            })),
        );
        let found = found.unwrap();
        assert_eq!((found.ack_wait, found.max_deliver), (Duration::from_secs(5), None));
    }
}
