//! The ways out of `handle`.
use std::{mem::ManuallyDrop, panic::panic_any, thread::JoinHandle, time::Duration};

use super::*;

/// A component that handles each message in a given way.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) stash: Vec<Message>,
    pub(super) forgotten: Vec<ManuallyDrop<Message>>,
    pub(super) late: Vec<(Deferred, Message)>,
    pub(super) kept: Vec<Kept>,
    pub(super) sent: Vec<Batch>,
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.forgotten.drain(..).for_each(|message| drop(ManuallyDrop::into_inner(message)));
    }
}

/// The content of the slot expected afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Left {
    /// The message as the component gave it back.
    Changed,
    /// The message as received, with this status and description.
    Came(i32, &'static str),
    /// The message as received, with any status of a fault of the component.
    Fault,
    /// Nothing: the component has it, and the index. The outcome of the index.
    Kept(Outcome),
}

/// A way out of `handle`.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) left: Left,
    pub(super) take: fn(&mut Stage, Message, HandledCallback<'_>),
}

fn change(message: &mut Message) {
    message.set_data(b"changed".to_vec());
    message.set_attribute("k", "changed");
}

pub(super) fn changed(mut message: Message) -> Message {
    change(&mut message);
    message
}

const NO_REPORT: Left = Left::Came(200, "no report");

