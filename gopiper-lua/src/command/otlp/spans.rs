//! The ways of messages as spans: one for the message, and below it one for each attempt of a
//! component. Other steps are events of the message's span.
use gopiper_core::observe::{Passport, TraceStep, outcome_name};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, SpanKind},
        status::StatusCode,
    },
};

use super::values::{attribute, scope, text};

/// W3C's flag of a sampled trace.
const SAMPLED: u32 = 1;

/// The request that sends these passports.
pub(super) fn request(passports: &[Passport], resource: &Resource) -> ExportTraceServiceRequest {
    let spans = passports.iter().flat_map(spans).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

/// The number of spans in a request.
pub(super) fn count(request: &ExportTraceServiceRequest) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
    scopes.map(|scope| scope.spans.len()).sum()
}

/// The spans of a message, its own span first.
fn spans(passport: &Passport) -> Vec<Span> {
    let (mut components, mut events) = (Vec::<Span>::new(), Vec::new());
    // The places of the spans whose components have not reported yet.
    let mut open = Vec::<usize>::new();
    let end = passport.events.last().map_or(0, |event| event.time.unsigned_abs());
    for event in &passport.events {
        let (time, component) = (event.time.unsigned_abs(), event.component.as_str());
        match &event.step {
            TraceStep::Began { attempts } => {
                let attempt = Value::IntValue(i64::from(*attempts) + 1);
                open.push(components.len());
                components.push(Span {
                    parent_span_id: passport.trace.span.to_vec(),
                    name: component.to_owned(),
                    kind: SpanKind::Internal as i32,
                    start_time_unix_nano: time,
                    end_time_unix_nano: end,
                    attributes: of_component(passport, component)
                        .chain([attribute("gopiper.attempt", attempt)])
                        .collect(),
                    ..span(passport, components.len() + 1)
                });
            }
            TraceStep::Reported { status, description } => {
                let is_its = |place: &usize| components[*place].name == component;
                let Some(of_open) = open.iter().position(is_its) else { continue };
                let span = &mut components[open.remove(of_open)];
                span.end_time_unix_nano = time;
                span.attributes
                    .push(attribute("gopiper.status", Value::IntValue((*status).into())));
                if !matches!(status, 0 | 1 | 300..) {
                    span.status = Some(failed(description));
                }
            }
            step => events.push(Event {
                time_unix_nano: time,
                name: name_of(step).to_owned(),
                attributes: details(step, component),
                ..Event::default()
            }),
        }
    }
    std::iter::once(whole(passport, events, end)).chain(components).collect()
}

/// The span of a message from its creation to its end.
fn whole(passport: &Passport, events: Vec<Event>, end: u64) -> Span {
    let mut attributes: Vec<_> = of_pipeline(passport).collect();
    attributes.extend(passport.position.as_deref().map(|it| text("gopiper.position", it)));
    let bytes = Value::IntValue(i64::try_from(passport.length).unwrap_or(i64::MAX));
    attributes.push(attribute("messaging.message.body.size", bytes));
    let outcome = passport.outcome.map(outcome_name);
    attributes.extend(outcome.map(|outcome| text("gopiper.outcome", outcome)));
    let is_failure = matches!(outcome, Some("failed" | "dead_lettered"));
    Span {
        span_id: passport.trace.span.to_vec(),
        parent_span_id: passport.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: format!("message of {}", passport.pipeline),
        kind: SpanKind::Consumer as i32,
        start_time_unix_nano: passport.events.first().map_or(0, |it| it.time.unsigned_abs()),
        end_time_unix_nano: end,
        attributes,
        events,
        dropped_events_count: u32::try_from(passport.left_out).unwrap_or(u32::MAX),
        status: is_failure.then(|| failed("")),
        ..span(passport, 0)
    }
}

