//! What a failure of librdkafka or of a broker means for a message.
use gopiper_abi::Report;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// The numbers for the reasons in reports.
pub(crate) const AWAY: u8 = 2;
const TOO_LARGE: u8 = 3;
const NO_TOPIC: u8 = 4;
const NOT_ALLOWED: u8 = 5;
const REFUSED: u8 = 6;

/// The report for a message that was not written.
pub(crate) fn verdict(error: &KafkaError, topic: &str) -> Report {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code, topic),
        None => Report::fail(REFUSED, error.to_string()),
    }
}

fn of_code(code: Code, topic: &str) -> Report {
    match code {
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => Report::fail(
            TOO_LARGE,
            "larger than message.max.bytes of connection.properties, or of the topic",
        ),
        Code::UnknownTopic | Code::UnknownTopicOrPartition => Report::fail(
            NO_TOPIC,
            format!("the cluster has no topic '{topic}' (or no such partition): create it"),
        ),
        Code::UnknownPartition => {
            Report::fail(NO_TOPIC, format!("the topic '{topic}' has no such partition"))
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => Report::fail(
            NOT_ALLOWED,
            format!("the brokers do not let this user write to '{topic}': {code}"),
        ),
        code if may_pass(code) => Report::retry(AWAY, format!("not written to '{topic}': {code}")),
        code => Report::fail(REFUSED, format!("refused by '{topic}': {code}")),
    }
}

/// Whether another attempt may be better.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::MessageTimedOut
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::QueueFull
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::BrokerDestroy
            | Code::Resolve
            | Code::SSL
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::CriticalSystemResource
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::Fatal
            | Code::Fenced
            | Code::Retry
            | Code::Outdated
            | Code::UnknownBroker
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotController
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::StaleBrokerEpoch
            | Code::OutOfOrderSequenceNumber
            | Code::DuplicateSequenceNumber
            | Code::InvalidProducerEpoch
            | Code::UnknownProducerId
            | Code::ProducerFenced
            | Code::ThrottlingQuotaExceeded
            | Code::Unknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> Report {
        verdict(&KafkaError::MessageProduction(code), "orders")
    }

    #[test]
    fn what_passes_is_tried_again() {
        for code in [Code::MessageTimedOut, Code::NotEnoughReplicas, Code::Fatal] {
            let report = of(code);
            assert!((100..200).contains(&report.status()), "{code}: {}", report.status());
        }
    }

    #[test]
    fn what_does_not_pass_has_failed_with_the_reason() {
        for (code, wanted) in [
            (Code::MessageSizeTooLarge, "message.max.bytes"),
            (Code::UnknownTopic, "no topic 'orders'"),
            (Code::UnknownPartition, "no such partition"),
            (Code::TopicAuthorizationFailed, "do not let this user"),
            (Code::PolicyViolation, "refused by 'orders'"),
            (Code::InvalidRecord, "refused by 'orders'"),
        ] {
            let report = of(code);
            let text = report.description().unwrap();
            assert!((200..300).contains(&report.status()) && text.contains(wanted), "{text}");
        }
    }
}
