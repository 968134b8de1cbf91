//! The layer between a host and a worker: the entries, with workers that break the rules.
use std::{cell::RefCell, sync::OnceLock};

use client::{ComponentHandle, FactoryHandle};
use services::{HostSide, Sending, host};

use super::*;

type Behaviour = fn(BatchCall<'_>) -> HandleFlags;

/// A worker that handles a batch as its factory's attribute says.
struct Unruly(Behaviour);

struct UnrulyFactory(String);

thread_local! {
    /// The hooks of the last worker that was made.
    static HOOKS: RefCell<OnStop> = RefCell::default();
}

fn behaviour(name: &str) -> Behaviour {
    match name {
        "drops" => |_| HandleFlags::ALL_DONE,
        "forgets" => |call| {
            // The same as dropping it, as long as it has no Drop.
            #[allow(clippy::forget_non_drop)]
            std::mem::forget(call);
            HandleFlags::ALL_DONE
        },
        "pretends to panic" => |_| HandleFlags::PANICKED,
        "panics" => |_| panic!("between messages"),
        "panics after all" => |call| {
            call.report_all(Report::DONE);
            panic!("after all");
        },
        "panics half-way" => |call| {
            call.report_each(|place, _| if place == 1 { panic!("half-way") } else { Report::DONE })
        },
        "panics at the second" => |call| {
            call.each(|message, handled| match message.data() {
                b"1" => panic!("at the second"),
                _ => handled.done(message),
            })
        },
        "hides that it failed" => |call| {
            call.report_all(Report::fail(7, "hidden"));
            HandleFlags::ALL_DONE
        },
        "hides what it deferred" => |call| {
            call.each(|message, handled| {
                let deferred = handled.defer();
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    deferred.done(message);
                });
            });
            HandleFlags::ALL_DONE
        },
        _ => |call| call.report_all(Report::DONE),
    }
}

impl WorkerFactory for UnrulyFactory {
    type Worker = Unruly;
    const KIND: Kind = Kind::TRANSFORM;

    fn schema() -> String {
        panic!("has no schema")
    }
    fn configure(attributes: &Map) -> Result<Self, Vec<RawError>> {
        match attributes.get("does").and_then(Value::as_str) {
            Some("panics when configured") => panic!("when configured"),
            Some(does) => Ok(UnrulyFactory(does.to_owned())),
            None => Err(vec![RawError::new("does", "is missing")]),
        }
    }
    fn check(&self) -> Result<(), Vec<RawError>> {
        match self.0.as_str() {
            "panics when checked" => panic!("when checked"),
            _ => Ok(()),
        }
    }
    fn pool_size(&self) -> usize {
        panic!("has no size")
    }
    fn channel_size(&self) -> usize {
        7
    }
    fn gathers(&self) -> usize {
        panic!("has no number")
    }
    fn parallel(&self) -> Parallel {
        Parallel::ANY
    }
    fn needs(&self) -> Vec<Need> {
        panic!("does not know")
    }
    fn durability(&self) -> Result<(), String> {
        panic!("does not know either")
    }
    fn exactly_once(&self) -> Result<(), String> {
        panic!("nor this")
    }
    fn reads(&self, path: &str) -> bool {
        panic!("cannot read {path}")
    }
    fn warnings(&self) -> Vec<RawError> {
        panic!("warns of nothing")
    }
    fn create(&self, _host: Host, on_stop: OnStop) -> Result<Unruly, RawError> {
        match self.0.as_str() {
            "panics when created" => panic!("when created"),
            does => {
                HOOKS.set(on_stop);
                Ok(Unruly(behaviour(does)))
            }
        }
    }
    fn destroy(&mut self) {
        panic!("when destroyed");
    }
}

