//! Answers, and the headers that all answers have.
use http_body_util::{Either, Full, channel::Channel};
use hyper::{Response, StatusCode, body::Bytes, header};
use serde::Serialize;

pub(super) type Answer = Response<Either<Full<Bytes>, Channel<Bytes>>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
pub(super) const JSON_LINES: &str = "application/x-ndjson";
pub(super) const EVENTS: &str = "text/event-stream";

pub(super) fn json(value: &impl Serialize) -> Answer {
    // It does not fail: a number that JSON does not have becomes null.
    of_type(StatusCode::OK, JSON, serde_json::to_string(value).unwrap_or_default())
}

pub(super) fn text(status: StatusCode, text: String) -> Answer {
    of_type(status, TEXT, text)
}

/// A streamed answer, or the reason why there is none.
pub(super) fn streamed(media_type: &'static str, body: Result<Channel<Bytes>, String>) -> Answer {
    match body {
        Ok(body) => of_body(media_type, Either::Right(body)),
        Err(why) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}

pub(super) fn of_type(status: StatusCode, media_type: &'static str, text: String) -> Answer {
    let mut answer = of_body(media_type, Either::Left(Full::new(Bytes::from(text))));
    *answer.status_mut() = status;
    answer
}

fn of_body(media_type: &'static str, body: Either<Full<Bytes>, Channel<Bytes>>) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    // No other site may use it as an image or a script.
    let own = header::HeaderValue::from_static("same-origin");
    headers.insert(header::HeaderName::from_static("cross-origin-resource-policy"), own);
    answer
}
