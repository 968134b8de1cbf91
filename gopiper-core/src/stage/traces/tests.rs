//! The choice of messages, and their passports, on a clock that the tests move.
use std::time::Duration;

use gopiper_abi::raw::Outcome;

use super::*;
use crate::base::clock::ManualClock;

/// Forgets the outcomes.
struct Deaf;

impl Settle for Deaf {
    fn settled(&self, _token: u64, _first: u32, _count: u32, _outcome: Outcome) {}
}

fn with_clock() -> (ManualClock, Arc<Traces>) {
    let clock = ManualClock::new();
    let traces = Traces::new("main".into(), clock.clock());
    (clock, traces)
}

fn options(per_second: f64, contains: &str) -> TraceOptions {
    TraceOptions { per_second, contains: contains.into(), given: false }
}

/// A source sends these.
fn sent(traces: &Arc<Traces>, texts: &[&str]) -> Batch {
    let mut batch = Batch::new(16);
    for text in texts {
        assert!(batch.push(Message::new((*text).to_owned())).is_ok());
    }
    let hears = traces.created("source", &mut batch, None, Arc::new(Deaf));
    batch.open_delivery(0, hears);
    batch
}

fn steps(passport: &Passport) -> Vec<(String, TraceStep)> {
    passport.events.iter().map(|event| (event.component.clone(), event.step.clone())).collect()
}

#[test]
fn a_message_is_followed_through_components_to_its_outcome() {
    let (_clock, traces) = with_clock();
    let watch = traces.watch(&options(1.0, "needle")).expect("room");
    let mut batch = sent(&traces, &["hay", "needle"]);
    let followed = traces.began("grep", (&batch, 0));
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].place, 1, "the place of the needle");
    traces.reported("grep", &followed, (&batch, 2));
    traces.passed_on("grep", &batch);
    assert_eq!(traces.open(&watch, |_| true).len(), 1);
    batch.settle(Outcome::DELIVERED);
    let passport = watch.receiver.try_recv().expect("it has ended");
    let (grep, source) = ("grep".to_owned(), "source".to_owned());
    let description = String::new();
    assert_eq!(
        steps(&passport),
        [
            (source, TraceStep::Created),
            (grep.clone(), TraceStep::Began { attempts: 0 }),
            (grep.clone(), TraceStep::Reported { status: 0, description }),
            (grep, TraceStep::PassedOn),
            (String::new(), TraceStep::Settled(Outcome::DELIVERED)),
        ]
    );
    assert!(traces.open(&watch, |_| true).is_empty());
}

#[test]
fn so_many_messages_a_second_are_followed() {
    let (clock, traces) = with_clock();
    let watch = traces.watch(&options(10.0, "")).expect("room");
    for _ in 0..100 {
        drop(sent(&traces, &["one", "two"]));
        clock.advance(Duration::from_millis(10));
    }
    assert_eq!(watch.receiver.len(), 10, "in one second");
}

#[test]
fn a_message_that_was_kept_is_followed_in_what_is_made_of_it() {
    let (_clock, traces) = with_clock();
    let watch = traces.watch(&options(1.0, "")).expect("room");
    let mut batch = sent(&traces, &["one"]);
    let followed = traces.began("join", (&batch, 0));
    let kept = gopiper_abi::raw::Kept::of_slot(&mut batch.messages_mut()[0]);
    traces.reported("join", &followed, (&batch, 1));
    let (_message, deliveries) = kept.split();
    let mut made = Batch::new(1);
    assert!(made.push(Message::new("other")).is_ok());
    traces.made("join", &mut made, &deliveries);
    made.derive_delivery(deliveries);
    assert_eq!(traces.began("sink", (&made, 0)).len(), 1, "it has the trace of the first one");
    drop(batch);
    made.settle(Outcome::DROPPED);
    let passport = watch.receiver.try_recv().expect("it has ended");
    assert_eq!(passport.outcome, Some(Outcome::DROPPED));
    let made = ("join".to_owned(), TraceStep::Made { messages: 1 });
    assert!(steps(&passport).contains(&made));
}

#[test]
fn a_message_is_followed_again_after_a_buffer() {
    let (_clock, traces) = with_clock();
    let watch = traces.watch(&options(1.0, "")).expect("room");
    let other = traces.watch(&options(1.0, "not in it")).expect("room");
    let mut batch = sent(&traces, &["one"]);
    let trace = batch.messages()[0].trace().expect("it is followed");
    batch.settle(Outcome::DELIVERED);
    let mut stored = Batch::new(1);
    let mut message = Message::new("one");
    message.set_trace(trace);
    assert!(stored.push(message).is_ok());
    let hears = traces.created("buffer", &mut stored, None, Arc::new(Deaf));
    stored.open_delivery(0, hears);
    drop(stored);
    let passports: Vec<_> = watch.receiver.try_iter().collect();
    assert_eq!(passports.len(), 2);
    assert_eq!(passports[1].trace.id, trace.id);
    assert_eq!(passports[1].parent, Some(trace.span));
    assert_eq!(other.receiver.len(), 0, "it has not chosen this one");
}

#[test]
fn a_message_is_followed_for_two_operators() {
    let (_clock, traces) = with_clock();
    let first = traces.watch(&options(1.0, "")).expect("room");
    let second = traces.watch(&options(1.0, "one")).expect("room");
    drop(sent(&traces, &["one"]));
    let ids = [first, second].map(|watch| watch.receiver.try_recv().expect("one").trace.id);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_message_with_a_trace_of_its_own_is_followed_too() {
    let (_clock, traces) = with_clock();
    let watch = traces.watch(&options(1.0, "")).expect("room");
    let mut batch = Batch::new(1);
    let mut message = Message::new("one");
    message.set_trace(Trace { id: [7; 16], span: [3; 8], flags: 0 });
    assert!(batch.push(message).is_ok());
    let hears = traces.created("source", &mut batch, None, Arc::new(Deaf));
    batch.open_delivery(0, hears);
    drop(batch);
    let passport = watch.receiver.try_recv().expect("it is followed");
    assert_eq!((passport.trace.id, passport.parent), ([7; 16], Some([3; 8])));
}

#[test]
fn a_passport_without_room_is_counted() {
    let (clock, traces) = with_clock();
    let watch = traces.watch(&options(1e9, "")).expect("room");
    let room = watch.receiver.capacity().expect("a limit");
    for _ in 0..room + 3 {
        drop(sent(&traces, &["one"]));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(watch.receiver.len(), room);
    assert_eq!([&watch.lost, &watch.unseen].map(|count| count.load(Relaxed)), [3, 3]);
}

#[test]
fn there_is_a_limit_of_all() {
    let (clock, traces) = with_clock();
    let watch = traces.watch(&options(1e9, "")).expect("room");
    let mut batches = Vec::new();
    for _ in 0..2 * MOST_OPEN {
        batches.push(sent(&traces, &["one"]));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(traces.open(&watch, |_| true).len(), MOST_OPEN);
    assert_eq!(watch.unseen.load(Relaxed), MOST_OPEN as u64);
    assert_eq!(watch.lost.load(Relaxed), 0, "they were not followed");
    let more: Vec<_> = (1..MOST_WATCHES).map(|_| traces.watch(&options(1.0, ""))).collect();
    assert!(more.iter().all(Option::is_some) && traces.watch(&options(1.0, "")).is_none());
    for other in more.iter().flatten().chain([&watch]) {
        traces.end(other);
    }
    assert!(!traces.is_on() && traces.open(&watch, |_| true).is_empty());
    drop(batches);
}