impl WorkerComponent for Unruly {
    fn start(&mut self) -> Result<(), RawError> {
        Ok(())
    }
    fn produce(&mut self, credit: usize) -> Result<Produced, RawError> {
        panic!("asked for {credit}")
    }
    fn handle(&mut self, call: BatchCall<'_>) -> HandleFlags {
        (self.0)(call)
    }
    fn settled(&mut self, token: u64, _first: u32, _count: u32, _outcome: Outcome) {
        assert_eq!(token, 1);
    }
    fn timer(&mut self, now: i64) -> Result<(), RawError> {
        panic!("at {now}")
    }
    fn end(&mut self, _deadline: i64) -> Result<(), RawError> {
        Err(RawError::new("", "did not end well"))
    }
}

impl Drop for Unruly {
    fn drop(&mut self) {
        panic!("when dropped");
    }
}

/// A host that keeps what is logged, for this thread, and takes nothing.
struct Listening;

thread_local! {
    static LOGGED: RefCell<Vec<String>> = RefCell::default();
}

static METRIC: Metric = Metric::number();

#[rustfmt::skip]
impl HostSide for Listening {
    fn log_enabled(&self, _: Level, _: &str) -> bool { false }
    fn log(&self, _: Level, _: &str, text: &str) { LOGGED.with_borrow_mut(|all| all.push(text.into())); }
    fn metric(&self, _: &MetricDescription<'_>) -> Result<&'static Metric, RawError> { Ok(&METRIC) }
    fn now(&self) -> i64 { 1 }
    fn monotonic(&self) -> i64 { 2 }
    fn wake_at(&self, _: i64) {}
    fn stop(&self, _: Option<&str>) {}
    fn is_stopping(&self) -> bool { false }
    fn stop_descriptor(&self) -> i32 { -1 }
    fn state_directory(&self) -> Result<std::path::PathBuf, RawError> { Err(RawError::new("", "none")) }
    fn origin(&self) -> Result<String, RawError> { Err(RawError::new("", "none")) }
    fn set_settled(&self, _: &str, _: u64) {}
    fn settled_below(&self, _: &str) -> u64 { 0 }
    fn unsent(&self, _: u32) {}
    fn payload(&self, length: usize) -> PayloadMut { PayloadMut::new(length) }
    fn batch(&self) -> Batch { Batch::new(4) }
    fn send(&self, batch: Batch, sending: Sending) -> Result<(), (SendStatus, Batch, Sending)> {
        match sending.wait {
            true => Err((SendStatus::CLOSED, batch, sending)),
            false => Err((SendStatus::FULL, batch, sending)),
        }
    }
}

/// Its module, made once: modules live as long as the process.
fn unruly_module() -> ComponentModule_Ref {
    static MODULE: OnceLock<ComponentModule_Ref> = OnceLock::new();
    *MODULE.get_or_init(|| module::<UnrulyFactory>("unruly", "1.2.3", None))
}

fn factory(does: &str) -> FactoryHandle {
    let mut factory = FactoryHandle::new(unruly_module()).unwrap();
    factory.configure(Map::from_iter([("does", does)])).unwrap();
    factory
}

fn worker(does: &str) -> ComponentHandle {
    factory(does).create(host(Arc::new(Listening))).unwrap()
}

/// Gives three messages to a worker that `does`, and a fresh one after each panic; each message's
/// status with its description.
fn handle(does: &str) -> Vec<(i32, String)> {
    let (books, ledger) = (Books::default(), Ledger::open());
    let mut batch = Batch::new(4);
    (0..3).for_each(|i| batch.push(Message::new(books.payload(i.to_string()))).unwrap());
    batch.open_delivery(0, ledger.clone());
    let handling = Handling::new(batch);
    let mut calls = 0;
    let mut component = worker(does);
    while !handling.is_through() {
        calls += 1;
        assert!(calls < 5, "{does}: the cursor does not move");
        if component.handle(&handling).contains(HandleFlags::PANICKED) {
            component = worker(does);
        }
    }
    let all_done = handling.all_done();
    let batch = match handling.finish() {
        Ok(batch) => batch,
        Err(deferred) => {
            let completed = Arc::new(Completed::default());
            deferred.await_deferred(completed.clone());
            completed.wait()
        }
    };
    assert!(!all_done || batch.messages().iter().all(|message| message.status() == 0), "{does}");
    let said = |m: &Message| (m.status(), m.description().to_owned());
    let said = batch.messages().iter().map(said).collect();
    assert_eq!(texts(&batch), ["0", "1", "2"]);
    drop(batch);
    assert_eq!(ledger.outcomes(0, 3), [Some(Outcome::RETURNED); 3]);
    assert_eq!(books.alive(), 0);
    said
}

#[test]
fn a_worker_that_reports_is_believed() {
    assert_eq!(handle("reports"), [(0, String::new()), (0, String::new()), (0, String::new())]);
}

#[test]
fn a_worker_that_drops_the_batch_has_not_reported() {
    for does in ["drops", "forgets", "pretends to panic"] {
        let no_report = (200, "no report".to_owned());
        assert_eq!(handle(does), [no_report.clone(), no_report.clone(), no_report], "{does}");
    }
}

#[test]
fn a_panic_between_messages_fails_the_batch() {
    for (does, said) in [("panics", "between messages"), ("panics half-way", "half-way")] {
        for (status, description) in handle(does) {
            assert_eq!(status, 200);
            assert!(description.starts_with(&format!("panicked: {said} (")), "{description}");
        }
    }
}

#[test]
fn a_panic_after_all_messages_fails_none() {
    let said = handle("panics after all");
    assert!(said.iter().all(|(status, _)| *status == 0), "{said:?}");
    let logged = LOGGED.take();
    let late = "after it had reported its batch, it panicked: after all (";
    assert_eq!(logged.iter().filter(|it| it.starts_with(late)).count(), 1, "{logged:?}");
    assert!(logged.iter().any(|it| it.starts_with("when dropped, it panicked")), "{logged:?}");
}

#[test]
fn a_panic_at_one_message_fails_that_one() {
    let said = handle("panics at the second");
    let statuses: Vec<i32> = said.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [0, 200, 0]);
    assert!(said[1].1.starts_with("panicked: at the second (gopiper-abi/src/raw/tests/glue.rs:"));
}

