//! Requests to JetStream, and their failures.
use std::fmt;

use async_nats::jetstream::{
    Context,
    context::{RequestError, RequestErrorKind},
    response::Response,
};
use gopiper_abi::Error;
use serde::{Serialize, de::DeserializeOwned};

/// JetStream's numbers of failures (`err_code`).
const NOT_ENABLED: [u64; 2] = [10039, 10076];
const STREAM_NOT_FOUND: u64 = 10059;
const CONSUMER_NOT_FOUND: u64 = 10014;

/// Why a request has failed.
#[derive(Debug, Clone, PartialEq)]
pub enum ApiFailure {
    /// JetStream refused it: the status, the number of the failure, its text.
    Refused(usize, u64, String),
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

/// Asks JetStream: `CONSUMER.INFO.orders.mail`.
///
/// # Errors
/// It refused, or did not answer.
pub async fn ask<T: DeserializeOwned>(
    jetstream: &Context,
    subject: String,
    request: &impl Serialize,
) -> Result<T, ApiFailure> {
    match jetstream.request::<_, _, Response<T>>(subject, request).await? {
        Response::Ok(answer) => Ok(answer),
        Response::Err { error } => {
            let text = error.to_string();
            Err(ApiFailure::Refused(error.code(), error.error_code().0, text))
        }
    }
}
