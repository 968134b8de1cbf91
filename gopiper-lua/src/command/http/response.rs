//! The answers of the server.
use gopiper_core::{
    Control,
    observe::{MetricsFormat, PipelineReport, ProcessorTime, metrics_text},
};
use http_body_util::{Either, Full, channel::Channel};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};

use super::{
    access::{Access, Asks},
    api,
    shared::Shared,
    tap, trace,
};
use crate::command::process::signals::Phase;

type Answer = Response<Either<Full<Bytes>, Channel<Bytes>>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";

/// Answers a request. Its body is never read.
pub(super) fn answer(shared: &Shared, access: &Access, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    let asks = if path.starts_with("/api/") { Asks::Contents } else { Asks::Numbers };
    let mut answer = match access.check(request.headers(), asks) {
        Ok(()) => answer_to(shared, request),
        Err((status, why)) => text(status, format!("{why}\n")),
    };
    if answer.status() == StatusCode::UNAUTHORIZED {
        let bearer = header::HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    answer
}

fn answer_to(shared: &Shared, request: &Request<Incoming>) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(header::ALLOW, allowed);
        return answer;
    }
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/health" => text(StatusCode::OK, "the process is alive\n".into()),
        "/ready" => ready(shared),
        "/metrics" => metrics(&shared.stops.controls(), request.headers()),
        "/api/v1/process" => json(&api::process(shared)),
        "/api/v1/pipelines" => pipelines(shared),
        "/api/v1/tap" => lines(tap::open(shared, query)),
        "/api/v1/trace" => lines(trace::open(shared, query)),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /health, /ready, /api/v1/process, /api/v1/pipelines, \
             /api/v1/tap and /api/v1/trace\n"
                .into(),
        ),
    }
}

/// An answer that goes on, or the reason why there is none.
fn lines(opened: Result<Channel<Bytes>, String>) -> Answer {
    match opened {
        Ok(lines) => of_body(JSON_LINES, Either::Right(lines)),
        Err(why) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}

fn json(value: &serde_json::Value) -> Answer {
    of_type(StatusCode::OK, JSON, value.to_string())
}

fn pipelines(shared: &Shared) -> Answer {
    let controls = shared.stops.controls();
    let processor = ProcessorTime::look(&controls);
    let reports = reports(&controls, &processor);
    let not_ready = shared.not_ready(&reports);
    json(&api::pipelines(shared, &reports, &processor, &not_ready))
}

fn text(status: StatusCode, text: String) -> Answer {
    of_type(status, TEXT, text)
}

fn of_type(status: StatusCode, media_type: &'static str, text: String) -> Answer {
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
    answer
}

fn ready(shared: &Shared) -> Answer {
    let why = match shared.stops.phase() {
        Phase::Starting => Some("not ready: not all pipelines have started\n"),
        Phase::Stopping => Some("not ready: the pipelines are stopping\n"),
        Phase::Running => None,
    };
    if let Some(why) = why {
        return text(StatusCode::SERVICE_UNAVAILABLE, why.into());
    }
    // Readiness does not need the processor time, which costs a look at each thread.
    let reports = reports(&shared.stops.controls(), &ProcessorTime::default());
    match &*shared.not_ready(&reports) {
        [] => text(StatusCode::OK, "ready\n".into()),
        reasons => {
            let reasons: String = reasons.iter().map(|why| format!("not ready: {why}\n")).collect();
            text(StatusCode::SERVICE_UNAVAILABLE, reasons)
        }
    }
}

pub(super) fn reports(controls: &[Control], processor: &ProcessorTime) -> Vec<PipelineReport> {
    controls.iter().map(|control| control.report(processor)).collect()
}

fn metrics(controls: &[Control], headers: &HeaderMap) -> Answer {
    let processor = ProcessorTime::look(controls);
    let format = format(headers);
    let page = metrics_text(&reports(controls, &processor), &processor, format);
    of_type(StatusCode::OK, format.media_type(), page)
}

/// OpenMetrics if the client prefers it.
fn format(headers: &HeaderMap) -> MetricsFormat {
    let (mut open, mut plain) = (0.0, 0.0);
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for part in accepted.flat_map(|value| value.split(',')) {
        let mut words = part.split(';').map(str::trim);
        let media_type = words.next().unwrap_or("");
        let weight = words.find_map(|word| word.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        match media_type {
            "application/openmetrics-text" => open = f64::max(open, weight),
            "text/plain" | "text/*" | "*/*" => plain = f64::max(plain, weight),
            _ => {}
        }
    }
    if open > 0.0 && open >= plain { MetricsFormat::OpenMetrics } else { MetricsFormat::Prometheus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_preferred() {
        let of = |accept: &'static str| {
            let value = header::HeaderValue::from_static(accept);
            format(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        assert_eq!(format(&HeaderMap::new()), MetricsFormat::Prometheus);
        assert_eq!(of("*/*"), MetricsFormat::Prometheus);
        assert_eq!(of("application/openmetrics-text; version=1.0.0"), MetricsFormat::OpenMetrics);
        let both = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*;q=0.1";
        assert_eq!(of(both), MetricsFormat::OpenMetrics);
        let other = "application/openmetrics-text;q=0.1, text/plain;version=0.0.4;q=0.9";
        assert_eq!(of(other), MetricsFormat::Prometheus);
    }
}