/// A span of the message, with its own id.
fn span(passport: &Passport, number: usize) -> Span {
    // Derived from the message's span, so that a second attempt to send has the same ids. The
    // number is not 0, except for the message's own span.
    let own = u64::from_ne_bytes(passport.trace.span).wrapping_add(number as u64);
    Span {
        trace_id: passport.trace.id.to_vec(),
        span_id: own.max(1).to_ne_bytes().to_vec(),
        flags: SAMPLED,
        ..Span::default()
    }
}

fn of_pipeline(passport: &Passport) -> impl Iterator<Item = KeyValue> {
    [text("pipeline", &passport.pipeline)].into_iter()
}

fn of_component(passport: &Passport, component: &str) -> impl Iterator<Item = KeyValue> {
    of_pipeline(passport).chain([text("component", component)])
}

fn failed(description: &str) -> Status {
    let message = gopiper_core::secrets::redact(description).into_owned();
    Status { message, code: StatusCode::Error as i32 }
}

fn name_of(step: &TraceStep) -> &'static str {
    match step {
        TraceStep::Created => "created",
        TraceStep::Began { .. } => "began",
        TraceStep::Reported { .. } => "reported",
        TraceStep::Made { .. } => "made",
        TraceStep::PassedOn => "passed_on",
        TraceStep::Buried { .. } => "dead_letter",
        TraceStep::Settled(_) => "ended",
    }
}

fn details(step: &TraceStep, component: &str) -> Vec<KeyValue> {
    let mut details = Vec::new();
    if !component.is_empty() {
        details.push(text("component", component));
    }
    match step {
        TraceStep::Made { messages } => {
            let messages = Value::IntValue(i64::try_from(*messages).unwrap_or(i64::MAX));
            details.push(attribute("messages", messages));
        }
        TraceStep::Buried { id } => details.push(text("id", id)),
        TraceStep::Settled(outcome) => details.push(text("outcome", outcome_name(*outcome))),
        _ => {}
    }
    details
}

#[cfg(test)]
mod tests {
    use gopiper_abi::{Trace, raw::Outcome};
    use gopiper_core::observe::TraceEvent;

    use super::*;

    #[test]
    fn each_attempt_is_a_span_below_that_of_the_message() {
        let at =
            |time, component: &str, step| TraceEvent { time, component: component.into(), step };
        let report = |status, description: &str| TraceStep::Reported {
            status,
            description: description.into(),
        };
        let passport = Passport {
            pipeline: "main".into(),
            trace: Trace { id: [7; 16], span: [1; 8], flags: 1 },
            parent: Some([2; 8]),
            position: Some("a, byte 1".into()),
            data: Vec::new(),
            length: 3,
            events: vec![
                at(10, "source", TraceStep::Created),
                at(20, "sink", TraceStep::Began { attempts: 0 }),
                at(30, "sink", report(104, "refused")),
                at(40, "sink", TraceStep::Began { attempts: 1 }),
                at(50, "sink", report(0, "")),
                at(60, "", TraceStep::Settled(Outcome::DELIVERED)),
            ],
            left_out: 0,
            outcome: Some(Outcome::DELIVERED),
        };
        let request = request(&[passport], &Resource::default());
        assert_eq!(count(&request), 3);
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        let times = |span: &Span| (span.start_time_unix_nano, span.end_time_unix_nano);
        assert_eq!(spans.iter().map(times).collect::<Vec<_>>(), [(10, 60), (20, 30), (40, 50)]);
        assert!(spans.iter().all(|span| span.trace_id == [7; 16]));
        assert_eq!(spans[0].parent_span_id, [2; 8]);
        assert!(spans[1..].iter().all(|span| span.parent_span_id == spans[0].span_id));
        let status = |span: &Span| span.status.as_ref().map(|status| status.message.clone());
        let failed = [None, Some("refused".to_owned()), None];
        assert_eq!(spans.iter().map(status).collect::<Vec<_>>(), failed);
        let mut ids: Vec<_> = spans.iter().map(|span| span.span_id.clone()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3);
        let events: Vec<_> = spans[0].events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(events, ["created", "ended"]);
    }
}