/// A host that receives 'all done' does not look at the messages.
#[test]
fn failures_are_known_though_the_worker_hides_them() {
    let said = handle("hides that it failed");
    assert_eq!(said, vec![(207, "hidden".to_owned()); 3]);
}

/// A batch with deferred messages is never passed on, whatever its worker returns.
#[test]
fn deferred_messages_are_awaited_though_the_worker_hides_them() {
    let said = handle("hides what it deferred");
    assert!(said.iter().all(|(status, _)| *status == 0), "{said:?}");
}

#[test]
fn a_panic_in_any_entry_comes_back_as_an_error() {
    let mut unruly = worker("reports");
    assert!(unruly.start().is_ok());
    assert!(unruly.produce(3).unwrap_err().message.starts_with("panicked: asked for 3 ("));
    assert!(unruly.timer(9).unwrap_err().message.starts_with("panicked: at 9 ("));
    assert_eq!(unruly.end(0).unwrap_err().message, "did not end well");
    assert!(unruly.settled(1, 0, 1, Outcome::DELIVERED).is_ok());
    let error = unruly.settled(2, 0, 1, Outcome::DELIVERED).unwrap_err();
    assert!(error.message.starts_with("panicked: "), "{error}");
    drop(unruly);

    let mut factory = FactoryHandle::new(unruly_module()).unwrap();
    assert_eq!(
        (factory.name(), factory.version(), factory.kind()),
        ("unruly", "1.2.3", Kind::TRANSFORM)
    );
    assert_eq!(factory.schema(), "");
    assert_eq!((factory.pool_size(), factory.channel_size()), (1, 1));
    let error = |result: Result<(), Vec<RawError>>| result.unwrap_err().remove(0);
    assert!(error(factory.check()).message.contains("configure"));
    let refused = factory.create(host(Arc::new(Listening))).err().unwrap();
    assert!(refused.message.contains("configure"));
    assert_eq!(error(factory.configure(Map::default())).attribute, "does");
    let panicked = error(factory.set_attribute("does", "panics when configured"));
    assert!(panicked.message.starts_with("panicked: when configured"));
    factory.set_attribute("does", "panics when checked").unwrap();
    assert!(error(factory.check()).message.starts_with("panicked: when checked"));
    factory.set_attribute("does", "panics when created").unwrap();
    let panicked = factory.create(host(Arc::new(Listening))).err().unwrap();
    assert!(panicked.message.starts_with("panicked: when created"));
    assert_eq!((factory.pool_size(), factory.channel_size(), factory.gathers()), (1, 7, 0));
    assert_eq!((factory.needs(), factory.durability()), (vec![], Err(String::new())));
    assert_eq!(factory.exactly_once(), Err(String::new()));
    factory.destroy();
}

