//! Requests to JetStream, and their failures.
use std::fmt;

use async_nats::{
    Request,
    client::{RequestError, RequestErrorKind},
};
use gopiper_abi::Error;
use serde_json::Value;

use crate::connect::Connected;

/// JetStream's numbers of failures (`err_code`).
const NOT_ENABLED: [u64; 2] = [10039, 10076];
const STREAM_NOT_FOUND: u64 = 10059;
const CONSUMER_NOT_FOUND: u64 = 10014;

/// Why a request has failed.
#[derive(Debug, Clone, PartialEq)]
pub enum ApiFailure {
    /// JetStream refused it: the status, the number of the failure, its text.
    Refused(u64, u64, String),
    /// There was no answer.
    Unanswered(String),
}

impl ApiFailure {
    pub fn is_no_stream(&self) -> bool {
        matches!(self, ApiFailure::Refused(_, STREAM_NOT_FOUND, _))
    }

    pub fn is_no_consumer(&self) -> bool {
        matches!(self, ApiFailure::Refused(_, CONSUMER_NOT_FOUND, _))
    }

    /// Whether it may pass.
    pub fn is_temporary(&self) -> bool {
        match self {
            ApiFailure::Refused(status, number, _) => {
                *status >= 500 && !NOT_ENABLED.contains(number)
            }
            ApiFailure::Unanswered(_) => true,
        }
    }

    /// The failure of `what`, as an error of this attribute.
    pub fn error(&self, attribute: &str, what: &str) -> Error {
        let error = Error::attribute(attribute, format!("{what}: {self}"));
        if self.is_temporary() { error.temporary() } else { error }
    }
}

impl fmt::Display for ApiFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiFailure::Refused(_, number, text) => write!(f, "{text} ({number})"),
            ApiFailure::Unanswered(text) => f.write_str(text),
        }
    }
}

impl From<RequestError> for ApiFailure {
    fn from(error: RequestError) -> Self {
        ApiFailure::Unanswered(match error.kind() {
            RequestErrorKind::NoResponders => "JetStream does not answer: it is not enabled for \
                 this account, or has not started yet"
                .into(),
            RequestErrorKind::TimedOut => "JetStream has not answered in time".into(),
            _ => error.to_string(),
        })
    }
}

impl Connected {
    /// Asks JetStream: `CONSUMER.INFO.orders.mail`. Many questions must have no text.
    ///
    /// # Errors
    /// It refused, or did not answer.
    pub async fn ask(&self, subject: &str, question: Option<&Value>) -> Result<Value, ApiFailure> {
        let text = question.map(Value::to_string).unwrap_or_default();
        let request = Request::new().payload(text.into());
        let subject = format!("{}.{subject}", self.api);
        let answer = self.client.send_request(subject, request).await?;
        read(&answer.payload)
    }
}

fn read(answer: &[u8]) -> Result<Value, ApiFailure> {
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|error| ApiFailure::Unanswered(format!("JetStream's answer: {error}")))?;
    let Some(error) = answer.get("error") else { return Ok(answer) };
    let number = |name: &str| error.get(name).and_then(Value::as_u64).unwrap_or_default();
    let text = error.get("description").and_then(Value::as_str).unwrap_or_default();
    Err(ApiFailure::Refused(number("code"), number("err_code"), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jetstream_refuses_may_pass_or_not() {
        let failure = |code: u64, number: u64| {
            let text =
                format!(r#"{{"error":{{"code":{code},"err_code":{number},"description":"why"}}}}"#);
            read(text.as_bytes()).unwrap_err()
        };
        assert!(failure(404, 10059).is_no_stream() && failure(404, 10014).is_no_consumer());
        assert!(failure(503, 10008).is_temporary() && !failure(503, 10076).is_temporary());
        let error = failure(400, 10012).error("stream", "stream 'a'");
        assert_eq!(error.to_string(), "attribute stream: stream 'a': why (10012)");
        assert!(read(b"no JSON").unwrap_err().is_temporary());
        assert_eq!(read(br#"{"a":1}"#).unwrap()["a"], 1);
    }
}