pub(super) fn ways() -> Vec<Way> {
    fn way(
        name: &'static str,
        left: Left,
        take: fn(&mut Stage, Message, HandledCallback<'_>),
    ) -> Way {
        Way { name, left, take }
    }
    vec![
        way("done", Left::Came(0, ""), |_, m, h| h.done(m)),
        way("changed, done", Left::Changed, |_, m, h| h.done(changed(m))),
        way("changed, done with a text", Left::Changed, |_, m, h| {
            h.report(changed(m), Report::new(0, "words"));
        }),
        way("another one, done", Left::Changed, |stage, m, h| {
            stage.stash.push(m);
            h.done(changed(Message::new("other")));
        }),
        way("drop", Left::Came(300, ""), |_, m, h| h.discard(m)),
        way("changed, drop", Left::Came(300, ""), |_, m, h| h.discard(changed(m))),
        way("changed, fail", Left::Came(205, "why"), |_, m, h| {
            h.report(changed(m), Report::fail(5, "why"));
        }),
        way("only the attributes changed, fail", Left::Came(205, "why"), |_, mut m, h| {
            m.set_attribute("k", "changed");
            h.report(m, Report::fail(5, "why"));
        }),
        way("changed, retry", Left::Came(103, "later"), |_, m, h| {
            h.report(changed(m), Report::retry(3, "later"));
        }),
        way("another one, fail", Left::Came(200, "why"), |stage, m, h| {
            stage.stash.push(m);
            h.report(Message::new("other"), Report::fail(0, "why"));
        }),
        way("a part of it, fail", Left::Came(200, "why"), |stage, m, h| {
            let part = Message::new(m.payload().slice(1..));
            stage.stash.push(changed(m));
            h.report(part, Report::fail(0, "why"));
        }),
        way("a status of a slot", Left::Fault, |_, m, h| h.report(m, Report::new(i32::MIN, "?"))),
        way("another status of a slot", Left::Fault, |_, m, h| {
            h.report(changed(m), Report::new(i32::MIN + 1, "?"));
        }),
        way("negative", Left::Fault, |_, m, h| h.report(changed(m), Report::new(-7, "?"))),
        way("continue without keeping", Left::Fault, |_, m, h| h.report(m, Report::new(1, "?"))),
        way("reserved", Left::Fault, |_, m, h| h.report(changed(m), Report::new(2, "?"))),
        way("reserved to the end", Left::Fault, |_, m, h| h.report(m, Report::new(99, "?"))),
        way("both dropped", NO_REPORT, |_, m, h| drop((m, h))),
        way("changed, both dropped", NO_REPORT, |_, m, h| drop((changed(m), h))),
        way("both forgotten", NO_REPORT, |stage, m, h| {
            // As after `mem::forget`, but the test can free it at the end.
            stage.forgotten.push(ManuallyDrop::new(m));
            #[allow(clippy::forget_non_drop)]
            std::mem::forget(h);
        }),
        way("stashed", NO_REPORT, |stage, m, _| stage.stash.push(m)),
        way("stashed and changed", NO_REPORT, |stage, m, _| stage.stash.push(changed(m))),
        way("panic", Left::Came(200, "panicked: boom"), |_, _, _| panic!("boom")),
        way("changed, panic", Left::Came(200, "panicked: boom"), |_, m, _h| {
            let _changed = changed(m);
            panic!("boom");
        }),
        way("stashed, panic", Left::Came(200, "panicked: boom"), |stage, m, _| {
            stage.stash.push(m);
            panic!("boom");
        }),
        way("panic without words", Left::Came(200, "panicked: (not a text)"), |_, _, _| {
            panic_any(())
        }),
        way("changed, done, panic", Left::Changed, |_, m, h| {
            h.done(changed(m));
            panic!("after the report");
        }),
        way("fail, panic", Left::Came(204, "why"), |_, m, h| {
            h.report(changed(m), Report::fail(4, "why"));
            panic!("after the report");
        }),
        way("kept, dropped", Left::Kept(Outcome::FAILED), |_, m, h| drop(h.keep(m))),
        way("kept for long", Left::Kept(Outcome::FAILED), |stage, m, h| stage.kept.push(h.keep(m))),
        way("kept, panic", Left::Kept(Outcome::FAILED), |_, m, h| {
            let _kept = h.keep(m);
            panic!("boom");
        }),
        way("kept, sent", Left::Kept(Outcome::DELIVERED), |stage, m, h| {
            let (message, deliveries) = h.keep(m).split();
            assert_eq!(message.status(), 0);
            let mut batch = Batch::new(2);
            batch.push(message.duplicate()).unwrap();
            batch.push(changed(message)).unwrap();
            batch.derive_delivery(deliveries);
            stage.sent.push(batch);
        }),
        way("kept, made into nothing", Left::Kept(Outcome::DROPPED), |_, m, h| {
            Batch::new(1).derive_delivery(h.keep(m).into());
        }),
        way("deferred, done at once", Left::Changed, |_, m, h| h.defer().done(changed(m))),
        way("deferred, unchanged, done at once", Left::Came(0, ""), |_, m, h| h.defer().done(m)),
        way("deferred, fail at once", Left::Came(206, "late"), |_, m, h| {
            h.defer().report(changed(m), Report::fail(6, "late"));
        }),
        way("deferred, drop at once", Left::Came(300, ""), |_, m, h| {
            h.defer().report(changed(m), Report::DROP);
        }),
        way("deferred, a fault", Left::Fault, |_, m, h| h.defer().report(m, Report::new(1, "?"))),
        way("deferred, a status of a slot", Left::Fault, |_, m, h| {
            h.defer().report(changed(m), Report::new(i32::MIN + 1, "?"));
        }),
        way("deferred, dropped", NO_REPORT, |_, m, h| drop((h.defer(), changed(m)))),
        way("deferred, panic", NO_REPORT, |_, m, h| {
            let _deferred = h.defer();
            change(&mut { m });
            panic!("boom");
        }),
        way("deferred, done, panic", Left::Changed, |_, m, h| {
            h.defer().done(changed(m));
            panic!("boom");
        }),
        way("deferred, done by a thread", Left::Changed, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || deferred.done(changed(m))));
        }),
        way("deferred, done by a slow thread", Left::Changed, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(100));
                deferred.done(changed(m));
            }));
        }),
        way("deferred, retry by a thread", Left::Came(101, "late"), |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || {
                deferred.report(changed(m), Report::retry(1, "late"));
            }));
        }),
        way("deferred, dropped by a thread that panics", NO_REPORT, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || {
                let _ = fence(|| {
                    let (_deferred, _message) = (deferred, changed(m));
                    panic!("on its own thread");
                });
            }));
        }),
        way("deferred to a thread, panic", Left::Changed, |stage, m, h| {
            let deferred = h.defer();
            stage.threads.push(std::thread::spawn(move || deferred.done(changed(m))));
            panic!("boom");
        }),
        way("deferred, done after the call", Left::Changed, |stage, m, h| {
            stage.late.push((h.defer(), changed(m)));
        }),
        way("deferred to after the call, panic", Left::Changed, |stage, m, h| {
            stage.late.push((h.defer(), changed(m)));
            panic!("boom");
        }),
    ]
}