#[test]
fn hooks_are_called_once_and_at_once_after_the_stop() {
    let heard = Arc::new(AtomicUsize::new(0));
    let mut factory = factory("reports");
    let component = factory.create(host(Arc::new(Listening))).unwrap();
    let on_stop = HOOKS.take();
    on_stop.call(|| panic!("in a hook"));
    let clone = heard.clone();
    on_stop.call(move || {
        clone.fetch_add(1, SeqCst);
    });
    // A hook may own the owner of the hooks.
    let cycle = on_stop.clone();
    on_stop.call(move || drop(cycle.clone()));
    let stopper = component.stopper();
    stopper.stop();
    assert!(LOGGED.take()[0].starts_with("when stopped, it panicked: in a hook ("));
    std::thread::spawn(move || stopper.stop()).join().unwrap();
    assert_eq!(heard.load(SeqCst), 1, "also after one that panics");
    let late = heard.clone();
    on_stop.call(move || {
        late.fetch_add(1, SeqCst);
    });
    assert_eq!(heard.load(SeqCst), 2, "it has stopped already");
    let stopper = component.stopper();
    drop(component);
    stopper.stop();
    assert_eq!((heard.load(SeqCst), Arc::strong_count(&heard)), (2, 1));
}

#[test]
fn messages_that_a_host_does_not_send_come_back_whole() {
    let (books, ledger) = (Books::default(), Ledger::open());
    let host = host(Arc::new(Listening));
    let kept = {
        let mut batch = Batch::new(2);
        (0..2).for_each(|_| batch.push(Message::new("parent")).unwrap());
        batch.open_delivery(0, ledger.clone());
        let mut kept = Deliveries::default();
        let handling = Handling::new(batch);
        lend(&handling, |call| call.each(|message, handled| kept.add(handled.keep(message))));
        kept
    };
    let mut batch = host.batch();
    batch.push(Message::new(books.payload("child"))).unwrap();
    let (status, batch, kept) =
        host.send(batch, Sending { deliveries: kept, ..Sending::default() }).unwrap_err();
    assert_eq!((status, texts(&batch), kept.len()), (SendStatus::CLOSED, vec!["child".into()], 2));
    let (status, batch, kept) = host
        .send(batch, Sending { token: Some(4), wait: false, positions: None, deliveries: kept })
        .unwrap_err();
    assert_eq!((status, ledger.outcomes(0, 2)), (SendStatus::FULL, vec![None; 2]));
    drop((batch, kept));
    assert_eq!((books.alive(), ledger.outcomes(0, 2)), (0, vec![Some(Outcome::FAILED); 2]));
}

#[test]
fn the_services_reach_the_host() {
    let host = host(Arc::new(Listening));
    let clone = host.clone();
    drop(host);
    assert_eq!((clone.now(), clone.monotonic(), clone.is_stopping()), (1, 2, false));
    assert_eq!(clone.state_directory().unwrap_err().to_string(), "none");
    assert!(clone.stop_descriptor().is_none());
    assert_eq!(clone.payload(5).len(), 5);
    let counter = clone.metric("seen_total", "How many.").counter().unwrap();
    counter.add(2);
    assert_eq!(counter.get(), 2);
}
