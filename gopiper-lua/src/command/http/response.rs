//! The answers to requests.
use std::{sync::Arc, time::Instant};

use gopiper_core::observe::{MetricsFormat, ProcessorTime, metrics_text};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Incoming, header};
use tokio::task::spawn_blocking;

use super::{
    access::Access,
    answer::{Answer, EVENTS, JSON_LINES, json, of_type, streamed, text},
    api, events,
    layout::{self, GraphAnswer},
    letters::{self, replay},
    live::{tap, trace},
    routes::{PATHS, Route},
    state::shared::Shared,
};
use crate::command::process::signals::Phase;

/// Answers a request. Its body is never read.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    access: &Access,
    request: &Request<Incoming>,
) -> Answer {
    let route = Route::of(request.uri().path());
    let mut answer = match access.check(request.headers(), route.asks(request.method())) {
        Ok(()) if route.methods().contains(request.method()) => {
            answer_to(route, shared, access, request).await
        }
        Ok(()) => not_allowed(route.methods()),
        Err((status, why)) => text(status, format!("{why}\n")),
    };
    if answer.status() == StatusCode::UNAUTHORIZED {
        let bearer = header::HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    answer
}

async fn answer_to(
    route: Route<'_>,
    shared: &Arc<Shared>,
    access: &Access,
    request: &Request<Incoming>,
) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    match route {
        Route::Page(file) => file.answer(),
        Route::Health => text(StatusCode::OK, "the process is alive\n".into()),
        Route::Ready => ready(shared),
        Route::Metrics => metrics(shared, request.headers()),
        Route::Graph => graph(shared, access).await,
        Route::Events => streamed(EVENTS, events::listen(shared)),
        Route::Process => json(&api::identity(shared)),
        Route::Pipelines => json(&api::sample(shared)),
        Route::Tap => streamed(JSON_LINES, tap::open(shared, query)),
        Route::Trace => streamed(JSON_LINES, trace::open(shared, query)),
        Route::Letters => letters::list(shared).await,
        Route::Letter(id) => letters::show(shared, id).await,
        Route::Purge => letters::purge(shared).await,
        Route::Replay if *request.method() == Method::POST => replay::start(shared),
        Route::Replay => json(&shared.replays.state()),
        Route::Nothing => text(StatusCode::NOT_FOUND, PATHS.into()),
    }
}

fn not_allowed(methods: &[Method]) -> Answer {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    let why = format!("use {}\n", names.first().copied().unwrap_or_default());
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, why);
    if let Ok(allowed) = header::HeaderValue::from_str(&names.join(", ")) {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// The drawings of the pipelines. Laying them out takes a moment, so it runs on another thread.
async fn graph(shared: &Shared, access: &Access) -> Answer {
    let reports = shared.reports(&ProcessorTime::default());
    let has_token = access.is_protected();
    let drawn = spawn_blocking(move || GraphAnswer {
        has_token,
        pipelines: reports.iter().map(layout::draw).collect(),
    });
    match drawn.await {
        Ok(drawn) => json(&drawn),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the graph cannot be laid out\n".into()),
    }
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
    // Readiness does not need the processor time, which is read from each thread.
    let reports = shared.reports(&ProcessorTime::default());
    let (reasons, _) = shared.not_ready(&reports, Instant::now());
    match &*reasons {
        [] => text(StatusCode::OK, "ready\n".into()),
        reasons => {
            let reasons: String = reasons.iter().map(|why| format!("not ready: {why}\n")).collect();
            text(StatusCode::SERVICE_UNAVAILABLE, reasons)
        }
    }
}

fn metrics(shared: &Shared, headers: &HeaderMap) -> Answer {
    let processor = ProcessorTime::look(&shared.stops.controls());
    let format = format(headers);
    let page = metrics_text(&shared.reports(&processor), &processor, format);
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
