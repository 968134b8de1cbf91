//! The first question to a cluster: whether it is there, and has the topics.
use std::time::{Duration, Instant};

use gopiper_abi::Error;
use rdkafka::{
    client::{Client, ClientContext},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::Metadata,
};

use crate::{ClusterAccess, Watcher};

/// Looks so often whether the brokers refuse the connection.
const SLICE: Duration = Duration::from_millis(1000);

/// A topic to ask for, with the attribute that names it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub attribute: &'a str,
    pub topic: &'a str,
}

/// Asks for a topic. `poll` serves the client's events, so that `watcher` hears errors.
///
/// # Errors
/// No broker answers (temporary); it refuses the connection; it has no such topic.
pub fn ask<C: ClientContext>(
    client: &Client<C>,
    poll: impl Fn(),
    watcher: &Watcher,
    access: &ClusterAccess,
    asked: Asked<'_>,
) -> Result<(), Error> {
    let until = Instant::now() + access.timeout();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let answer = client.fetch_metadata(Some(asked.topic), left.min(SLICE));
        poll();
        match answer {
            Ok(metadata) => return has_topic(&metadata, access, asked),
            Err(error) => {
                if let Some((code, reason)) = watcher.denied() {
                    return Err(denied(access, code, &reason));
                }
                if Instant::now() >= until {
                    return Err(unreachable(access, watcher, &error));
                }
            }
        }
    }
}

fn denied(access: &ClusterAccess, code: RDKafkaErrorCode, reason: &str) -> Error {
    let shown = access.shown();
    if code == RDKafkaErrorCode::SSL {
        let problem = format!(
            "no connection to {shown}: {reason}: the certificates of both sides have to fit tls.ca, \
             and the name in the address"
        );
        return Error::attribute("connection.tls", problem);
    }
    let problem = format!(
        "{shown} does not accept who connects: {reason}: give the user, password and mechanism \
         that it knows"
    );
    Error::attribute("connection.sasl", problem)
}

fn unreachable(access: &ClusterAccess, watcher: &Watcher, error: &KafkaError) -> Error {
    let code = || error.rdkafka_error_code().map_or(error.to_string(), |code| code.to_string());
    let reason = watcher.trouble().unwrap_or_else(code);
    let problem = format!("no connection to {}: {reason}", access.shown());
    Error::attribute("connection.brokers", problem).temporary()
}

fn has_topic(metadata: &Metadata, access: &ClusterAccess, asked: Asked<'_>) -> Result<(), Error> {
    let found = metadata.topics().iter().find(|topic| topic.name() == asked.topic);
    let code: RDKafkaErrorCode = match found.map(|topic| topic.error()) {
        Some(None) => return Ok(()),
        Some(Some(code)) => code.into(),
        None => RDKafkaErrorCode::UnknownTopicOrPartition,
    };
    Err(refused_topic(code, &access.shown(), asked))
}

fn refused_topic(code: RDKafkaErrorCode, shown: &str, asked: Asked<'_>) -> Error {
    let Asked { attribute, topic } = asked;
    let refuse = |problem: String| Error::attribute(attribute, problem);
    match code {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            refuse(format!(
                "the cluster of {shown} has no topic '{topic}': create it, or correct the name"
            ))
        }
        RDKafkaErrorCode::TopicAuthorizationFailed => refuse(format!(
            "the cluster of {shown} does not let this user at the topic '{topic}': allow it there"
        )),
        RDKafkaErrorCode::InvalidTopic => refuse(format!(
            "'{topic}' is not a name of a topic: letters, digits, '.', '_' and '-', at most 249"
        )),
        code => refuse(format!("the topic '{topic}' cannot be used: {code}")).temporary(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_missing_is_named_with_what_to_do() {
        let asked = Asked { attribute: "topics", topic: "orders" };
        let error = refused_topic(RDKafkaErrorCode::UnknownTopicOrPartition, "a:1", asked);
        let text = error.to_string();
        assert!(text.contains("attribute topics") && text.contains("no topic 'orders'"), "{text}");
        assert!(text.contains("create it") && !error.is_temporary(), "{text}");
        let error = refused_topic(RDKafkaErrorCode::LeaderNotAvailable, "a:1", asked);
        assert!(error.is_temporary(), "{error}");
    }
}
