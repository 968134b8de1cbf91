//! `/api/v1/trace`: the ways of single messages, one JSON object on each line. An object is sent
//! when its message has ended, or when it has not ended in time.
use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use gopiper_core::{
    observe::{MessageTrace, Passport, TraceEvent, TraceOptions, TraceStep, outcome_name},
    secrets::redact,
};
use http_body_util::channel::Channel;
use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::{
    lines::{COLLECT, LineSender},
    named::named,
};
use crate::command::{
    arguments::{trace_rate, trace_wait},
    bytes::hex,
    http::{
        message::{add_data, shown},
        state::shared::{MOST_TAPS, Shared},
    },
};

/// Follows the messages that a query asks for.
///
/// # Errors
/// The reason why they cannot be followed, as text.
pub(in crate::command::http) fn open(
    shared: &Shared,
    query: &str,
) -> Result<Channel<Bytes>, String> {
    let (mut pipeline, mut wait) = (None, Duration::from_secs(10));
    let mut options = TraceOptions { per_second: 1.0, contains: Vec::new(), given: false };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "pipeline" => pipeline = Some(value.into_owned()),
            "contains" => options.contains = value.as_bytes().to_vec(),
            "rate" => {
                options.per_second = trace_rate(&value).map_err(|why| format!("rate: {why}"))?;
            }
            "wait" => {
                let seconds = trace_wait(&value).map_err(|why| format!("wait: {why}"))?;
                wait = Duration::from_secs_f64(seconds);
            }
            _ => return Err(format!("there is no parameter '{name}'")),
        }
    }
    let controls = shared.stops.controls();
    let named = named(&controls, pipeline.as_deref())?;
    let place = shared.taps.clone().try_acquire_owned();
    let place = place.map_err(|_| format!("there are {MOST_TAPS} taps already: end one"))?;
    let traces: Option<Vec<_>> = named.into_iter().map(|control| control.trace(&options)).collect();
    let traces = traces.ok_or("too many clients follow messages of this pipeline: end one")?;
    let (sender, body) = Channel::new(1);
    tokio::spawn(async move {
        show(traces, wait, LineSender::new(sender)).await;
        drop(place);
    });
    Ok(body)
}

/// Sends passports until the pipelines end or the client goes away.
async fn show(traces: Vec<MessageTrace>, wait: Duration, mut to: LineSender) {
    let mut late = HashSet::new();
    loop {
        let has_ended = traces.iter().all(MessageTrace::has_ended);
        let unseen = traces.iter().map(MessageTrace::unseen).sum();
        for passport in traces.iter().flat_map(|trace| std::iter::from_fn(|| trace.take())) {
            // A message that was shown before its end is not shown again.
            if !late.remove(&passport.trace.id) && !to.send(&object(&passport, unseen)).await {
                return;
            }
        }
        let is_new =
            |passport: &Passport| age(passport) >= wait && !late.contains(&passport.trace.id);
        let open: Vec<_> = traces
            .iter()
            .flat_map(|trace| trace.open(is_new).into_iter().map(move |open| (trace, open)))
            .collect();
        for (trace, passport) in open {
            let mut object = object(&passport, unseen);
            object["next"] = json!(next(trace, &passport));
            if late.insert(passport.trace.id) && !to.send(&object).await {
                return;
            }
        }
        if has_ended || !to.is_read().await {
            return;
        }
        sleep(COLLECT).await;
    }
}

/// Where a message may be that waits for its next component.
fn next(trace: &MessageTrace, passport: &Passport) -> Vec<String> {
    match passport.events.last() {
        Some(event) if matches!(event.step, TraceStep::Created | TraceStep::PassedOn) => {
            trace.next_of(&event.component)
        }
        _ => Vec::new(),
    }
}

fn begun(passport: &Passport) -> i64 {
    passport.events.first().map_or(0, |event| event.time)
}

