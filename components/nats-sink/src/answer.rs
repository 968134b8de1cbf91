//! What the server has said of a published message.
use async_nats::{
    Message, StatusCode,
    client::{PublishError, PublishErrorKind},
};
use serde::Deserialize;

/// JetStream's numbers of failures (`err_code`) that say something of the message itself.
const TOO_LARGE: [u64; 2] = [10054, 10097];

/// What to do with a message that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The stream has it; `true` if it had it before.
    Stored(bool),
    /// Publish it again: it is not known whether the stream has it, or the reason may pass.
    Again(String),
    /// No stream takes the subject: perhaps because its servers choose another leader.
    NoStream,
    /// Another attempt can be no better.
    Refused(String),
}

#[derive(Deserialize)]
struct Confirmation {
    error: Option<Failure>,
    stream: Option<String>,
    #[serde(default)]
    duplicate: bool,
}

#[derive(Deserialize)]
struct Failure {
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Answer {
    pub(crate) fn of(message: &Message) -> Self {
        match message.status {
            Some(StatusCode::NO_RESPONDERS) => Answer::NoStream,
            _ => Self::read(&message.payload),
        }
    }

    /// For a message that the client did not send.
    pub(crate) fn not_sent(error: &PublishError) -> Self {
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Answer::Refused(
                "with its headers it is larger than the server takes (max_payload)".into(),
            ),
            PublishErrorKind::InvalidSubject => Answer::Refused("its subject is not one".into()),
            PublishErrorKind::Send => Answer::Again(error.to_string()),
        }
    }

    /// No answer came in time.
    pub(crate) fn unconfirmed() -> Self {
        Answer::Again("the server has not confirmed it in time".into())
    }

    fn read(answer: &[u8]) -> Self {
        let Ok(confirmation) = serde_json::from_slice::<Confirmation>(answer) else {
            return Answer::Refused(
                "the answer is not that of a stream: something else is subscribed to the subject"
                    .into(),
            );
        };
        match (confirmation.error, confirmation.stream) {
            (None, Some(_)) => Answer::Stored(confirmation.duplicate),
            (None, None) => Answer::Again("the answer names no stream".into()),
            (Some(failure), _) => {
                let text = format!("{} ({})", failure.description, failure.err_code);
                // A full stream is 503, and so are servers without a leader.
                if failure.code >= 500 && !TOO_LARGE.contains(&failure.err_code) {
                    Answer::Again(text)
                } else {
                    Answer::Refused(text)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_answers() {
        let read = |text: &str| Answer::read(text.as_bytes());
        assert_eq!(read(r#"{"stream":"s","seq":7}"#), Answer::Stored(false));
        assert_eq!(read(r#"{"stream":"s","seq":7,"duplicate":true}"#), Answer::Stored(true));
        let refused = |code: u64, err_code: u64| {
            read(&format!(
                r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"d"}}}}"#
            ))
        };
        assert_eq!(refused(503, 10077), Answer::Again("d (10077)".into()));
        assert_eq!(refused(400, 10060), Answer::Refused("d (10060)".into()));
        assert_eq!(refused(400, 10054), Answer::Refused("d (10054)".into()));
        assert!(matches!(read("thanks"), Answer::Refused(_)));
    }
}
