//! The answers of a receiver, interpreted by the specification of OTLP.
use std::{error::Error, future::Future, time::Duration};

use gopiper_core::in_a_line;
use tokio::time::timeout;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

/// The time that a request may take, including its answer.
const REQUEST: Duration = Duration::from_secs(10);

/// The reason why a request was not accepted.
#[derive(Debug, PartialEq)]
pub(super) enum NotTaken {
    /// It may be accepted later: after this time, if the receiver has given one.
    Later { demanded: Option<Duration>, why: String },
    /// It will never be accepted.
    Refused { why: String },
}

/// The answer to a request.
pub(super) async fn answer<R>(
    request: impl Future<Output = Result<Response<R>, Status>>,
) -> Result<R, NotTaken> {
    match timeout(REQUEST, request).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(reason(&status)),
        Err(_) => {
            let why = format!("it has not answered within {} s", REQUEST.as_secs());
            Err(NotTaken::Later { demanded: None, why })
        }
    }
}

fn reason(status: &Status) -> NotTaken {
    let demanded = status.get_details_retry_info().and_then(|info| info.retry_delay);
    // The receiver has not answered: the error comes from this side. "Service was not ready" has no
    // source.
    let is_ours =
        status.source().is_some() || status.message().starts_with("Service was not ready");
    let may_pass = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => demanded.is_some(),
        _ => is_ours,
    };
    let why = if is_ours { of_connection(status) } else { of_receiver(status) };
    if may_pass { NotTaken::Later { demanded, why } } else { NotTaken::Refused { why } }
}

/// The status as gRPC names it, and the receiver's message.
fn of_receiver(status: &Status) -> String {
    let code = status.code();
    let hint = match code {
        Code::Unimplemented => "; is this the port for OTLP by gRPC, usually 4317?",
        Code::Unauthenticated | Code::PermissionDenied => {
            "; check the token in OTEL_EXPORTER_OTLP_HEADERS"
        }
        _ => "",
    };
    match status.message() {
        "" => format!("{code:?}{hint}"),
        message => format!("{code:?}: {}{hint}", in_a_line(message)),
    }
}

/// The innermost cause. The outer errors contain no details.
fn of_connection(status: &Status) -> String {
    let mut cause: &dyn Error = status;
    let mut is_connected = true;
    while let Some(source) = cause.source() {
        cause = source;
        let said = cause.to_string();
        is_connected &= !said.contains("connect error") && !said.contains("dns error");
    }
    // A server that speaks something else closes the connection.
    let hint = match is_connected {
        true => " (if this goes on: is it the port for OTLP by gRPC, usually 4317?)",
        false => "",
    };
    format!("{}{hint}", in_a_line(&cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn what_may_pass_is_sent_again() {
        let all = (0..17).map(Code::from_i32);
        let again: Vec<_> = all
            .filter(|code| matches!(reason(&Status::new(*code, "no")), NotTaken::Later { .. }))
            .collect();
        let expected = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        assert_eq!(again, expected);
    }

    #[test]
    fn a_receiver_says_how_long_to_wait() {
        for code in [Code::ResourceExhausted, Code::Unavailable] {
            let wait = Some(Duration::from_millis(1500));
            let details = ErrorDetails::with_retry_info(wait);
            let status = Status::with_error_details(code, "too much", details);
            let why = format!("{code:?}: too much");
            assert_eq!(reason(&status), NotTaken::Later { demanded: wait, why });
        }
    }

    #[test]
    fn an_error_of_the_connection_may_pass() {
        let cause = std::io::Error::other("the cable is cut");
        let mut status = Status::unknown("transport error");
        status.set_source(std::sync::Arc::new(cause));
        let NotTaken::Later { demanded: None, why } = reason(&status) else { panic!("refused") };
        assert!(why.starts_with("the cable is cut (if this goes on"), "{why}");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = of_receiver(&Status::unauthenticated("no\ntoken"));
        assert!(
            said.contains("no\\ntoken; check the token in OTEL_EXPORTER_OTLP_HEADERS"),
            "{said}"
        );
        assert!(of_receiver(&Status::unimplemented("")).contains("4317"));
    }
}