/// How long ago its message was created.
fn age(passport: &Passport) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_nanos(begun(passport).unsigned_abs()))
}

/// A passport without secrets.
fn object(passport: &Passport, unseen: u64) -> Value {
    let begun = begun(passport);
    let events: Vec<_> = passport.events.iter().map(|it| event(it, begun)).collect();
    let named = [
        ("pipeline", json!(passport.pipeline)),
        ("trace", json!(hex(&passport.trace.id))),
        ("span", json!(hex(&passport.trace.span))),
        ("parent", json!(passport.parent.map(|parent| hex(&parent)))),
        ("position", json!(passport.position.as_deref().map(redact))),
        ("bytes", json!(passport.length)),
        ("time_seconds", json!(begun as f64 / 1e9)),
        ("events", json!(events)),
        ("left_out", json!(passport.left_out)),
        ("outcome", json!(passport.outcome.map(outcome_name))),
        ("age_seconds", json!(passport.outcome.is_none().then(|| age(passport).as_secs_f64()))),
        ("unseen", json!(unseen)),
    ];
    let mut object = Map::from_iter(named.map(|(name, value)| (name.to_owned(), value)));
    add_data(&mut object, shown(&passport.data, passport.length));
    Value::Object(object)
}

fn event(event: &TraceEvent, begun: i64) -> Value {
    let mut object = match &event.step {
        TraceStep::Created => json!({ "event": "created" }),
        TraceStep::Began { attempts } => json!({ "event": "began", "attempt": attempts + 1 }),
        TraceStep::Reported { status, description } => {
            json!({ "event": "reported", "status": status, "description": redact(description) })
        }
        TraceStep::Made { messages } => json!({ "event": "made", "messages": messages }),
        TraceStep::PassedOn => json!({ "event": "passed_on" }),
        TraceStep::Buried { id } => json!({ "event": "dead_letter", "id": id }),
        TraceStep::Settled(outcome) => {
            json!({ "event": "ended", "outcome": outcome_name(*outcome) })
        }
    };
    object["after_seconds"] = json!(event.time.saturating_sub(begun) as f64 / 1e9);
    if !event.component.is_empty() {
        object["component"] = json!(event.component);
    }
    object
}

#[cfg(test)]
mod tests {
    use gopiper_abi::{Trace, raw::Outcome};

    use super::*;

    #[test]
    fn a_passport_is_shown_without_secrets() {
        gopiper_core::secrets::keep("trace-password");
        let at =
            |time, component: &str, step| TraceEvent { time, component: component.into(), step };
        let description = "no trace-password".to_owned();
        let passport = Passport {
            pipeline: "main".into(),
            trace: Trace { id: [0xab; 16], span: [1; 8], flags: 1 },
            parent: None,
            position: None,
            data: b"is trace-password".to_vec(),
            length: 17,
            events: vec![
                at(1_000_000_000, "stdin", TraceStep::Created),
                at(1_000_000_000, "sink", TraceStep::Began { attempts: 1 }),
                at(1_500_000_000, "sink", TraceStep::Reported { status: 201, description }),
                at(2_000_000_000, "", TraceStep::Settled(Outcome::FAILED)),
            ],
            left_out: 0,
            outcome: Some(Outcome::FAILED),
        };
        let shown = object(&passport, 0);
        assert_eq!(shown["trace"], "ab".repeat(16));
        assert_eq!([&shown["data"], &shown["outcome"]], ["is (secret)", "failed"]);
        assert_eq!(
            shown["events"],
            json!([
                { "event": "created", "component": "stdin", "after_seconds": 0.0 },
                { "event": "began", "attempt": 2, "component": "sink", "after_seconds": 0.0 },
                { "event": "reported", "status": 201, "description": "no (secret)",
                  "component": "sink", "after_seconds": 0.5 },
                { "event": "ended", "outcome": "failed", "after_seconds": 1.0 },
            ])
        );
    }
}
